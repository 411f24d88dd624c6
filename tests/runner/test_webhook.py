"""The inbound half on a real Kafka: what is answered, and what stands on the topics."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from gateway import metrics
from gateway.core import ids
from gateway.core.messages import ConnectorHealth, ContactAlias, DeadLetter, HealthState, InboundEvent
from gateway.embedded.kafka import EmbeddedKafka
from gateway.settings import Settings
from tests.helpers import eventually
from tests.runner.harness import Bench, account, bench


@pytest.fixture
async def here(kafka: str, topic_prefix: str) -> Bench:
    made = await bench(kafka, topic_prefix)
    await made.put(account())
    return made


def message(identifier: str, sender: str = "491", **more: str) -> dict[str, object]:
    return {"messages": [{"id": identifier, "from": sender, "text": "hi", **more}]}


async def test_repeats_in_parallel_are_taken_with_the_same_id(here: Bench) -> None:
    async with here.running():
        answers = await asyncio.gather(*(here.post(message("m1")) for _ in range(5)))
        assert [a.status for a in answers] == [200] * 5
        events = await here.read(here.catalogue.inbound, InboundEvent)
        assert {e.event_id for e in events} == {ids.inbound_id("fake", "acc", "m1")}
        assert len(events) == 5


async def test_records_are_keyed_by_conversation_and_have_headers(here: Bench) -> None:
    async with here.running():
        await here.post(message("m1"))
    [record] = await here.raw(here.catalogue.inbound)
    assert record.key.decode() == ids.conversation_id("t", "fake", "acc", "491")
    assert dict(record.headers)["ce_type"] == b"gateway.v1.InboundEvent"


async def test_refusals_write_nothing(here: Bench) -> None:
    async with here.running():
        assert (await here.post(message("m1"), token="wrong")).status == 401
        assert (await here.post(message("m1"), account_id="nobody")).status == 404
        assert (await here.post(b"x" * 10_001)).status == 413
        assert (await here.get("/webhooks/fake/acc?challenge=77")) == (200, "77")
        assert (await here.get("/webhooks/other/acc"))[0] == 404
    for topic in (here.catalogue.inbound, here.catalogue.receipts, here.catalogue.dead):
        assert await here.raw(topic) == []


async def test_a_body_without_length_is_cut_off_at_the_limit(here: Bench) -> None:
    async def endless():  # type: ignore[no-untyped-def]
        for _ in range(100):
            yield b"x" * 1000

    async with here.running():
        import aiohttp

        async with aiohttp.ClientSession() as session:
            url = f"{here.url}/webhooks/fake/acc"
            async with session.post(url, data=endless(), headers={"x-token": "s3cret"}) as answer:
                assert answer.status == 413


async def test_everything_that_was_accepted_is_accounted_for(here: Bench) -> None:
    def counts() -> dict[str, float]:
        return {
            outcome: metrics.value("gateway_webhook_entries_total", channel="fake", outcome=outcome)
            for outcome in ("accepted", "event", "receipt", "dead", "ignored")
        }

    before = counts()
    async with here.running():
        assert (await here.post({**message("m1"), "junk": 2, "skip": 3})).status == 200
        assert (await here.post({"boom": True})).status == 200
        assert (await here.post(b"not json")).status == 200
    grown = {key: value - before[key] for key, value in counts().items()}
    assert grown == {"accepted": 8, "event": 1, "receipt": 0, "dead": 4, "ignored": 3}
    letters = await here.read(here.catalogue.dead, DeadLetter)
    assert {letter.value for letter in letters} == {b"{}", b'{"boom": true}', b"not json"}
    assert {letter.reason for letter in letters} == {"unreadable", "parser"}


async def test_a_conversation_keeps_its_order(here: Bench) -> None:
    body = {"messages": [{"id": f"m{n}", "from": "491", "text": str(n)} for n in range(50)]}
    async with here.running():
        assert (await here.post(body)).status == 200
    events = await here.read(here.catalogue.inbound, InboundEvent)
    assert [e.provider_message_id for e in events] == [f"m{n}" for n in range(50)]


async def test_second_addresses_lead_to_the_first_conversation(here: Bench) -> None:
    """Nick first, then nick and phone together, then the phone alone: one conversation; also after a restart."""
    async with here.running():
        await here.post(message("m1", "nick-7", kind="nick"))
        await here.post(message("m2", "491", also="nick-7"))
        await here.post(message("m3", "491"))
    async with here.running():
        await here.post(message("m4", "491"))
        await here.post(message("m5", "nick-7", kind="nick"))
    events = await here.read(here.catalogue.inbound, InboundEvent)
    assert {e.conversation_id for e in events} == {ids.conversation_id("t", "fake", "acc", "nick-7")}
    assert len(events) == 5
    assert all("491" not in r.key.decode() for r in await here.raw(here.catalogue.contact_aliases))


async def test_two_processes_agree_on_a_second_address(here: Bench) -> None:
    other = Bench(here.bootstrap, here.catalogue)
    async with here.running(instance="a"), other.running(instance="b"):
        for n in range(20):
            await here.post(message(f"a{n}", f"49{n}", also=f"nick-{n}"))
            await other.post(message(f"b{n}", f"nick-{n}", kind="nick"))
    events = await here.read(here.catalogue.inbound, InboundEvent)
    for n in range(20):
        pair = {e.conversation_id for e in events if e.provider_message_id in (f"a{n}", f"b{n}")}
        assert pair == {ids.conversation_id("t", "fake", "acc", f"49{n}")}
    assert len(await here.read(here.catalogue.contact_aliases, ContactAlias)) == 20


async def test_accounts_are_followed_while_running(here: Bench) -> None:
    async def status(expected: int, token: str = "s3cret", account_id: str = "new") -> bool:
        return (await here.post(message("m1"), token, account_id)).status == expected

    async with here.running():
        assert await status(404)
        await here.put(account("new", credentials={"token": "env:MISSING"}))
        await eventually(lambda: status(503))
        await here.put(account("new", credentials={"token": "env:OTHER, env:TOKEN"}))
        await eventually(lambda: status(200))
        assert await status(200, "other")

        async def health() -> list[HealthState]:
            found = await here.read(here.catalogue.health, ConnectorHealth)
            return [h.state for h in found if h.account_id == "new"]

        await eventually(lambda: _equals(health(), [HealthState.STOPPED, HealthState.HEALTHY]))
    texts = " ".join(h.detail for h in await here.read(here.catalogue.health, ConnectorHealth))
    assert "env:MISSING" in texts
    assert "s3cret" not in texts


async def _equals(value: object, expected: object) -> bool:
    return await value == expected  # type: ignore[misc]


async def test_health_pages(here: Bench) -> None:
    async with here.running():
        assert await here.get("/healthz") == (200, "ok")
        await eventually(lambda: _ready(here))
        status, text = await here.get("/metrics")
        assert (status, "gateway_webhooks_total" in text) == (200, True)


async def _ready(here: Bench) -> bool:
    return (await here.get("/readyz"))[0] == 200


async def test_a_stopped_broker_means_503_and_its_return_200(tmp_path: Path, topic_prefix: str) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = EmbeddedKafka(tmp_path, Settings().cache_dir, port=port)
    await server.start()
    try:
        here = await bench(server.bootstrap_servers, topic_prefix)
        await here.put(account())
        async with here.running():
            assert (await here.post(message("m1"))).status == 200
            await server.stop()
            refused = await here.post(message("m2"))
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
            await server.start()

            async def taken() -> bool:
                return (await here.post(message("m2"))).status == 200

            await eventually(taken, timeout=60, every=0.5)
            events = await here.read(here.catalogue.inbound, InboundEvent)
            assert {e.provider_message_id for e in events} == {"m1", "m2"}
    finally:
        await server.stop()
