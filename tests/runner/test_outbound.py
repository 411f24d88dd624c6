"""The outbound half on a real Kafka: order, rates, retries, time limits, and what a crash leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from connectors.contract import Rates
from connectors.runner import feed as feed_module
from gateway.core.clock import system_clock
from gateway.core.messages import ConnectorHealth, HealthState, Receipt, ReceiptSource, SendRequest
from gateway.core.receipts import Rung, Verdict
from tests.helpers import eventually
from tests.runner.fake import FakeChannel, Provider, provider
from tests.runner.harness import Bench, account, bench, request


@pytest.fixture
async def other_side() -> AsyncIterator[Provider]:
    async with provider() as found:
        yield found


@pytest.fixture
async def here(kafka: str, topic_prefix: str, other_side: Provider) -> Bench:
    made = await bench(kafka, topic_prefix, origins=(other_side.url,))
    await made.put(account(api_base=other_side.url))
    return made


async def receipts(here: Bench, *, of: SendRequest | None = None) -> list[Receipt]:
    found = await here.read(here.catalogue.receipts, Receipt)
    return [r for r in found if of is None or r.message_id == of.message_id]


async def settled(here: Bench, requests: list[SendRequest], timeout: float = 20) -> dict[str, Receipt]:
    """The receipts of all these requests, by their text."""

    async def all_there() -> dict[str, Receipt] | None:
        found = {r.message_id: r for r in await receipts(here)}
        if not all(q.message_id in found for q in requests):
            return None
        return {q.content.content.body: found[q.message_id] for q in requests}  # type: ignore[union-attr]

    return await eventually(all_there, timeout=timeout, every=0.2)


async def test_sent_messages_are_told_committed_and_forgotten(here: Bench, other_side: Provider) -> None:
    asked = [request(f"m{n}", f"49{n % 3}") for n in range(30)]
    await here.ask(*asked)
    async with here.running():
        told = await settled(here, asked)
        assert {(r.rung, r.verdict, r.source) for r in told.values()} == {
            (Rung.SENT, None, ReceiptSource.SEND_ANSWER)
        }
        assert told["m0"].provider_message_id == f"p-{asked[0].request_id}"
        await eventually(lambda: _empty(here))
        for address in ("490", "491", "492"):
            sent = [b["text"] for _, b in other_side.seen if b["to"] == address]
            assert sent == [q.content.content.body for q in asked if q.address == address]  # type: ignore[union-attr]
    async with here.running():
        more = request("more")
        await here.ask(more)
        await settled(here, [more])
    assert sorted(other_side.texts()) == sorted([*(f"m{n}" for n in range(30)), "more"])


async def _empty(here: Bench) -> bool:
    return not await here.ledger()


async def test_a_channel_whose_answer_is_no_proof_only_joins_the_id(
    kafka: str, topic_prefix: str, other_side: Provider
) -> None:
    here = await bench(
        kafka, topic_prefix, origins=(other_side.url,), connectors=(FakeChannel(sent_by_answer=False),)
    )
    await here.put(account(api_base=other_side.url))
    asked = request("m")
    await here.ask(asked)
    async with here.running():
        told = (await settled(here, [asked]))["m"]
    assert (told.rung, told.verdict, told.provider_message_id) == (None, None, f"p-{asked.request_id}")


async def test_retries_then_success_or_failure(here: Bench, other_side: Provider) -> None:
    other_side.plan = {
        "twice": [web.Response(status=500), web.Response(status=503)],
        "never": [web.Response(status=500) for _ in range(9)],
        "bad": [web.Response(status=400)],
    }
    asked = [request(text, text) for text in ("twice", "never", "bad", "crash")]
    await here.ask(*asked)
    async with here.running():
        told = await settled(here, asked)
    assert (told["twice"].rung, told["twice"].verdict) == (Rung.SENT, None)
    assert told["never"].verdict is told["bad"].verdict is Verdict.FAILED
    assert told["never"].problem is not None
    assert told["never"].problem.retry
    assert told["crash"].verdict is Verdict.UNKNOWN
    texts = other_side.texts()
    assert [texts.count(t) for t in ("twice", "never", "bad", "crash")] == [3, 3, 1, 1]
    assert not await here.ledger()


async def test_one_slow_contact_holds_nobody_else(here: Bench, other_side: Provider) -> None:
    other_side.hold["slow"] = asyncio.Event()
    slow, after = request("slow", "1"), request("after", "1")
    others = [request(f"m{n}", f"9{n}") for n in range(40)]
    await here.ask(slow, after, *others)
    async with here.running():
        await settled(here, others)
        assert "after" not in other_side.texts()
        other_side.hold["slow"].set()
        await settled(here, [slow, after])


async def test_rates_of_account_and_contact(kafka: str, topic_prefix: str, other_side: Provider) -> None:
    rates = Rates(account_per_second=50, pair_every=300, pair_burst=2, retries=3, backoff=20)
    here = await bench(kafka, topic_prefix, origins=(other_side.url,), connectors=(FakeChannel(rates=rates),))
    await here.put(account(api_base=other_side.url))
    pair = [request(f"p{n}", "1") for n in range(5)]
    crowd = [request(f"c{n}", f"9{n}") for n in range(40)]
    await here.ask(*pair, *crowd)
    async with here.running():
        await settled(here, [*pair, *crowd])
    times = sorted(at for at, body in other_side.seen if body["to"] == "1")
    assert times[4] - times[0] >= 3 * 0.3 - 0.05
    everyone = sorted(at for at, _ in other_side.seen)
    # 50 a second, two at once allowed. The span as a whole: a busy machine may bunch the arrivals within it.
    assert everyone[-1] - everyone[0] >= (len(everyone) - 2) / 50 - 0.1


async def test_a_limit_of_the_account_pauses_the_account_alone(here: Bench, other_side: Provider) -> None:
    await here.put(account("second", api_base=other_side.url))
    headers = {"retry-after": "1", "x-scope": "account"}
    other_side.plan = {"first": [web.Response(status=429, headers=headers)]}
    first = request("first", "1")
    await here.ask(first)
    async with here.running():
        await eventually(lambda: other_side.seen)
        same = [request(f"same{n}", f"5{n}") for n in range(3)]
        free = [request(f"free{n}", f"6{n}", account_id="second") for n in range(3)]
        await here.ask(*same, *free)
        await settled(here, [first, *same, *free])
    at = {body["text"]: when for when, body in other_side.seen}
    start = other_side.seen[0][0]
    assert all(at[f"same{n}"] - start >= 0.95 for n in range(3))
    assert all(at[f"free{n}"] - start < 0.95 for n in range(3))


async def test_nothing_leaves_after_its_time(here: Bench, other_side: Provider) -> None:
    late = request("late", not_after=system_clock() - 1)
    await here.ask(late)
    async with here.running():
        told = (await settled(here, [late]))["late"]
    assert told.verdict is Verdict.EXPIRED
    assert other_side.seen == []


async def test_a_stopped_account_waits_says_so_and_goes_on(here: Bench, other_side: Provider) -> None:
    other_side.plan = {"m1": [web.Response(status=401)]}
    first = request("m1", "1")
    short = request("m2", "2", not_after=system_clock() + 4_000)
    await here.ask(first)
    async with here.running():
        await eventually(lambda: _states(here, HealthState.STOPPED))
        await here.ask(short)
        assert (await settled(here, [short]))["m2"].verdict is Verdict.EXPIRED
        await here.put(account(api_base=other_side.url), version=2)
        assert (await settled(here, [first]))["m1"].rung is Rung.SENT
        await eventually(lambda: _states(here, HealthState.HEALTHY))
    assert other_side.texts() == ["m1", "m1"]


async def _states(here: Bench, last: HealthState) -> bool:
    found = await here.read(here.catalogue.health, ConnectorHealth)
    return bool(found) and found[-1].state is last


async def test_private_addresses_are_not_called(here: Bench, other_side: Provider) -> None:
    await here.put(account("inside", api_base="http://169.254.169.254"))
    asked = request("m", account_id="inside")
    await here.ask(asked)
    async with here.running():
        told = (await settled(here, [asked]))["m"]
    assert told.verdict is Verdict.FAILED
    assert told.problem is not None
    assert told.problem.code == "address_refused"


async def test_a_crash_while_sending_becomes_unknown_and_is_not_sent_again(
    here: Bench, other_side: Provider
) -> None:
    """Killed after the provider got it and before we knew; and with other messages before and after it."""
    other_side.hold["held"] = asyncio.Event()
    before, held = request("before", "1"), request("held", "1")
    await here.ask(before, held)
    task = await here.start(asyncio.Event(), session=6.0)
    await settled(here, [before])
    await eventually(lambda: "held" in other_side.texts())
    await eventually(lambda: _ledger_is(here, {held.request_id}))
    await kill(task)
    after = request("after", "1")
    await here.ask(after)
    async with here.running(session=6.0):
        told = await settled(here, [held, after], timeout=40)
        await eventually(lambda: _empty(here))
    assert (told["held"].verdict, told["held"].source) == (Verdict.UNKNOWN, ReceiptSource.LEDGER)
    assert told["after"].rung is Rung.SENT
    assert other_side.texts() == ["before", "held", "after"]


async def _ledger_is(here: Bench, expected: set[str]) -> bool:
    return await here.ledger() == expected


async def test_a_crash_after_the_outcome_changes_nothing(here: Bench, other_side: Provider) -> None:
    """A slow conversation holds the commit back; what was settled behind it stays settled, and is not sent again."""
    other_side.hold["held"] = asyncio.Event()
    conversation = {"conversation": "same-partition"}
    held, done = request("held", "1", **conversation), request("done", "2")
    while await _partition(here, "same-partition") != await _partition(here, done.conversation_id):
        done = request("done", done.address + "2")
    await here.ask(held)
    task = await here.start(asyncio.Event(), session=6.0)
    await eventually(lambda: "held" in other_side.texts())
    await here.ask(done)
    await settled(here, [done])
    await eventually(lambda: _marked(here, done.request_id))
    await kill(task)
    async with here.running(session=6.0):
        await settled(here, [held], timeout=40)
        await eventually(lambda: _empty(here))
    assert [r.verdict for r in await receipts(here, of=done)] == [None]
    assert sorted(other_side.texts()) == ["done", "held"]


async def _partition(here: Bench, conversation: str) -> int:
    from aiokafka.partitioner import murmur2

    return (murmur2(conversation.encode()) & 0x7FFFFFFF) % here.catalogue.partitions


async def _marked(here: Bench, request_id: str) -> bool:
    from gateway.core.messages import LedgerEntry, LedgerState

    entries = await here.read(here.catalogue.outbound_ledger("fake"), LedgerEntry)
    return any(e.request.request_id == request_id and e.state is LedgerState.SETTLED for e in entries)


async def kill(task: asyncio.Task[None]) -> None:
    """What SIGKILL leaves: nothing is finished, nothing is said."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_second_process_takes_over_without_doubles(here: Bench, other_side: Provider) -> None:
    asked = [request(f"m{n}", f"{n % 40}") for n in range(300)]
    other = Bench(here.bootstrap, here.catalogue, origins=here.origins)
    async with here.running(instance="a", session=6.0):
        await here.ask(*asked[:150])
        async with other.running(instance="b", session=6.0):
            await here.ask(*asked[150:])
            await settled(here, asked, timeout=60)
        more = [request(f"x{n}", f"{n}") for n in range(40)]
        await here.ask(*more)
        await settled(here, more, timeout=60)
    assert sorted(other_side.texts()) == sorted(
        [*(f"m{n}" for n in range(300)), *(f"x{n}" for n in range(40))]
    )
    assert all(r.verdict is None for r in await receipts(here))


async def test_a_polite_stop_finishes_what_is_on_its_way(here: Bench, other_side: Provider) -> None:
    other_side.hold["held"] = asyncio.Event()
    held, waiting = request("held", "1"), request("waiting", "1")
    await here.ask(held, waiting)
    stop = asyncio.Event()
    task = await here.start(stop)
    await eventually(lambda: "held" in other_side.texts())
    stop.set()
    asyncio.get_running_loop().call_later(0.5, other_side.hold["held"].set)
    await asyncio.wait_for(task, 30)
    assert [r.rung for r in await receipts(here, of=held)] == [Rung.SENT]
    assert await receipts(here, of=waiting) == []
    async with here.running():
        await settled(here, [waiting])
    assert other_side.texts() == ["held", "waiting"]


async def test_no_call_without_a_fresh_heartbeat(
    here: Bench, other_side: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = False
    real = feed_module.Feed.alive
    monkeypatch.setattr(feed_module.Feed, "alive", lambda self: fresh and real(self))
    asked = request("m")
    async with here.running():
        await here.ask(asked)
        await eventually(_in_hand)
        assert other_side.seen == []
        fresh = True
        await settled(here, [asked])


def _in_hand() -> bool:
    from gateway import metrics

    return metrics.value("gateway_outbound_waiting", channel="fake") >= 1


async def test_an_unreadable_request_is_a_dead_letter_and_the_rest_goes_on(
    here: Bench, other_side: Provider
) -> None:
    from gateway.core.messages import DeadLetter

    await here.produce(here.catalogue.outbound("fake"), [(b"c-1", b"rubbish")])
    asked = request("m", "1")
    await here.ask(asked)
    async with here.running():
        await settled(here, [asked])
    letters: list[Any] = await here.read(here.catalogue.dead, DeadLetter)
    assert [(x.value, x.reason) for x in letters] == [(b"rubbish", "undecodable")]
