"""Avro single-object encoding: C3 01, the schema's fingerprint, the body. No registry is needed.

A record written under an earlier released schema is read through Avro's schema resolution.
Source: https://avro.apache.org/docs/1.12.0/specification/#single-object-encoding
"""

from __future__ import annotations

import struct
from functools import cache
from io import BytesIO
from typing import Any, TypeVar

import fastavro
from fastavro.read import SchemaResolutionError

import schemas
from gateway.wire.avro_types import schema_of
from gateway.wire.codec import decode_at, encode_onto
from gateway.wire.errors import WireError, WireReason
from gateway.wire.records import fingerprint, released

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
    writer = _released_by_fingerprint(cls.__name__).get(known)
    if writer is None:
        detail = f"{known.hex()} is no known schema of {cls.__name__}"
        raise WireError(WireReason.UNKNOWN_FINGERPRINT, detail)
    return decode_at(resolve(data[_HEADER:], writer, schema_of(cls)), 0, cls)


@cache
def _released_by_fingerprint(record: str) -> dict[bytes, Any]:
    return {fingerprint(schema): schema for _, schema in released(schemas.FOLDER, record)}


def resolve(body: bytes, writer: Any, reader: Any) -> bytes:
    """The body of a record, written under the schema `writer`, as the schema `reader` would have written it.

    Raises WireError with reason `truncated`, `trailing_bytes` or `malformed`.
    """
    stream, out = BytesIO(body), BytesIO()
    reader = fastavro.parse_schema(reader)
    try:
        datum = fastavro.schemaless_reader(
            stream, fastavro.parse_schema(writer), reader, return_record_name=True
        )
        fastavro.schemaless_writer(out, reader, datum)
    except (EOFError, IndexError, struct.error) as error:
        raise WireError(WireReason.TRUNCATED, "the bytes end within an earlier form of the record") from error
    except (SchemaResolutionError, ValueError, TypeError, KeyError) as error:
        detail = f"an earlier form of the record cannot be read ({type(error).__name__})"
        raise WireError(WireReason.MALFORMED, detail) from error
    if stream.tell() < len(body):
        raise WireError(WireReason.TRAILING_BYTES, "bytes follow an earlier form of the record")
    return out.getvalue()
