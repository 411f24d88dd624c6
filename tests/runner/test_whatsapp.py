"""WhatsApp and its simulator through the whole process, on a real Kafka."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connectors.registry import discover
from connectors.whatsapp import CONNECTOR
from connectors.whatsapp.simulator import Config, Number, Simulator, serve
from connectors.whatsapp.simulator.config import Behaviour, Injected
from gateway.bus.admin import apply_catalogue
from gateway.bus.catalogue import Catalogue
from gateway.core.content import Clear, Text
from gateway.core.directory import Account
from gateway.core.messages import InboundEvent, Receipt, ReceiptSource, SendRequest
from gateway.core.receipts import Rung, Verdict
from gateway.wire.framing import encode
from tests.helpers import eventually
from tests.runner.harness import Bench, request

PHONE = "4915223456789"
NUMBER = "305511998877665"
SECRETS = {"env:A": "sim-access-token", "env:B": "sim-app-secret", "env:C": "sim-verify-token"}


@asynccontextmanager
async def whatsapp(kafka: str, prefix: str, **config: object) -> AsyncIterator[tuple[Bench, Simulator]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    catalogue = Catalogue(prefix, ("whatsapp",), 2)
    await apply_catalogue(kafka, catalogue)
    base = f"http://127.0.0.1:{port}"
    here = Bench(kafka, catalogue, (CONNECTOR,), (base,), {"resolve": SECRETS.__getitem__})
    await here.put(
        Account(
            "wa-1",
            "t",
            "whatsapp",
            "support",
            api_base=f"{base}/whatsapp",
            credentials={"access_token": "env:A", "app_secret": "env:B", "verify_token": "env:C"},
            settings={"phone_number_id": NUMBER},
        )
    )
    async with here.running():
        number = Number(NUMBER, "4930901820", callback_url=f"{here.url}/webhooks/whatsapp/wa-1")
        async with serve(Config(numbers=(number,), **config), port) as served:  # type: ignore[arg-type]
            yield here, served.simulator


async def ask(here: Bench, text: str, conversation: str) -> SendRequest:
    asked = request(
        text,
        PHONE,
        conversation,
        channel="whatsapp",
        account_id="wa-1",
        content=Clear(Text(text)),
    )
    await here.produce(here.catalogue.outbound("whatsapp"), [(conversation.encode(), encode(asked))])
    return asked


async def inbound(here: Bench, count: int) -> list[InboundEvent]:
    async def enough() -> list[InboundEvent] | None:
        found = await here.read(here.catalogue.inbound, InboundEvent)
        return found if len(found) >= count else None

    return await eventually(enough, timeout=20, every=0.2)


async def rungs(here: Bench, asked: SendRequest) -> set[Rung | Verdict | None]:
    found = await here.read(here.catalogue.receipts, Receipt)
    return {r.verdict or r.rung for r in found if r.message_id == asked.message_id}


def test_the_registry_finds_the_channels() -> None:
    assert discover()["whatsapp"] is CONNECTOR


async def test_there_and_back(kafka: str, topic_prefix: str) -> None:
    async with whatsapp(kafka, topic_prefix) as (here, simulator):
        simulator.writes(PHONE, "Where is my parcel?", copies=5)
        events = await inbound(here, 5)
        assert len({e.event_id for e in events}) == 1
        assert len({e.conversation_id for e in events}) == 1
        asked = await ask(here, "On its way", events[0].conversation_id)

        async def read() -> bool:
            return await rungs(here, asked) == {None, Rung.SENT, Rung.DELIVERED, Rung.READ}

        await eventually(read, timeout=20, every=0.2)
        receipts = await here.read(here.catalogue.receipts, Receipt)
        assert {r.conversation_id for r in receipts} == {asked.conversation_id}
        assert [m.body["text"]["body"] for m in simulator.accepted] == ["On its way"]


async def test_a_contact_who_hides_the_number_later_stays_in_the_conversation(
    kafka: str, topic_prefix: str
) -> None:
    async with whatsapp(kafka, topic_prefix) as (here, simulator):
        simulator.writes(PHONE, "with number")
        await inbound(here, 1)
        simulator.person(PHONE).hides_phone = True
        simulator.writes(PHONE, "without")
        assert len({e.conversation_id for e in await inbound(here, 2)}) == 1


async def test_a_lost_answer_is_unknown_and_settled_by_the_status(kafka: str, topic_prefix: str) -> None:
    async with whatsapp(kafka, topic_prefix, behaviour=Behaviour(up_to="sent", delay=0.5)) as (
        here,
        simulator,
    ):
        simulator.writes(PHONE, "hello")
        [event] = await inbound(here, 1)
        simulator.inject(Injected.LOSE_ANSWER)
        asked = await ask(here, "lost", event.conversation_id)

        async def settled() -> bool:
            return await rungs(here, asked) == {Verdict.UNKNOWN, Rung.SENT}

        await eventually(settled, timeout=20, every=0.2)
        assert len(simulator.accepted) == 1
        found = await here.read(here.catalogue.receipts, Receipt)
        assert {r.source for r in found} == {ReceiptSource.SEND_ANSWER, ReceiptSource.WEBHOOK}


async def test_a_rate_limit_and_a_short_fault_are_overcome(kafka: str, topic_prefix: str) -> None:
    async with whatsapp(kafka, topic_prefix, behaviour=Behaviour(up_to="sent")) as (here, simulator):
        simulator.writes(PHONE, "hello")
        [event] = await inbound(here, 1)
        simulator.inject(Injected.RATE, 1, retry_after=1)
        simulator.inject(Injected.ERROR)
        asked = await ask(here, "patience", event.conversation_id)

        async def sent() -> bool:
            return Rung.SENT in await rungs(here, asked)

        await eventually(sent, timeout=30, every=0.3)
        assert len(simulator.accepted) == 1
