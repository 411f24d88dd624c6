"""The rule `assignment` on Faust, with the log, on the real Kafka: entering, becoming available, a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from gateway.core import commands as k
from gateway.core.actors import ActorKind, Owner
from gateway.core.clock import system_clock
from gateway.core.commands import Command
from gateway.core.directory import Assignment, AssignmentMode
from gateway.core.events import ConversationEvent, OwnerChange, OwnerChanged
from gateway.core.messages import DeadLetter, Presence, PresenceState
from gateway.wire.framing import encode
from processors.app import Options, run
from tests.conversation_log.harness import Bench, bench, died
from tests.core.build import ANN, TENANT, command, inbound
from tests.helpers import eventually

HOUR = 3_600_000


@asynccontextmanager
async def assignment(b: Bench, folder: Path) -> AsyncIterator[None]:
    settings = b.settings.model_copy(update={"processors_port": 0})
    stop = asyncio.Event()
    task = asyncio.create_task(run(settings, ["assignment"], stop, Options(system_clock, {}, folder, died)))
    try:
        yield
        assert not task.done()
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


async def present(b: Bench, agent: str, state: PresenceState) -> None:
    now = system_clock()
    record = Presence(agent, TENANT, state, now, now if state is PresenceState.OFFLINE else now + HOUR)
    await b.producer.send(b.catalogue.presence, agent.encode(), encode(record))


async def writes(b: Bench, *conversations: str) -> None:
    for c in conversations:
        await b.feed(replace(inbound(1, at=system_clock()), conversation_id=c))


async def owners(b: Bench, expected: dict[str, str]) -> None:
    """Waits until these conversations belong to these agents."""

    async def look() -> bool:
        found: dict[str, Owner] = {}
        for event in await b.read(b.catalogue.conversations, ConversationEvent):
            found[event.conversation_id] = event.owner
            if isinstance(event.happening, OwnerChanged) and event.happening.how is OwnerChange.AUTOMATIC:
                assert (event.actor.kind, event.actor.name) == (ActorKind.RULE, "automatic_assignment")
        assert {c: o.id for c, o in found.items()} == expected
        return True

    await eventually(look, 60, every=0.3)


async def test_in_turn_when_somebody_comes_and_through_a_restart(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    async with bench(kafka, topic_prefix) as b, b.running():
        support = b.directory.departments["support"]
        in_turn = replace(support, assignment=Assignment(AssignmentMode.ROUND_ROBIN, at_most=2))
        b.directory = b.directory.with_entity(in_turn)
        await b.publish_directory()
        await present(b, "@inbox/test", PresenceState.ONLINE)
        async with assignment(b, tmp_path):
            await b.producer.send(b.catalogue.queue, b"support", b"rubbish")
            await writes(b, "c1")
            await writes(b, "c2")
            await owners(b, {"c1": "support", "c2": "support"})
            await present(b, "ann", PresenceState.ONLINE)
            await owners(b, {"c1": "ann", "c2": "ann"})
            await writes(b, "c3")
            await owners(b, {"c1": "ann", "c2": "ann", "c3": "support"})
            # One leaves for another department: this one hears of it, and its agent is free again.
            moved = command(1, ANN, k.Transfer("sales"), conversation_id="c1", epoch=2)
            await b.feed(moved)
            await owners(b, {"c1": "sales", "c2": "ann", "c3": "ann"})
        async with assignment(b, tmp_path):
            # The desk came back from the table: ann has her two.
            await writes(b, "c4")
            await present(b, "bob", PresenceState.ONLINE)
            await owners(b, {"c1": "sales", "c2": "ann", "c3": "ann", "c4": "bob"})
            await b.feed(command(2, ANN, k.End(), conversation_id="c2"))
            await writes(b, "c5")
            await owners(b, {"c1": "sales", "c2": "ann", "c3": "ann", "c4": "bob", "c5": "ann"})
        proposals = [c for c in await b.read(b.catalogue.commands, Command) if isinstance(c.action, k.Assign)]
        assert len({c.command_id for c in proposals}) == 5, "nothing was proposed that was refused"
        [letter] = await b.read(b.catalogue.dead, DeadLetter)
        assert (letter.reason, letter.value) == ("processor_assignment", b"rubbish")
