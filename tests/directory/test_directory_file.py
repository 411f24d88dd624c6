"""The directory file: what is read, and what is refused with its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from gateway.core.directory import (
    Account,
    Agent,
    Assignment,
    AssignmentMode,
    AutoCompletion,
    Bot,
    BotKind,
    Department,
    OfflineMessage,
    ReopenOwner,
    Tenant,
)
from gateway.core.hours import BusinessHours, DatedException, Interval, Week
from gateway.directory.departments import DEPARTMENT, department_json, read_department
from gateway.directory.fields import Fields, Report
from gateway.directory.file import DirectoryFileError, parse_directory
from gateway.directory.holiday_dates import HolidayError
from gateway.directory.hours_fields import Calendar

GOOD = """\
tenants:
  - id: acme
    departments:
      - {id: support, name: Support, reopen_owner: queue}
    agents:
      - id: ann
        name: Ann
        email: ann@example.org
        departments: [support]
        locale: ja
    accounts:
      - id: wa
        channel: whatsapp
        department: support
        credentials: {access_token: "env:WA_TOKEN"}
        settings: {phone_number_id: 305511998877665, pin: 012}
"""

FULL = """\
tenants:
  - id: acme
    name: Acme
    address: |
      1 Street
      London
    logo: https://example.org/logo.png
    departments:
      - id: support
        name: Support
        hours:
          zone: Asia/Tokyo
          week:
            monday-thursday: ["09:00-12:00", "13:00-18:00"]
            friday: "22:00-02:00"
          exceptions:
            - {date: 2026-12-31, open: "09:00-12:00", name: 大晦日}
            - {date: 2027-01-02, until: 2027-01-03}
          holidays: JP
        offline_message:
          enabled: true
          text: "Hello ${Contacts.First Name}. Help: https://example.org"
          language: ja
          when_no_hours: by_presence
          ticket_first: true
          text_without_ticket: We got it.
        auto_completion:
          agent_after: 24h
          bot_after: 30m
          queue_after: 3d
          at_window_end: true
          warning: Still there?
          warning_before: 5m
          farewell: Bye.
        assignment: {mode: fewest_open, at_most: 7}
        hand_over_phrases: [agent, 担当者]
        first_response: 90s
    agents:
      - {id: ann, name: Ann, email: ann@example.org, departments: [support]}
    accounts:
      - id: wa
        channel: whatsapp
        department: support
        bot: guide
        enabled_agents: [ann]
        auto_completion: {agent_after: 1h30m}
    bots:
      - {id: own, name: Own}
      - {id: far, name: Far, kind: webhook, url: "https://bot.example.org/x", secret: "env:BOT", answer_within: 20s}
      - {id: guide, name: Guide, kind: menu, menu: guide.yaml, not_understood_at_most: 2}
"""
MENU = """\
start: main
greeting: Hi
not_understood: What?
nobody_available: Nobody
nodes:
  main: {text: Pick, choices: [{title: A, say: a}]}
"""


def holidays(place: str, years: Sequence[int]) -> Mapping[str, str]:
    """Two holidays of one country."""
    if place != "JP":
        raise HolidayError(f"there are no holidays for {place!r}")
    assert list(years) == [2026, 2027, 2028]
    return {"2026-12-31": "hidden by an exception", "2027-01-01": "元日"}


def parse(text: str, menu: str = MENU) -> list[object]:
    """The entities; one menu file lies beside."""

    def read(path: str) -> str:
        if path != "guide.yaml":
            raise FileNotFoundError(path)
        return menu

    found = parse_directory(text, year=2026, read=read, holidays=holidays)
    return list(found.entities)


def test_a_whole_file() -> None:
    assert parse(GOOD) == [
        Tenant("acme", "acme", "acme"),
        Department("support", "acme", "Support", ReopenOwner.QUEUE),
        Agent("ann", "acme", "Ann", "ann@example.org", ("support",), locale="ja"),
        Account(
            "wa", "acme", "whatsapp", "support", "wa",
            credentials={"access_token": "env:WA_TOKEN"},
            settings={"phone_number_id": "305511998877665", "pin": "012"},
        ),
    ]  # fmt: skip


DAY = (Interval(540, 720), Interval(780, 1080))
SUPPORT = Department(
    "support",
    "acme",
    "Support",
    hours=BusinessHours(
        "Asia/Tokyo",
        Week(DAY, DAY, DAY, DAY, (Interval(1320, 1560),)),
        (
            DatedException("2026-12-31", (Interval(540, 720),), "大晦日"),
            DatedException("2027-01-01", (), "元日"),
            DatedException("2027-01-02"),
            DatedException("2027-01-03"),
        ),
    ),
    offline=OfflineMessage(
        True, "Hello ${Contacts.First Name}. Help: https://example.org", "ja", True, True, "We got it."
    ),
    completion=AutoCompletion(86_400_000, 1_800_000, 259_200_000, True, "Still there?", 300_000, "Bye."),
    assignment=Assignment(AssignmentMode.FEWEST_OPEN, 7),
    hand_over_phrases=("agent", "担当者"),
    first_response=90_000,
)


def test_everything_a_file_can_say() -> None:
    assert parse(FULL) == [
        Tenant("acme", "acme", "Acme", "1 Street\nLondon\n", "https://example.org/logo.png"),
        SUPPORT,
        Agent("ann", "acme", "Ann", "ann@example.org", ("support",)),
        Account(
            "wa", "acme", "whatsapp", "support", "wa", bot="guide", enabled_agents=("ann",),
            completion=AutoCompletion(agent_after=5_400_000),
        ),
        Bot("own", "acme", "Own"),
        Bot(
            "far", "acme", "Far", BotKind.WEBHOOK, 20_000, url="https://bot.example.org/x", secret="env:BOT"
        ),
        Bot("guide", "acme", "Guide", BotKind.MENU, not_understood_at_most=2, menu=MENU),
    ]  # fmt: skip


def test_a_department_shown_is_a_department_read() -> None:
    for department in (SUPPORT, Department("d", "acme", "D")):
        report = Report()
        given = Fields(department_json(department), (), report, "a department", DEPARTMENT)
        assert read_department(given, "acme", Calendar(holidays, 2026)) == department
        assert (report.faults, report.warnings) == ([], [])


BAD = [
    ("name: Ann", "nam: Ann", "line 7: unknown key `nam` in an entry of agents"),
    ("name: Ann", "nam: Ann", "line 6: an entry of agents needs `name`"),
    ("name: Ann", "name: yes", "line 7: `name` is a text; put it in quotes"),
    ("name: Ann", "name: A\n        name: B", "line 8: `name` stands twice"),
    ("[support]", "[sales]", "line 9: there is no department `sales`"),
    ("department: support", "department: sales", "line 14: there is no department `sales`"),
    ("env:WA_TOKEN", "secret123", "line 15: credential `access_token` must be a reference"),
    ("queue}", "nobody}", "line 4: `reopen_owner` is one of last_agent, bot, queue, not 'nobody'"),
    ("tenants:", "tenant:", "line 1: a directory file begins with `tenants:`"),
    ("  - id: acme", "  - [", "this is not YAML"),
    ("agents:", "people:", "line 5: unknown key `people` in a tenant"),
    ("- id: ann", "- id: ann\n        password_hash: secret123", "line 7: `password_hash` is what"),
    ("- id: wa", "- {id: wa, channel: x, department: support}\n      - id: wa", "line 13: account wa stands twice"),
]  # fmt: skip

WORSE = [
    ("zone: Asia/Tokyo", "zone: Asia/Tokio", "line 12: Unknown time zone 'Asia/Tokio'; did you mean Asia/Tokyo?"),
    ("13:00-18:00", "11:00-18:00", "line 13: Monday: 09:00-12:00 and 11:00-18:00 overlap."),
    ("13:00-18:00", "13-18", "line 14: '13-18' is no interval: write it as 09:00-18:00"),
    ("friday:", "thursday-friday:", "line 15: thursday stands twice"),
    ("friday:", "fryday:", "line 15: unknown key `fryday` in `week`"),
    ("date: 2026-12-31", "date: 2026-31-12", "line 17: '2026-31-12' is no date"),
    ("until: 2027-01-03", "until: 2026-01-03", "line 18: `until` is not before `date`"),
    ("until: 2027-01-03", "until: 2029-01-03", "line 18: `until` is not before `date`"),
    ("holidays: JP", "holidays: XX", "line 19: there are no holidays for 'XX'"),
    ("${Contacts.First Name}", "${Contacts.Fist Name}", "line 22: There is no merge field ${Contacts.Fist Name}."),
    ("enabled: true", "enabled: maybe", "line 21: `enabled` is true or false"),
    ("agent_after: 24h", "agent_after: 24", "line 28: '24' is no duration: write it as 90s, 5m, 24h or 3d"),
    ("agent_after: 24h", "agent_after: 900d", "line 28: '900d': a duration is longer than nothing"),
    ("warning_before: 5m", "warning_before: 45m", "line 33: `warning_before` must be shorter than `bot_after`"),
    ("          warning: Still there?\n", "", "line 27: `warning` and `warning_before` belong together"),
    ("at_most: 7", "at_most: 0", "line 35: `at_most` is a whole number from 1 to 1000"),
    ("[agent, 担当者]", "{a: b}", "line 36: `hand_over_phrases` is a list of texts"),
    ("[ann]", "[bob]", "line 45: there is no agent `bob`"),
    ("bot: guide", "bot: nobody", "line 44: there is no bot `nobody`"),
    ("name: Own", "name: Own, url: x", "line 48: a bot of kind kafka has no `url`"),
    ("secret: \"env:BOT\"", "secret: hunter2", "line 49: `secret` must be a reference"),
    ("url: \"https://bot.example.org/x\", ", "", "line 49: a bot of kind webhook needs `url`"),
    ("menu: guide.yaml", "menu: gone.yaml", "line 50: the menu gone.yaml cannot be read: FileNotFoundError"),
    ("logo: https:", "logo: ftp:", "line 7: `logo` is a link"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("whole", "old", "new", "said"), [*((GOOD, *case) for case in BAD), *((FULL, *case) for case in WORSE)]
)
def test_faults_are_named_with_their_line(whole: str, old: str, new: str, said: str) -> None:
    assert old in whole
    with pytest.raises(DirectoryFileError) as caught:
        parse(whole.replace(old, new, 1))
    assert said in str(caught.value)
    assert "secret123" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_every_fault_is_told_at_once() -> None:
    bad = FULL.replace("zone: Asia/Tokyo", "zon: Asia/Tokyo").replace("24h", "24").replace("JP", "XX")
    with pytest.raises(DirectoryFileError) as caught:
        parse(bad)
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "line 11", "line 12", "line 19", "line 28",
    ]  # fmt: skip


def test_a_fault_in_a_menu_names_the_menu_and_its_line() -> None:
    with pytest.raises(DirectoryFileError, match=r"line 50: guide.yaml, line 1: there is no node `gone`"):
        parse(FULL, MENU.replace("start: main", "start: gone"))
    inline = "menu: |\n" + "".join(f"          {line}\n" for line in MENU.splitlines())
    text = "  - id: g\n    bots:\n      - id: g\n        name: G\n        kind: menu\n        " + inline
    bot = parse("tenants:\n" + text)[1]
    assert isinstance(bot, Bot)
    assert bot.menu == MENU


def test_a_field_that_is_always_empty_is_a_warning() -> None:
    text = FULL.replace("${Contacts.First Name}", "${Contacts.First Name} from ${User.Support Rep Name}")
    found = parse_directory(text, year=2026, read=lambda _: MENU, holidays=holidays)
    assert found.warnings == ["line 22: ${User.Support Rep Name} never has a value when this text is sent."]


def test_without_the_package_holidays_the_fault_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "holidays", None)
    with pytest.raises(DirectoryFileError, match=r"line 19: .*install channel-gateway\[holidays\]"):
        parse_directory(FULL, year=2026, read=lambda _: MENU)


def test_anchors_and_merges_work_and_loops_do_not_hang() -> None:
    text = """\
tenants:
  - id: acme
    departments:
      - &one {id: a, name: A, first_response: 5m}
      - {<<: *one, id: b}
"""
    assert [d.first_response for d in parse(text)[1:]] == [300_000, 300_000]  # type: ignore[attr-defined]
    with pytest.raises(DirectoryFileError, match="too deep"):
        parse("tenants: &t\n  - *t\n")
