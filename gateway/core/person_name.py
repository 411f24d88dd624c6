"""A full name, as channels give it, in its parts."""

from __future__ import annotations

import re

_EAST_ASIAN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af々〆ー]+\Z")
_TITLES = frozenset({"mr", "mrs", "ms", "mx", "dr", "prof"})
_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
_PARTICLES = frozenset(
    "al bin da de del della den der di do dos du el la las le los ter van vom von y zu zum zur".split()  # noqa: SIM905
)


def split_name(full: str) -> tuple[str, str]:
    """First and last name; a name of one word is all first name, since nothing tells where to cut it.

    The last word is the last name, with its particles (van Beethoven) and suffix (King Jr.), unless there is
    a comma (Smith, Ann). A name in kanji, kana or hangul that is parted by a space has the family name first,
    one parted by `・` the first name. Words without a letter, such as emoji, and titles are left out.
    """
    words = [word for word in full.split() if any(character.isalpha() for character in word)]
    if len(words) > 1 and words[0].endswith(",") and not _is(words[1], _SUFFIXES):
        return " ".join(words[1:]), words[0].rstrip(",")
    while len(words) > 1 and _is(words[0], _TITLES):
        words = words[1:]
    if len(words) > 1 and all(_EAST_ASIAN.match(word) for word in words):
        return " ".join(words[1:]), words[0]
    if len(words) == 1 and "・" in words[0].strip("・"):
        first, _, last = words[0].strip("・").rpartition("・")
        return first, last
    return _western(words)


def _western(words: list[str]) -> tuple[str, str]:
    if len(words) < 2:
        return "".join(words), ""
    cut = len(words) - 1
    while cut > 1 and _is(words[cut], _SUFFIXES):
        cut -= 1
    while cut > 1 and words[cut - 1] in _PARTICLES:
        cut -= 1
    return " ".join(words[:cut]).rstrip(","), " ".join(words[cut:])


def _is(word: str, of: frozenset[str]) -> bool:
    return word.lower().strip(".,") in of
