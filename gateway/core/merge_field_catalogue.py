"""The closed catalogue of merge fields (PRODUCT O11): what each means, and where it never has a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Origin(StrEnum):
    """Where the value of a field comes from."""

    CONTACT = "contact"
    AGENT = "agent"
    ORGANISATION = "organisation"
    DEPARTMENT = "department"
    TICKET = "ticket"


class Situation(StrEnum):
    """When a text is sent."""

    OFFLINE_MESSAGE = "offline_message"
    OFFLINE_WITHOUT_TICKET = "offline_without_ticket"
    """The second text, for when no ticket could be created (PRODUCT O17)."""
    COMPLETION_WARNING = "completion_warning"
    FAREWELL = "farewell"
    CANNED_REPLY = "canned_reply"


OFFLINE = frozenset({Situation.OFFLINE_MESSAGE, Situation.OFFLINE_WITHOUT_TICKET})

LIMITS: Mapping[Situation, int] = dict.fromkeys(OFFLINE, 1600)
"""Longest stored text in code points, fields as written (PRODUCT O); the merged text is split, never cut."""


@dataclass(frozen=True, slots=True)
class MergeField:
    """One merge field, written `${key}`.

    `label`, `sample` are for the picker and the preview, by language (en, ja). `empty_in` names the
    situations in which the field never has a value. A value keeps its line breaks only if `lines`.
    """

    key: str
    origin: Origin
    label: Mapping[str, str]
    sample: Mapping[str, str]
    empty_in: frozenset[Situation] = frozenset()
    lines: bool = False


def _field(
    key: str,
    origin: Origin,
    label: tuple[str, str],
    sample: tuple[str, str],
    empty_in: frozenset[Situation] = frozenset(),
    lines: bool = False,
) -> MergeField:
    languages = ("en", "ja")
    return MergeField(
        key,
        origin,
        dict(zip(languages, label, strict=True)),
        dict(zip(languages, sample, strict=True)),
        empty_in,
        lines,
    )


_C, _A, _O, _D = Origin.CONTACT, Origin.AGENT, Origin.ORGANISATION, Origin.DEPARTMENT
_NO_TICKET = frozenset({Situation.OFFLINE_WITHOUT_TICKET})

CATALOGUE: tuple[MergeField, ...] = (
    _field("Contacts.First Name", _C, ("Contact: first name", "連絡先：名"), ("Alex", "由紀")),
    _field("Contacts.Last Name", _C, ("Contact: last name", "連絡先：姓"), ("Morgan", "田中")),
    _field("Contacts.Full Name", _C, ("Contact: full name", "連絡先：氏名"), ("Alex Morgan", "田中 由紀")),
    _field(
        "Contacts.E-mail", _C, ("Contact: e-mail", "連絡先：メール"), ("alex@example.com", "yuki@example.jp")
    ),
    _field(
        "Contacts.Mobile",
        _C,
        ("Contact: mobile", "連絡先：携帯電話"),
        ("+44 7700 900123", "+81 90-0000-0000"),
    ),
    _field("Contacts.Owner", _C, ("Contact: owner", "連絡先：担当者"), ("Sam Lee", "佐藤 健")),
    _field("User.Support Rep Name", _A, ("Agent: name", "担当者：氏名"), ("Sam Lee", "佐藤 健"), OFFLINE),
    _field(
        "User.E-mail", _A, ("Agent: e-mail", "担当者：メール"), ("sam@example.com", "ken@example.jp"), OFFLINE
    ),
    _field(
        "Organization.Name", _O, ("Organisation: name", "組織：名称"), ("Example Ltd", "サンプル株式会社")
    ),
    _field(
        "Organization.Address",
        _O,
        ("Organisation: address", "組織：住所"),
        ("1 Example Street, London", "東京都千代田区1-1"),
        lines=True,
    ),
    _field(
        "Organization.Logo",
        _O,
        ("Organisation: logo (link)", "組織：ロゴ（リンク）"),
        ("https://example.com/logo.png", "https://example.jp/logo.png"),
    ),
    _field("Department.Name", _D, ("Department: name", "部署：名称"), ("Support", "サポート")),
    _field(
        "Department.Hours",
        _D,
        ("Department: business hours", "部署：営業時間"),
        ("Monday–Friday 09:00–18:00 (London time)", "月曜～金曜 09:00～18:00（日本時間）"),
    ),
    _field(
        "Department.Next Opening",
        _D,
        ("Department: next opening", "部署：次の営業開始"),
        ("Monday, 7 December 2026, 09:00 (London time)", "2026年12月7日（月）09:00（日本時間）"),
    ),
    _field(
        "Ticket.Number", Origin.TICKET, ("Ticket: number", "チケット：番号"), ("10482", "10482"), _NO_TICKET
    ),
)

BY_KEY: Mapping[str, MergeField] = {field.key: field for field in CATALOGUE}


def sample_values(language: str, situation: Situation) -> dict[str, str]:
    """Values of a sample contact for the preview (PRODUCT O12), without those this situation never has."""
    lang = "ja" if language.lower().startswith("ja") else "en"
    return {field.key: field.sample[lang] for field in CATALOGUE if situation not in field.empty_in}
