"""Avro single-object encoding: C3 01, the schema's fingerprint, the body. No registry is needed.

A record written under an earlier released schema is read through Avro's schema resolution.
Source: https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding
"""

from __future__ import annotations

from functools import cache
from typing import TypeVar

import schemas
from gateway.wire.avro_types import schema_of
from gateway.wire.codec import decode_at, encode_onto
from gateway.wire.errors import WireError, WireReason
from gateway.wire.records import fingerprint, released
from gateway.wire.resolution import OlderReader

T = TypeVar("T")

MARKER = b"\xc3\x01"
_HEADER = len(MARKER) + 8

_heads: dict[type, bytes] = {}


def encode(value: object) -> bytes:
    """The framed record of a domain object.

    Raises WireError with reason `invalid_value` or `out_of_range`, SchemaError when it has no Avro form.
    """
    cls = value.__class__
    pieces = [_heads.get(cls) or _head(cls)]
    encode_onto(pieces, value)
    return b"".join(pieces)


def decode(data: bytes, cls: type[T]) -> T:
    """The domain object in a framed record of this type, written under its current or an earlier schema.

    Raises WireError with reason `not_framed`, `unknown_fingerprint`, `truncated`, `trailing_bytes` or
    `malformed`.
    """
    if data[:_HEADER] == (_heads.get(cls) or _head(cls)):
        return decode_at(data, _HEADER, cls)
    return _decode_older(data, cls)


def _head(cls: type) -> bytes:
    return _heads.setdefault(cls, MARKER + fingerprint(schema_of(cls)))


def _decode_older(data: bytes, cls: type[T]) -> T:
    if data[: len(MARKER)] != MARKER[: len(data)] or not data:
        raise WireError(WireReason.NOT_FRAMED, "the bytes are no Avro single-object encoding")
    if len(data) < _HEADER:
        raise WireError(WireReason.TRUNCATED, "the bytes end within the header")
    known = data[len(MARKER) : _HEADER]
    older = _older_readers(cls.__name__).get(known)
    if older is None:
        detail = f"{known.hex()} is no known schema of {cls.__name__}"
        raise WireError(WireReason.UNKNOWN_FINGERPRINT, detail)
    return older.read(data[_HEADER:], cls)


@cache
def _older_readers(record: str) -> dict[bytes, OlderReader]:
    return {fingerprint(schema): OlderReader(schema) for _, schema in released(schemas.FOLDER, record)}
