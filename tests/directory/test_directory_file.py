"""The directory file: what is read, what is refused with its line, and what applying would change."""

from __future__ import annotations

import pytest

from gateway.core.directory import Account, Agent, Department, ReopenOwner, entry_key
from gateway.directory_file import DirectoryFileError, diff, parse_directory

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
        settings: {phone_number_id: 305511998877665}
"""


def test_a_whole_file() -> None:
    assert parse_directory(GOOD) == [
        Department("support", "acme", "Support", ReopenOwner.QUEUE),
        Agent("ann", "acme", "Ann", "ann@example.org", ("support",), locale="ja"),
        Account(
            "wa", "acme", "whatsapp", "support", "wa",
            credentials={"access_token": "env:WA_TOKEN"}, settings={"phone_number_id": "305511998877665"},
        ),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: Ann", "nam: Ann", "line 7: unknown key `nam` in agents"),
        ("name: Ann", "nam: Ann", "line 6: an entry of agents needs `name`"),
        ("[support]", "[sales]", "line 6: there is no department `sales`"),
        ("department: support", "department: sales", "line 12: there is no department `sales`"),
        ("env:WA_TOKEN", "secret123", "line 12: credential `access_token` must be a reference"),
        ("queue}", "nobody}", "line 4: 'nobody' is not a valid ReopenOwner"),
        ("tenants:", "tenant:", "line 1: a directory file begins with `tenants:`"),
        ("  - id: acme", "  - [", "this is not YAML"),
        ("agents:", "people:", "line 5: unknown key `people` in a tenant"),
    ],
)
def test_faults_are_named_with_their_line(old: str, new: str, said: str) -> None:
    with pytest.raises(DirectoryFileError) as caught:
        parse_directory(GOOD.replace(old, new, 1))
    assert said in str(caught.value)
    assert "secret123" not in str(caught.value)


def test_what_applying_changes() -> None:
    wanted = parse_directory(GOOD)
    known = {entry_key(e): e for e in wanted}
    assert diff(known, wanted) == []
    other = Department("old", "acme", "Old")
    foreign = Department("theirs", "other", "Theirs")
    changed = Department("support", "acme", "Help")
    known |= {entry_key(e): e for e in (other, foreign, changed)}
    del known["agent:ann"]
    assert [(what, key) for what, key, _ in diff(known, wanted)] == [
        ("change", "department:support"),
        ("add", "agent:ann"),
        ("remove", "department:old"),
    ]
