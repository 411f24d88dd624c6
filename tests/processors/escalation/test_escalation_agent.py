"""The rule `escalation` on Faust, with the log, on the real Kafka: phrases, a silent bot, outcomes, a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.core import commands as k
from gateway.core.actors import ActorKind
from gateway.core.clock import system_clock
from gateway.core.content import Text
from gateway.core.directory import Account, Bot
from gateway.core.events import ConversationEvent, EscalationRecorded, OwnerChanged
from gateway.core.messages import DeadLetter
from gateway.wire.framing import decode
from processors.app import Options, run
from processors.escalation.rules import QUEUED_AFTER
from tests.conversation_log.harness import Bench, bench, died
from tests.core.build import ACCOUNT, ANN, CHANNEL, CONVERSATION, TENANT, command, inbound
from tests.helpers import eventually


@dataclass
class Clock:
    """The system's, moved by `offset` milliseconds."""

    offset: int = 0

    def __call__(self) -> int:
        return system_clock() + self.offset


async def prepare(b: Bench, answer_within: int) -> None:
    d = b.directory.with_entity(Account(ACCOUNT, TENANT, CHANNEL, "support", "Acme", bot="robo"))
    department = replace(d.departments["support"], hand_over_phrases=("talk to a person",))
    b.directory = d.with_entity(department).with_entity(
        Bot("robo", TENANT, "Robo", answer_within=answer_within)
    )
    await b.publish_directory()


@asynccontextmanager
async def escalation(b: Bench, clock: Clock, folder: Path) -> AsyncIterator[None]:
    settings = b.settings.model_copy(update={"processors_port": 0})
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, ["escalation"], stop, Options(clock, {}, folder, died)))
    try:
        yield
        assert not task.done()
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def happenings(b: Bench, kind: type, count: int) -> list[ConversationEvent]:
    async def enough() -> list[ConversationEvent]:
        records = await b.records(b.catalogue.conversations)
        events = [decode(r.value, ConversationEvent) for r in records if r.value != b"rubbish"]
        found = [ev for ev in events if isinstance(ev.happening, kind)]
        assert len(found) >= count, [type(ev.happening).__name__ for ev in events]
        return found

    return await eventually(enough, 60, every=0.3)


async def test_asked_silent_and_recorded(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    clock = Clock()
    async with bench(kafka, topic_prefix) as b, b.running():
        await prepare(b, answer_within=1_000)
        now = system_clock()
        async with escalation(b, clock, tmp_path):
            await b.producer.send(b.catalogue.conversations, CONVERSATION.encode(), b"rubbish")
            await b.feed(inbound(1, Text("Let me TALK to a person."), at=now))
            await b.feed(replace(inbound(2, at=now), conversation_id="silent"))
            changes = {ev.conversation_id: ev for ev in await happenings(b, OwnerChanged, 2)}
            reasons = {c: ev.happening.reason for c, ev in changes.items()}  # type: ignore[union-attr]
            assert reasons == {CONVERSATION: "contact_asked", "silent": "bot_silent"}
            assert {(ev.actor.kind, ev.actor.id) for ev in changes.values()} == {
                (ActorKind.RULE, "escalation")
            }
            await b.feed(command(1, ANN, k.Accept()))
            [recorded] = await happenings(b, EscalationRecorded, 1)
            assert recorded.happening.outcome.value == "assigned"  # type: ignore[union-attr]
        clock.offset = QUEUED_AFTER
        async with escalation(b, clock, tmp_path):
            # The wheel came back from the table.
            both = await happenings(b, EscalationRecorded, 2)
            found = {ev.conversation_id: ev.happening.outcome.value for ev in both}  # type: ignore[union-attr]
            assert found == {CONVERSATION: "assigned", "silent": "queued"}
        [letter] = await b.read(b.catalogue.dead, DeadLetter)
        assert (letter.reason, letter.value) == ("processor_escalation", b"rubbish")
