"""The demo's directory can be applied and has nothing to be warned of; the documented keys are the real ones."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.core.directory import Account
from gateway.demo.run import DIRECTORY
from gateway.demo.simulators import NUMBERS
from gateway.directory.departments import COMPLETION, DEPARTMENT, OFFLINE
from gateway.directory.file import doubts, parse_directory
from gateway.directory.hours_fields import HOURS
from gateway.directory.others import ACCOUNT, AGENT, BOT, TENANT

PAGE = (Path(__file__).parents[2] / "docs" / "directory.md").read_text(encoding="utf-8")


def test_the_demo_s_directory() -> None:
    found = parse_directory(DIRECTORY.read_text(encoding="utf-8"), year=2026)
    assert (found.warnings, doubts(found.entities)) == ([], [])
    accounts = {e.settings["phone_number_id"]: e.id for e in found.entities if isinstance(e, Account)}
    assert accounts == {identifier: account for identifier, _, account in NUMBERS}


def test_every_key_is_documented() -> None:
    documented = set(re.findall(r"`([a-z_]+)`", PAGE))
    for keys in (TENANT, DEPARTMENT, HOURS, OFFLINE, COMPLETION, AGENT, ACCOUNT, BOT):
        assert set(keys) <= documented, set(keys) - documented


def test_the_documented_file_can_be_applied() -> None:
    [text] = re.findall(r"```yaml\n(tenants:.*?)```", PAGE, re.DOTALL)
    found = parse_directory(text, year=2026, holidays=lambda place, years: {"2026-11-23": "勤労感謝の日"})
    assert {type(e).__name__ for e in found.entities} == {"Tenant", "Department", "Agent", "Account", "Bot"}
