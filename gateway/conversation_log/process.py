"""The process of the conversation log: replicas for the facts, then the transactional loop."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import replace

from gateway.bus.batch import BatchRules
from gateway.bus.catalogue import Catalogue
from gateway.bus.dead_letters import DeadLetterInfo
from gateway.bus.exits import Die, exit_process
from gateway.bus.loop_settings import LoopSettings
from gateway.bus.partition_loop import PartitionLoop
from gateway.bus.replica import Replica
from gateway.conversation_log.deadlines import Deadlines
from gateway.conversation_log.facts import FactsSource
from gateway.conversation_log.logic import ConversationLogic
from gateway.core.clock import Clock, system_clock
from gateway.core.messages import DeadLetter
from gateway.ops import serving_ops
from gateway.settings import Settings
from gateway.wire.framing import encode

GROUP = "conversation-log"


def encode_dead_letter(info: DeadLetterInfo) -> bytes:
    """The Avro record of a dead letter."""
    headers = dict(info.headers)
    return encode(
        DeadLetter(
            info.id,
            info.origin_topic,
            info.origin_partition,
            info.origin_offset,
            info.origin_key,
            info.reason,
            info.error,
            info.value,
            headers,
            info.at,
        )
    )


def loop_settings(settings: Settings, catalogue: Catalogue, instance: str) -> LoopSettings:
    """How the loop runs for this cluster."""
    outbound = tuple(catalogue.outbound(channel) for channel in catalogue.channels)
    return LoopSettings(
        bootstrap=settings.kafka_bootstrap_servers or "",
        group=f"{settings.topic_prefix}{GROUP}",
        instance=instance,
        inputs=(catalogue.inbound, catalogue.receipts, catalogue.commands),
        state_topic=catalogue.conversation_state,
        outputs=(catalogue.conversations, catalogue.command_results, catalogue.dead, *outbound),
        rules=BatchRules(catalogue.dead, encode_dead_letter),
        timer_seconds=0.25,  # few at a time: what people write is decided in between
    )


async def run(
    settings: Settings,
    catalogue: Catalogue,
    stop: asyncio.Event,
    *,
    instance: str | None = None,
    port: int = 0,
    clock: Clock = system_clock,
    die: Die = exit_process,
    changes: dict[str, object] | None = None,
) -> None:
    """Decide until `stop` is set. `changes` replaces fields of the loop's settings, for tests."""
    bootstrap = settings.kafka_bootstrap_servers or ""
    facts = FactsSource()
    followed = {
        catalogue.directory: facts.directory,
        catalogue.capabilities: facts.capabilities,
        catalogue.presence: facts.presence,
    }
    async with AsyncExitStack() as stack:
        for topic, take in followed.items():
            replica = Replica(bootstrap, topic, take)
            await replica.start()
            stack.push_async_callback(replica.stop)
            # Decisions need the facts: none is made before they are complete.
            await replica.caught_up()
        options = loop_settings(settings, catalogue, instance or socket.gethostname())
        loop = PartitionLoop(
            replace(options, **(changes or {})),  # type: ignore[arg-type]
            ConversationLogic(catalogue, facts, Deadlines(rate=settings.completion_rate)),
            clock=clock,
            die=die,
        )
        await stack.enter_async_context(serving_ops(settings.host, port, lambda: loop.ready))
        await loop.run(stop)
