"""A clean sentence where a merge field has no value (PRODUCT O11), in English and Japanese.

In a template `${}` marks the gap. A name that is only addressed goes alone ("Hello ${}, we" → "Hello, we"),
a bracket goes with its gap; whatever else needs its value goes as a whole sentence, since "Your ticket
number is ." is neither clean nor true. Works on the template, so it can never touch a value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

GAP = "${}"

_E = r"\$\{\}"
_SPACE = r"[ \u3000\t]"
_HONORIFIC = rf"{_SPACE}*(?:様|さま|さん|殿|御中|先生)"
_NAME = rf"(?:(?:Mr|Ms|Mrs|Mx|Dr|Prof)\.?[ ]+)?{_E}(?:{_HONORIFIC})?"
_START = r"(?:\A|(?<=\n)|(?<=[.!?…] )|(?<=[。！？]))"
_OPEN, _CLOSE = r"[(（\[【〔]", r"[)）\]】〕]"
_BRACKET = rf"{_OPEN}[^()（）\[\]【】〔〕\n]*{_E}[^()（）\[\]【】〔〕\n]*{_CLOSE}"
# What may follow a name that is addressed: the end, a mark or an emoji, but no word and no "'s".
_ENDS = rf"{_SPACE}*(?:[^\w\s'’&/$]|\n|\Z)"
_GREETING = (
    r"Hello(?: again| there)?|Hi(?: again| there)?|Hey(?: there)?|Greetings|Welcome(?: back)?|Thanks|Thank you"
    r"|Good (?:morning|afternoon|evening|day)|Many thanks|Sorry|Goodbye|Bye|Cheers|See you"
)
# A Japanese comma after a particle belongs to the sentence ("営業時間は、…"), after a greeting it does not.
_NO_PARTICLE = r"(?:(?<=こんにちは)|(?<=こんばんは)|(?<![はがをのにでともへ]))"


def _keep(match: re.Match[str]) -> str:
    return match[1]


def _capital(match: re.Match[str]) -> str:
    return match[1].upper()


def _nothing(match: re.Match[str]) -> str:
    return ""


_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replace)
    for pattern, replace in (
        # Beside a field that has a value: "${First} ${Last}".
        (rf"{_E}(?:[ \u3000・]*{_E})+", lambda match: GAP),
        (rf"{_E}[ \u3000・]+(?=\$\{{[^}}])", _nothing),
        (rf"(?<=[^{{]\}})[ \u3000・]+{_E}", _nothing),
        # Brackets: "(ticket #${})".
        (rf"{_START}{_BRACKET}{_SPACE}*", _nothing),
        (rf"{_SPACE}*{_BRACKET}", _nothing),
        # Addressing: "Dear ${}," needs a name, "Hello ${}," does not; "Thank you, ${}."; "${}様、".
        (rf"{_START}(?:My )?Dear[ ]+{_NAME}{_SPACE}*(?:[,!:.，、！–-]+\s*|\n+|\Z)(\w?)", _capital),
        (rf"\b({_GREETING})[ ]+{_NAME}(?={_ENDS})", _keep),
        (rf"{_NO_PARTICLE}[ ]*[,，、]{_SPACE}*{_NAME}(?={_ENDS})", _nothing),
        (rf"{_E}{_HONORIFIC}(?:からの|の)", _nothing),
        (rf"{_START}{_E}{_HONORIFIC}[ \u3000]+(?=\S)", _nothing),
        (rf"{_START}{_SPACE}*{_NAME}{_SPACE}*(?:[,，、:：!！]+\s*|\n|\Z)(\w?)", _capital),
    )
)

_LATIN_END = r"(?:[.!?…]+[\"'”’)\]»]*(?=[ \t\u3000]+[^a-z]))"
_JAPANESE_END = r"(?:[。！？｡]+[」』）】)]*)"
_END = re.compile(rf"(?:{_LATIN_END}|{_JAPANESE_END}){_SPACE}*")
_NO_END = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|St|No|Nr|Tel|Inc|Ltd|Co)|^\s*\d+)\.\s*$", re.IGNORECASE)


def close_gaps(template: str) -> str:
    """The template without its gaps; as it is if there are none."""
    if GAP not in template:
        return template
    text, kept = _kept(template)
    if not _says_something(kept):
        kept = _plain(text)
    return _trim(kept, template) if _says_something(kept) else ""


def loses_all(template: str) -> bool:
    """Whether every sentence of the template needs a value that is missing, so that no clean one is left."""
    return not _says_something(_kept(template)[1])


def _kept(template: str) -> tuple[str, str]:
    # The template after the rules, and what of it needs no missing value.
    text = template
    for pattern, replace in _RULES:
        text = pattern.sub(replace, text)
    return text, "\n".join(line for each in text.split("\n") if (line := _without_gaps(each)) is not None)


def _without_gaps(line: str) -> str | None:
    # The line without the sentences that have a gap; None if nothing is left of it.
    if GAP not in line:
        return line
    kept = "".join(sentence for sentence in _sentences(line) if GAP not in sentence).rstrip()
    return kept or None


def _sentences(line: str) -> list[str]:
    found, at = [], 0
    for match in _END.finditer(line):
        if not _NO_END.search(line[at : match.end()]):
            found.append(line[at : match.end()])
            at = match.end()
    return [*found, line[at:]]


def _says_something(text: str) -> bool:
    # A letter, a digit or an emoji, which is a symbol (So) like ★ and ©.
    return any(each.isalnum() or unicodedata.category(each) == "So" for each in text.replace(GAP, ""))


def _plain(text: str) -> str:
    # Nothing but sentences with gaps: better a bare sentence than no message.
    text = re.sub(rf"{_SPACE}*[#＃№]?{_E}(?:{_HONORIFIC})?", "", text)
    text = re.sub(r"「」|『』|“”|\"\"|\(\)|（）", "", text)
    text = re.sub(rf"{_SPACE}+(?=[,.!?;:，、。！？])", "", text)
    text = re.sub(r"([,，、])(?:\s*[,，、])+", r"\1", text)
    return re.sub(r"\A[\s,.!?;:，、。！？]+", "", text)


def _trim(text: str, template: str) -> str:
    if "\n\n\n" not in template:
        text = re.sub(r"\n{3,}", "\n\n", text)
    text = text.strip()
    return re.sub(r"\s*[,，、]\Z", "", text)  # "Best regards," with nobody below
