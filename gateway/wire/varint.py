"""Avro's integers: zig-zag, then seven bits a byte, least significant first."""

from __future__ import annotations

from gateway.wire.errors import WireError, WireReason

_PAIR = 1 << 14


def _pair(value: int) -> bytes:
    return bytes((value & 127 | 128, value >> 7 | 128))


# Two bytes at a time from tables, since a loop per byte costs most of an event's encoding.
LAST = tuple(bytes((v,)) if v < 128 else bytes((v & 127 | 128, v >> 7)) for v in range(_PAIR))
"""Encoded form of the zig-zag numbers below 16,384; a length `n` is `LAST[n << 1]`."""
_MORE = tuple(_pair(v) for v in range(_PAIR))


def encode_long(value: int) -> bytes:
    """The integer as Avro `long`. Raises WireError when it does not fit 64 bits."""
    if not -0x8000_0000_0000_0000 <= value <= 0x7FFF_FFFF_FFFF_FFFF:
        raise WireError(WireReason.OUT_OF_RANGE, "an integer does not fit 64 bits")
    rest = (value << 1) ^ (value >> 63)
    if rest < _PAIR:
        return LAST[rest]
    head = _MORE[rest & 0x3FFF]
    rest >>= 14
    while rest >= _PAIR:
        head += _MORE[rest & 0x3FFF]
        rest >>= 14
    return head + LAST[rest]


def continue_long(data: bytes, at: int, first: int) -> tuple[int, int]:
    """Zig-zag number whose first byte was `first` (over 127), and the position after it.

    Raises WireError when it is longer than 64 bits, IndexError when the bytes end within it.
    """
    # Up to six bytes (a time in milliseconds) without a loop. The continuation bits are left in, and what
    # they add up to is taken off at the end.
    second = data[at]
    if second < 128:
        return first - 0x80 + (second << 7), at + 1
    third = data[at + 1]
    if third < 128:
        return first - 0x4080 + (second << 7) + (third << 14), at + 2
    fourth = data[at + 2]
    if fourth < 128:
        return first - 0x20_4080 + (second << 7) + (third << 14) + (fourth << 21), at + 3
    number = first - 0x1020_4080 + (second << 7) + (third << 14) + (fourth << 21)
    fifth, sixth = data[at + 3], data[at + 4] if data[at + 3] > 127 else 0
    if sixth < 128 and fifth > 127:
        return number + (fifth - 128 << 28) + (sixth << 35), at + 5
    return _continue_slowly(data, at + 3, number)


def _continue_slowly(data: bytes, at: int, number: int) -> tuple[int, int]:
    shift = 28
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            if number >> 64:
                raise WireError(WireReason.MALFORMED, "an integer is longer than 64 bits")
            return number, at
        shift += 7
        if shift > 63:
            raise WireError(WireReason.MALFORMED, "an integer is longer than 64 bits")


def continue_length(data: bytes, at: int, first: int) -> tuple[int, int]:
    """Length of a string or of bytes whose first byte was `first`, and the position after it.

    Raises WireError when it is negative or longer than 64 bits, IndexError when the bytes end within it.
    """
    number, at = continue_long(data, at, first) if first > 127 else (first, at)
    if number & 1:
        raise WireError(WireReason.MALFORMED, "a length is negative")
    return number >> 1, at


def block_size(data: bytes, at: int) -> tuple[int, int]:
    """Number of items in the next block of an array or map (0 = end), and the position after it.

    Raises WireError when it claims more items than bytes are left, IndexError when the bytes end within it.
    """
    number, at = _long(data, at)
    if number < 0:
        # A negative count is followed by the block's size in bytes, which only who skips needs.
        number, at = -number, _long(data, at)[1]
    if number > len(data) - at:
        raise WireError(WireReason.TRUNCATED, "a block has more items than bytes are left")
    return number, at


def _long(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    number, at = continue_long(data, at + 1, first) if first > 127 else (first, at + 1)
    return (number >> 1) ^ -(number & 1), at
