"""Merge fields in texts that are sent by themselves or by an agent: found, checked on saving, filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum

from gateway.core.merge_field_catalogue import BY_KEY, CATALOGUE, LIMITS, Situation
from gateway.core.merge_gaps import GAP, close_gaps, loses_all

_FIELD = re.compile(r"\$\{([^{}\n]*)\}")
_OPENED = re.compile(r"\$\{(?![^{}\n]*\})")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROLS_IN_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]+")
_SUGGESTIONS = {
    **{field.key.partition(".")[2].lower(): field.key for field in reversed(CATALOGUE)},
    **{field.key.lower(): field.key for field in CATALOGUE},
}


@dataclass(frozen=True, slots=True)
class FoundField:
    """A field in a text: `text[start:end]` is `${key}`. The key need not be known."""

    key: str
    start: int
    end: int


class ProblemCode(StrEnum):
    """What is wrong with a text. Codes are never renamed; new ones may come."""

    UNKNOWN_FIELD = "unknown_field"
    UNBALANCED = "unbalanced"
    TOO_LONG = "too_long"
    BLANK = "blank"
    ALWAYS_EMPTY = "always_empty"
    NOTHING_LEFT = "nothing_left"


WARNINGS = frozenset({ProblemCode.ALWAYS_EMPTY, ProblemCode.NOTHING_LEFT})
"""Problems with which a text may still be saved."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """Why a text is refused on saving, or saved with a warning.

    `at` is the position in code points; `field` the key as written; `suggestion` a key of the catalogue;
    `detail` says it by language (en, ja).
    """

    code: ProblemCode
    detail: Mapping[str, str]
    at: int = 0
    field: str | None = None
    suggestion: str | None = None

    @property
    def refused(self) -> bool:
        """Whether the text must not be saved so."""
        return self.code not in WARNINGS


def find_fields(text: str) -> list[FoundField]:
    """Every field of the text, known or not, in order."""
    return [FoundField(match[1], match.start(), match.end()) for match in _FIELD.finditer(text)]


def check(text: str, situation: Situation) -> list[FieldProblem]:
    """What is wrong with this text in this situation, in the order of the text; empty if it can be saved."""
    found = [problem for field in find_fields(text) if (problem := _check_field(field, situation))]
    found += [_unbalanced(match.start()) for match in _OPENED.finditer(text)]
    found.sort(key=lambda problem: problem.at)
    limit = LIMITS.get(situation)
    if limit is not None and len(text) > limit:
        found.append(_too_long(len(text), limit))
    if not text.strip():
        found.append(FieldProblem(ProblemCode.BLANK, {"en": "The text is empty.", "ja": "本文が空です。"}))
    elif not any(problem.refused for problem in found) and loses_all(_marked(text, {})):
        found.append(FieldProblem(ProblemCode.NOTHING_LEFT, _NOTHING_LEFT))
    return found


_NOTHING_LEFT = {
    "en": "Every sentence needs a merge field. Add one that can stand when the fields have no value.",
    "ja": "すべての文が差し込み項目に頼っています。値がないときにも通じる文を加えてください。",
}


def _check_field(field: FoundField, situation: Situation) -> FieldProblem | None:
    known = BY_KEY.get(field.key)
    if known is None:
        near = get_close_matches(field.key.strip().lower()[:60], _SUGGESTIONS, 1)
        return _unknown(field, _SUGGESTIONS[near[0]] if near else None)
    if situation in known.empty_in:
        detail = {
            "en": f"${{{field.key}}} never has a value when this text is sent.",
            "ja": f"この文が送られるとき、${{{field.key}}} には必ず値がありません。",
        }
        return FieldProblem(ProblemCode.ALWAYS_EMPTY, detail, field.start, field.key)
    return None


def _unknown(field: FoundField, suggestion: str | None) -> FieldProblem:
    english = f" Did you mean ${{{suggestion}}}?" if suggestion else ""
    japanese = f"${{{suggestion}}} ではありませんか。" if suggestion else ""
    detail = {
        "en": f"There is no merge field ${{{field.key}}}.{english}",
        "ja": f"${{{field.key}}} という差し込み項目はありません。{japanese}",
    }
    return FieldProblem(ProblemCode.UNKNOWN_FIELD, detail, field.start, field.key, suggestion)


def _unbalanced(at: int) -> FieldProblem:
    detail = {
        "en": "A merge field begins here with ${ but does not end with }.",
        "ja": "ここで ${ から始まる差し込み項目が } で閉じられていません。",
    }
    return FieldProblem(ProblemCode.UNBALANCED, detail, at)


def _too_long(length: int, limit: int) -> FieldProblem:
    detail = {
        "en": f"The text has {length:,} characters; at most {limit:,} are allowed.",
        "ja": f"本文は{length:,}文字です。{limit:,}文字まで入力できます。",
    }
    return FieldProblem(ProblemCode.TOO_LONG, detail, limit)


def merge(text: str, values: Mapping[str, str]) -> str:
    """The text with its fields filled in; never raises. `values` by key, such as `Contacts.First Name`.

    A value is inserted as it is and never read as a field; only line breaks and control characters become
    a space (line breaks stay in an address). A field whose value is missing or blank, or that nobody knows,
    leaves a clean text (`merge_gaps`), which is empty only if nothing but fields stood there.
    """
    template = close_gaps(_marked(text, values))
    return _FIELD.sub(lambda match: _value(match[1], values), template)


def _marked(text: str, values: Mapping[str, str]) -> str:
    # Fields without a value become gaps.
    return _FIELD.sub(lambda match: match[0] if _value(match[1], values) else GAP, text)


def _value(key: str, values: Mapping[str, str]) -> str:
    known = BY_KEY.get(key)
    controls = _CONTROLS_IN_LINES if known is not None and known.lines else _CONTROLS
    return controls.sub(" ", values.get(key, "")).strip()
