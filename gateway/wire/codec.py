"""Domain objects to and from Avro's binary form, without framing."""

from __future__ import annotations

import struct
from typing import Any, TypeVar, cast

from gateway.wire.compiler import Compiler, Reader, Writer
from gateway.wire.errors import WireError, WireReason

T = TypeVar("T")

_compiler = Compiler()
_writers: dict[type, Writer] = {}
_readers: dict[type, Reader] = {}


def encode_onto(pieces: list[bytes], value: object) -> None:
    """Appends the Avro body of a dataclass object.

    Raises WireError with reason `invalid_value` or `out_of_range` when a value is not of its declared
    type, and SchemaError when the class has no Avro form.
    """
    cls = value.__class__
    write = _writers.get(cls) or _writers.setdefault(cls, _compiler.writer(cls))
    try:
        write(value, pieces.append)
    except (AttributeError, TypeError, KeyError, UnicodeEncodeError, struct.error) as error:
        # The error's own words may quote message text; its kind is enough to find the mistake.
        detail = f"{cls.__name__} holds a value that its type does not allow ({type(error).__name__})"
        raise WireError(WireReason.INVALID_VALUE, detail) from error


def decode_at(data: bytes, at: int, cls: type[T]) -> T:
    """The object whose Avro body begins at `at` and ends with the data.

    Raises WireError with reason `truncated`, `trailing_bytes` or `malformed`.
    """
    read = _readers.get(cls) or _readers.setdefault(cls, _compiler.reader(cls))
    try:
        value, end = read(data, at)
    except (IndexError, struct.error) as error:
        raise WireError(WireReason.TRUNCATED, f"the bytes end within {cls.__name__}") from error
    except UnicodeDecodeError as error:
        cut = error.reason == "unexpected end of data"
        reason = WireReason.TRUNCATED if cut else WireReason.MALFORMED
        raise WireError(reason, f"a text of {cls.__name__} is not UTF-8") from error
    except KeyError as error:
        detail = f"{cls.__name__} has no such branch or symbol: {error}"
        raise WireError(WireReason.MALFORMED, detail) from error
    _check_end(end, len(data), cls)
    return cast("T", value)


def _check_end(end: int, size: int, cls: type[Any]) -> None:
    if end > size:
        raise WireError(WireReason.TRUNCATED, f"the bytes end within {cls.__name__}")
    if end < size:
        raise WireError(WireReason.TRAILING_BYTES, f"{size - end} bytes follow {cls.__name__}")
