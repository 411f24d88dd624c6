"""What can be wrong with bytes or values at the wire."""

from __future__ import annotations

from enum import StrEnum


class WireReason(StrEnum):
    """Stable reasons; dead letters carry them and operators filter by them."""

    NOT_FRAMED = "not_framed"
    """The bytes do not begin with the marker of Avro's single-object encoding."""
    UNKNOWN_FINGERPRINT = "unknown_fingerprint"
    """The writer's schema is not among the known ones: a newer writer, or foreign bytes."""
    TRUNCATED = "truncated"
    TRAILING_BYTES = "trailing_bytes"
    MALFORMED = "malformed"
    """The bytes are no value of the schema."""
    INVALID_VALUE = "invalid_value"
    """A value that its type does not allow was to be encoded."""
    OUT_OF_RANGE = "out_of_range"
    """An integer does not fit into 64 bits."""


class WireError(Exception):
    """A record cannot be encoded or decoded. `reason` is stable; `detail` never holds message text."""

    def __init__(self, reason: WireReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class SchemaError(TypeError):
    """A domain type has no Avro form; a programming error, raised when the schema is made."""
