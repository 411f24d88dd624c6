"""Length and splitting of text in a channel's own unit (PRODUCT L2); every character is kept.

`regex` is the one package used in the core: a pure function of its input, and what finds grapheme
clusters (`\\X`, Unicode UAX 29) (docs/decisions/0002).
"""

from __future__ import annotations

from bisect import bisect_right

import regex

from gateway.core.capabilities import Unit

# What ends a piece. Group 1 must stay with the piece before; the white space after it goes along as far
# as there is room. A Latin full stop ends a sentence only before white space (3.14, example.com), the
# Japanese ones always, with the brackets they close.
_PARAGRAPH = regex.compile(r"()\n\s*\n\s*")
_LINE = regex.compile(r"()\n\s*")
_SENTENCE = regex.compile(
    r"""([。！？｡]+[」』）】》〉”’)\]]*|[.!?…]+[」』）】》〉”’)\]"']*(?=\s)|(?=\n))\s*"""
)
_WORD = regex.compile(r"([、，；：･・]+|(?=\s))\s*")
_CLUSTER = regex.compile(r"\X")


def length(text: str, unit: Unit) -> int:
    """Length of the text in this unit; bytes are those of UTF-8."""
    if unit is Unit.CODE_POINTS:
        return len(text)
    return sum(_width(character, unit) for character in text)


def _width(character: str, unit: Unit) -> int:
    if unit is Unit.CODE_POINTS or character <= "\x7f":
        return 1
    if unit is Unit.UTF16:
        return 1 + (character > "\uffff")
    return 2 + (character > "\u07ff") + (character > "\uffff")


def split_text(text: str, limit: int, unit: Unit) -> tuple[str, ...]:
    """Parts of at most `limit` units that, joined, are exactly the text; empty text has no part.

    Cuts at the end of a paragraph or line if that fills at least half a part, else of a sentence
    (Japanese included), else of a word, else of a grapheme cluster; within a cluster only when that one
    alone exceeds the limit. A part of nothing but white space comes only where more white space stands
    together than a part can hold beside a visible character. Raises ValueError when the limit is too
    small for one character of the text.
    """
    if text and length(text, unit) <= limit:
        return (text,)
    ends = [match.end() for match in _CLUSTER.finditer(text)]
    parts, at = [], 0
    while at < len(text):
        end = _reach(text, at, limit, unit)
        cut = end if end == len(text) else _cut(text, at, end, ends)
        parts.append(text[at:cut])
        at = cut
    return tuple(parts)


def _reach(text: str, at: int, limit: int, unit: Unit) -> int:
    # The furthest position that one part beginning at `at` can reach.
    room = limit
    for position in range(at, min(at + max(limit, 1), len(text))):
        room -= _width(text[position], unit)
        if room < 0:
            if position == at:
                raise ValueError(f"a limit of {limit} {unit.value} cannot hold every character of the text")
            return position
    return min(at + limit, len(text))


def _cut(text: str, at: int, end: int, ends: list[int]) -> int:
    # A part should not be blank (cut after `low`), nor should the blank rest of the text (cut before it).
    low = at + len(text[at:end]) - len(text[at:end].lstrip())
    high = _last_within(ends, end)
    if not text[end:].strip():
        visible = len(text[:end].rstrip())
        high = max(_last_within(ends, visible - 1), low) if visible > low else high
    half = (at + high) // 2
    for ending, least in ((_PARAGRAPH, half), (_LINE, half), (_SENTENCE, low), (_WORD, low)):
        for match in reversed(list(ending.finditer(text, at, high + 1))):
            cut = _last_within(ends, min(match.end(), high))
            if cut >= match.end(1) and cut > max(least, low):
                return cut
    if high > at:
        return high
    whole = _last_within(ends, end)
    return whole if whole > at else end


def _last_within(ends: list[int], position: int) -> int:
    # The last end of a grapheme cluster that is not beyond the position; 0 if there is none.
    found = bisect_right(ends, position)
    return ends[found - 1] if found else 0
