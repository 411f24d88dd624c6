"""WhatsApp in the real process: the simulator on one side, a real Kafka on the other."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import aiohttp
import pytest

from connectors.whatsapp import CONNECTOR
from connectors.whatsapp.simulator import Behaviour, Config, Injected, Number, Served, serve
from gateway.bus.admin import apply_catalogue
from gateway.bus.catalogue import Catalogue
from gateway.core import ids
from gateway.core.clock import system_clock
from gateway.core.content import Clear, Text
from gateway.core.directory import Account
from gateway.core.messages import InboundEvent, Receipt, ReceiptSource, SendRequest
from gateway.core.receipts import Rung, Verdict
from gateway.wire.framing import encode
from tests.connectors.whatsapp.shapes import NUMBER, PHONE, cases, part
from tests.helpers import eventually
from tests.runner.harness import Bench

SECRETS = {"env:TOKEN": "sim-access-token", "env:SECRET": "sim-app-secret", "env:VERIFY": "sim-verify-token"}
CONVERSATION = ids.conversation_id("acme", "whatsapp", "wa-1", PHONE)


@dataclass
class Road:
    """Simulator, process and topics, joined."""

    bench: Bench
    served: Served

    async def send(self, text: str, **changes: object) -> SendRequest:
        now = system_clock()
        request = replace(
            part(Text(text)),
            **{
                "request_id": ids.derive(text),
                "message_id": ids.derive("message", text),
                "conversation_id": CONVERSATION,
                "created_at": now,
                "not_after": now + 60_000,
                **changes,
            },
        )
        topic = self.bench.catalogue.outbound("whatsapp")
        await self.bench.produce(topic, [(request.conversation_id.encode(), encode(request))])
        return request

    async def inbound(self) -> list[InboundEvent]:
        return await self.bench.read(self.bench.catalogue.inbound, InboundEvent)

    async def receipts(self, request: SendRequest) -> list[Receipt]:
        read = await self.bench.read(self.bench.catalogue.receipts, Receipt)
        return [receipt for receipt in read if receipt.message_id == request.message_id]

    async def told(self, request: SendRequest) -> set[str]:
        return {str(r.rung or r.verdict or "joined") for r in await self.receipts(request)}


@contextlib.asynccontextmanager
async def road(kafka: str, prefix: str, **changes: object) -> AsyncIterator[Road]:
    catalogue = Catalogue(prefix, ("whatsapp",), 2)
    await apply_catalogue(kafka, catalogue)
    config = Config(
        numbers=(Number(NUMBER, "4930901820"),), behaviour=Behaviour(delay=0.0), retry_delays=(0.2,) * 20
    )
    async with serve(replace(config, **changes)) as served:
        origin = served.base.removesuffix("/whatsapp")
        options = {"resolve": SECRETS.__getitem__}
        bench = Bench(kafka, catalogue, (CONNECTOR,), origins=(origin,), options=options)
        names = {"access_token": "env:TOKEN", "app_secret": "env:SECRET", "verify_token": "env:VERIFY"}
        settings = {"phone_number_id": NUMBER}
        await bench.put(
            Account("wa-1", "acme", "whatsapp", "support", "", served.base, None, names, settings)
        )
        async with bench.running():
            url = f"{bench.url}/webhooks/whatsapp/wa-1"
            served.simulator.numbers[NUMBER] = replace(served.simulator.numbers[NUMBER], callback_url=url)
            yield Road(bench, served)


async def test_there_and_back(kafka: str, topic_prefix: str) -> None:
    async with road(kafka, topic_prefix) as r:
        wamid = r.served.simulator.writes(PHONE, "Where is my parcel?", copies=5)
        await r.served.simulator.hooks.settled()
        events = await r.inbound()
        assert {e.event_id for e in events} == {ids.inbound_id("whatsapp", "wa-1", wamid)}
        assert {e.conversation_id for e in events} == {CONVERSATION}
        assert events[0].content == Clear(Text("Where is my parcel?"))
        request = await r.send("On its way", reply_to=wamid)

        async def all_told() -> bool:
            return await r.told(request) == {"joined", "sent", "delivered", "read"}

        await eventually(all_told, 30)
        [accepted] = r.served.simulator.accepted
        assert accepted.body["context"] == {"message_id": wamid}
        assert {x.provider_message_id for x in await r.receipts(request)} == {accepted.id}


async def test_handshake_and_strangers(kafka: str, topic_prefix: str) -> None:
    async with road(kafka, topic_prefix) as r, aiohttp.ClientSession() as session:
        url = f"{r.bench.url}/webhooks/whatsapp/wa-1"
        assert await r.served.simulator.verifies(NUMBER)
        async with session.get(url, params={"hub.mode": "subscribe", "hub.verify_token": "x"}) as answer:
            assert answer.status == 403
        for headers in ({}, {"x-hub-signature-256": "sha256=" + "0" * 64}):
            async with session.post(url, data=b"{}", headers=headers) as answer:
                assert answer.status == 401
        assert await r.inbound() == []


async def test_every_recorded_webhook_ends_on_a_topic(kafka: str, topic_prefix: str) -> None:
    async with road(kafka, topic_prefix) as r:
        expected = {"events": 0, "receipts": 0, "unreadable": 0}
        for case in cases("webhooks"):
            r.served.simulator.sends(case["webhook"])
            for key in expected:
                expected[key] += len(case["expect"].get(key, []))
        await r.served.simulator.hooks.settled()
        assert all(d.answers == [200] for d in r.served.simulator.hooks.deliveries)
        assert len(await r.inbound()) == expected["events"]
        assert len(await r.bench.raw(r.bench.catalogue.receipts)) == expected["receipts"]
        assert len(await r.bench.raw(r.bench.catalogue.dead)) == expected["unreadable"]


async def test_a_hidden_number_stays_in_its_conversation(kafka: str, topic_prefix: str) -> None:
    async with road(kafka, topic_prefix) as r:
        simulator = r.served.simulator
        simulator.writes(PHONE, "with number")
        await simulator.hooks.settled()
        simulator.person(PHONE).hides_phone = True
        simulator.writes(PHONE, "without")
        await simulator.hooks.settled()
        events = await r.inbound()
        assert [e.conversation_id for e in events] == [CONVERSATION] * 2
        assert {e.contact.address_kind for e in events} == {"phone", "user_id"}


async def test_a_changed_number_keeps_the_conversation(kafka: str, topic_prefix: str) -> None:
    async with road(kafka, topic_prefix) as r:
        simulator, new = r.served.simulator, "4916098765432"
        system = {"wa_id": new, "type": "user_changed_number", "body": "changed"}
        simulator.writes(PHONE, {"type": "system", "system": system})
        await simulator.hooks.settled()
        simulator.writes(new, "me again")
        await simulator.hooks.settled()
        assert {e.conversation_id for e in await r.inbound()} == {CONVERSATION}


@pytest.mark.parametrize(
    ("fault", "verdict", "accepted"),
    [
        (Injected.ERROR, None, 1),
        (Injected.RATE, None, 1),
        (Injected.LOSE_ANSWER, Verdict.UNKNOWN, 1),
        (Injected.BARE_ERROR, Verdict.UNKNOWN, 0),
    ],
)
async def test_a_fault_never_doubles(
    kafka: str, topic_prefix: str, fault: Injected, verdict: Verdict | None, accepted: int
) -> None:
    async with road(kafka, topic_prefix) as r:
        simulator = r.served.simulator
        simulator.writes(PHONE, "hi")
        simulator.inject(fault)
        request = await r.send("once")

        async def settled() -> bool:
            told = await r.receipts(request)
            wanted = {Rung.SENT, Rung.DELIVERED, Rung.READ} if accepted else set()
            answered = [x for x in told if x.source is ReceiptSource.SEND_ANSWER]
            return len(answered) == 1 and {x.rung for x in told if x.rung} == wanted

        await eventually(settled, 30)
        answers = [x for x in await r.receipts(request) if x.source is ReceiptSource.SEND_ANSWER]
        assert [x.verdict for x in answers] == [verdict]
        assert len(simulator.accepted) == accepted


async def test_a_refused_message_fails_with_the_reason(kafka: str, topic_prefix: str) -> None:
    async with road(kafka, topic_prefix) as r:
        request = await r.send("too late")

        async def failed() -> bool:
            return await r.told(request) == {"failed"}

        await eventually(failed, 30)
        [receipt] = await r.receipts(request)
        assert receipt.problem is not None
        assert (receipt.problem.code, receipt.problem.provider_code) == ("window_closed", "131047")


async def test_a_bad_token_stops_the_account_and_keeps_the_message(kafka: str, topic_prefix: str) -> None:
    async with road(kafka, topic_prefix, access_token="renewed") as r:
        r.served.simulator.writes(PHONE, "hi")
        request = await r.send("waits")
        await eventually(lambda: r.served.simulator.refused_tokens > 0, 30)
        assert await r.told(request) == set()
        assert not r.served.simulator.accepted
