"""The decisions of the runner: rates, what follows an attempt, the ledger, aliases, accounts. No I/O."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Alias, Next, OpenAccount, Parsed, Rates, Scope, SendOutcome
from connectors.runner.accounts import Accounts, Closed, health_of, open_account
from connectors.runner.aliases import resolve
from connectors.runner.dead import CHUNK_BYTES, dead_letters
from connectors.runner.ledger import Open, replay, restored
from connectors.runner.outcomes import send_answer, settled_unknown
from connectors.runner.rates import Pace, account_pace, pair_pace, rest, without_idle
from connectors.runner.retry import Again, Ended, broken, follow_up
from gateway.core import ids
from gateway.core.messages import (
    Contact,
    HealthState,
    InboundEvent,
    InboundKind,
    LedgerEntry,
    LedgerState,
    Receipt,
    ReceiptSource,
)
from gateway.core.receipts import Fault, Problem, Rung, Verdict
from tests.runner.fake import FakeChannel
from tests.runner.harness import account, request
from tests.runner.harness import resolve as secret

RATES = Rates(account_per_second=80, pair_every=6_000, pair_burst=45, retries=3, backoff=1_000)
PROBLEM = Problem("busy", "busy", Fault.CHANNEL, retry=False)


# Rates.


def run_pace(pace: Pace, count: int, now: int = 1_000_000) -> list[float]:
    """When `count` messages that all want to go at `now` really go."""
    times = []
    at = float(now)
    for _ in range(count):
        at += pace.wait(int(at))
        times.append(at - now)
        pace = pace.taken(int(at))
    return times


def test_a_contact_gets_the_burst_then_one_every_six_seconds() -> None:
    times = run_pace(pair_pace(RATES), 47)
    assert times[:45] == [0.0] * 45
    assert times[45:] == [6_000, 12_000]


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=60), st.integers(1, 500), st.integers(1, 10))
def test_no_window_ever_holds_more_than_rate_and_burst(gaps: list[int], every: int, burst: int) -> None:
    pace, now, went = Pace(every=every, burst=burst), 1_000_000, []
    for gap in gaps:
        now += gap
        now += int(pace.wait(now) + 0.999)
        pace = pace.taken(now)
        went.append(now)
    for start in went:
        assert sum(1 for at in went if start <= at < start + 1000) <= 1000 / every + burst + 1


def test_a_pause_holds_and_the_burst_is_used_up_afterwards() -> None:
    pace = pair_pace(RATES).paused(1_010_000)
    assert pace.wait(1_000_000) == 10_000
    assert pace.wait(1_010_000) == 0
    assert pace.taken(1_010_000).wait(1_010_000) == 6_000


def test_shares_of_several_processes_add_up() -> None:
    assert 1000 / account_pace(RATES, 0.25).every == pytest.approx(20)


def test_only_paces_that_say_something_are_kept() -> None:
    pace = Pace(every=100)
    assert list(without_idle({"old": pace.taken(0), "new": pace.taken(950)}, 1_000)) == ["new"]


def test_pauses_of_an_account_double_and_late_echoes_do_not_count() -> None:
    refused = SendOutcome(Next.RETRY, scope=Scope.ACCOUNT)
    pace, strikes = rest(Pace(12.5), 0, refused, 0, 1_000)
    assert (pace.closed_until, strikes) == (1_000, 1)
    assert rest(pace, strikes, refused, 500, 1_000) == (pace, 1)
    pace, strikes = rest(pace, strikes, refused, 1_000, 1_000)
    assert (pace.closed_until, strikes) == (3_000, 2)
    asked = SendOutcome(Next.RETRY, retry_after=7_000, scope=Scope.ACCOUNT)
    assert rest(pace, strikes, asked, 3_000, 1_000)[0].closed_until == 10_000


# After an attempt.

FAR = 10_000_000
CASES: list[tuple[str, SendOutcome, int, int, Again | Ended]] = [
    ("taken", SendOutcome(Next.DONE, "p"), 1, FAR, Ended(None, "p")),
    ("refused", SendOutcome(Next.FAIL, problem=PROBLEM), 1, FAR, Ended(Verdict.FAILED, None, PROBLEM)),
    ("first retry", SendOutcome(Next.RETRY), 1, FAR, Again(500, 1, None)),
    ("second retry", SendOutcome(Next.RETRY), 2, FAR, Again(1_000, 2, None)),
    ("third and last", SendOutcome(Next.RETRY, problem=PROBLEM), 3, FAR, Ended(Verdict.FAILED, None, replace(PROBLEM, retry=True))),
    ("as asked", SendOutcome(Next.RETRY, retry_after=9_000), 1, FAR, Again(9_000, 1, None)),
    ("too late", SendOutcome(Next.RETRY, retry_after=9_000, problem=PROBLEM), 1, 9_000, Ended(Verdict.EXPIRED, None, PROBLEM)),
    ("account's fault", SendOutcome(Next.RETRY, scope=Scope.ACCOUNT), 3, FAR, Again(2_000, 2, None)),
    ("account stopped", SendOutcome(Next.RETRY, stop_account=True), 3, FAR, Again(2_000, 2, None)),
    ("unknown", SendOutcome(Next.UNKNOWN, problem=PROBLEM), 1, FAR, Ended(Verdict.UNKNOWN, None, PROBLEM)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "outcome", "tries", "not_after", "expected"), CASES, ids=str)
def test_what_follows_an_attempt(
    name: str, outcome: SendOutcome, tries: int, not_after: int, expected: Again | Ended
) -> None:
    assert follow_up(outcome, tries, 0, not_after, RATES, 0.0) == expected


@given(st.integers(1, 3), st.floats(0, 1, exclude_max=True))
def test_waiting_is_bounded_and_never_zero(tries: int, dice: float) -> None:
    step = follow_up(SendOutcome(Next.RETRY, scope=Scope.ACCOUNT), tries, 0, FAR, RATES, dice)
    assert isinstance(step, Again)
    assert 1 <= step.at <= 5 * 60_000


def test_a_crash_of_ours_is_unknown_only_if_something_left() -> None:
    assert broken(RuntimeError(), left=True).verdict is Verdict.UNKNOWN
    assert broken(RuntimeError("text of a message"), left=False).verdict is Verdict.FAILED
    assert "text of a message" not in str(broken(RuntimeError("text of a message"), left=False))


# Receipts.


def test_receipts_of_one_outcome_share_an_id_and_others_do_not() -> None:
    asked = request("m")
    done = send_answer(asked, Ended(None, "p"), True, 5)
    assert done == send_answer(asked, Ended(None, "p"), True, 5)
    assert (done.rung, done.source, done.provider_message_id) == (Rung.SENT, ReceiptSource.SEND_ANSWER, "p")
    failed = send_answer(asked, Ended(Verdict.FAILED, None, PROBLEM), True, 5)
    unknown = settled_unknown(asked, 5)
    assert len({done.receipt_id, failed.receipt_id, unknown.receipt_id}) == 3
    assert (unknown.verdict, unknown.source) == (Verdict.UNKNOWN, ReceiptSource.LEDGER)


# The ledger.


def entry(offset: int, state: LedgerState = LedgerState.STARTED) -> LedgerEntry:
    return LedgerEntry(request(str(offset), request_id=f"r{offset}"), state, offset, 0, "w")


def test_what_a_former_owner_left() -> None:
    entries = replay(
        [
            ("r1", entry(1)),
            ("r2", entry(2)),
            ("r5", entry(5)),
            ("r5", entry(5, LedgerState.SETTLED)),
            ("r6", entry(6)),
            ("r7", entry(7)),
            ("r7", None),
        ]
    )
    judged = restored(entries, committed=2)
    assert [e.offset for e in judged.unknown] == [2, 6]
    assert judged.forget == ("r1",)
    assert judged.skip == {"r2", "r5", "r6"}
    assert restored(entries, None).skip == {"r1", "r2", "r5", "r6"}


def test_tombstones_come_below_the_commit() -> None:
    book = Open({"a": 1, "b": 5})
    assert book.below(2) == ["a"]
    assert book.below(2) == []
    assert book.below(9) == ["b"]


# Aliases.

OWN = account()


def conversation(address: str) -> str:
    return ids.conversation_id("t", "fake", "acc", address)


def seen(address: str, kind: str = "phone") -> InboundEvent:
    return InboundEvent(
        "e", conversation(address), "t", "fake", "acc", InboundKind.MESSAGE, Contact(address, kind), 0, 0
    )


def told(address: str, **fields: str) -> Receipt:
    base = Receipt("r", conversation(address), "t", "fake", "acc", ReceiptSource.WEBHOOK, 0, 0)
    return replace(base, **fields)  # type: ignore[arg-type]


TOGETHER = Parsed((seen("49"),), (), (Alias("49", "nick"),))
NICK, PHONE = conversation("nick"), conversation("49")
ALIAS_CASES = [
    # name, payload, table, believed; must wait, conversation of the event, published
    ("phone alone, nothing known", Parsed((seen("49"),)), {}, False, False, PHONE, {}),
    ("nick alone, nothing known", Parsed((seen("nick", "nick"),)), {}, False, True, None, {}),
    ("nick alone, believed", Parsed((seen("nick", "nick"),)), {}, True, False, NICK, {NICK: NICK}),
    ("both, believed", TOGETHER, {}, True, False, PHONE, {NICK: PHONE}),
    ("both, nick was first", TOGETHER, {NICK: NICK}, False, False, NICK, {PHONE: NICK}),
    ("both, all known", TOGETHER, {NICK: NICK, PHONE: NICK}, False, False, NICK, {}),
    ("both, phone was first", TOGETHER, {NICK: PHONE}, False, False, PHONE, {}),
    ("nick alone, phone was first", Parsed((seen("nick", "nick"),)), {NICK: PHONE}, False, False, PHONE, {}),
    ("phone alone, nick was first", Parsed((seen("49"),)), {PHONE: NICK}, False, False, NICK, {}),
]  # fmt: skip


@pytest.mark.parametrize("case", ALIAS_CASES, ids=lambda case: case[0])
def test_where_addresses_lead(
    case: tuple[str, Parsed, dict[str, str], bool, bool, str | None, dict[str, str]],
) -> None:
    _, parsed, table, believed, waits, leads, published = case
    found = resolve(parsed, OWN, ("nick",), table.get, believed)
    assert found.must_wait is waits
    assert [e.conversation_id for e in found.events] == ([leads] if leads else [])
    assert found.publish == published


def test_receipts_follow_unless_they_name_our_message() -> None:
    parsed = Parsed((), (told("nick"), told("nick", message_id="m")))
    found = resolve(parsed, OWN, ("nick",), {NICK: PHONE}.get, False)
    assert [r.conversation_id for r in found.receipts] == [PHONE, NICK]


def test_a_changed_number_stays_in_its_conversation() -> None:
    """The event carries the new address, and the conversation of the old one."""
    event = replace(seen("old"), contact=Contact("new", "phone"))
    found = resolve(Parsed((event,), (), (Alias("old", "new"),)), OWN, ("nick",), {}.get, True)
    assert found.events == (event,)
    assert found.publish == {conversation("new"): conversation("old")}


def test_a_channel_with_one_address_per_contact_asks_nobody() -> None:
    def never(_natural: str) -> str | None:
        raise AssertionError

    parsed = Parsed((seen("49"),), (told("49"),))
    assert resolve(parsed, OWN, (), never, False).events == parsed.events


# Accounts.


def test_an_account_opens_with_all_its_secrets_or_says_what_is_missing() -> None:
    several = open_account(account(credentials={"token": "env:OTHER,env:TOKEN"}), ("token",), secret)
    assert isinstance(several, OpenAccount)
    assert several.secrets["token"] == ("other", "s3cret")
    assert "s3cret" not in repr(several)
    nothing = open_account(account(credentials={}), ("token",), secret)
    assert isinstance(nothing, Closed)
    assert nothing.code == "secret_missing"
    missing = open_account(account(credentials={"token": "env:NO"}), ("token",), secret)
    assert isinstance(missing, Closed)
    assert (missing.code, "env:NO" in missing.detail) == ("secret_unresolved", True)


def test_a_stopped_account_is_resumed_by_applying_it_again() -> None:
    accounts = Accounts({"fake": FakeChannel()}, secret)
    own = account()
    assert accounts.put(own)
    assert not accounts.put(own, touched=True)
    assert accounts.stop(own, "auth")
    assert not accounts.stop(own, "auth")
    assert health_of(accounts, own, 0).state is HealthState.STOPPED
    assert not accounts.put(own)
    assert accounts.put(own, touched=True)
    assert health_of(accounts, own, 0).state is HealthState.HEALTHY
    assert not accounts.put(account(channel="other"))


# Dead letters.


def test_a_webhook_larger_than_a_record_comes_in_parts() -> None:
    raw = bytes(range(256)) * 10_000
    letters = dead_letters(OWN, raw, "parser", "x", 0, b"q=1")
    assert b"".join(letter.value for letter in letters) == raw
    assert all(len(letter.value) <= CHUNK_BYTES for letter in letters)
    assert [letter.headers["part"] for letter in letters] == [b"1/3", b"2/3", b"3/3"]
    assert letters == dead_letters(OWN, raw, "parser", "x", 0, b"q=1")
