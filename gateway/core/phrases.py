"""What a contact typed, compared with what we expect: case, width and punctuation do not matter."""

from __future__ import annotations

import unicodedata

_APOSTROPHES = "'’ʼ`"


def fold(text: str) -> str:
    """The text in lower case and narrow width, punctuation as spaces, spaces single.

    Full-width letters and digits, half-width kana and circled numbers become the usual ones (NFKC).
    """
    narrow = unicodedata.normalize("NFKC", text).casefold()
    kept = (_kept(character) for character in narrow)
    return " ".join("".join(kept).split())


def _kept(character: str) -> str:
    if character in _APOSTROPHES:
        return ""  # don't = dont, not two words
    return character if unicodedata.category(character)[0] in "LNM" else " "


def has_phrase(text: str, phrase: str) -> bool:
    """Whether the text is or holds the phrase: as whole words, or anywhere where a script has no spaces."""
    wanted = fold(phrase)
    if not wanted:
        return False
    if any(_without_spaces(character) for character in wanted):
        return wanted.replace(" ", "") in fold(text).replace(" ", "")
    return f" {wanted} " in f" {_words(fold(text))} "


def _words(folded: str) -> str:
    """Spaces between Latin words and the Japanese around them ("operatorお願いします")."""
    return "".join(f" {c} " if _without_spaces(c) else c for c in folded)


def _without_spaces(character: str) -> bool:
    """Kana, ideographs and Thai are written without spaces between words."""
    code = ord(character)
    return 0x3040 <= code <= 0x30FF or 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or _rare(code)


def _rare(code: int) -> bool:
    return 0x20000 <= code <= 0x3FFFF or 0x0E00 <= code <= 0x0E7F
