"""Taking a partition over: its ledger is read to the end and settled before anything is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import structlog
from aiokafka import TopicPartition

from connectors.runner.holding import Holding
from connectors.runner.ledger import replay, restored
from connectors.runner.outcomes import settled_unknown
from gateway.bus.restore import group_less_consumer
from gateway.core.clock import Clock
from gateway.core.messages import LedgerEntry, LedgerState, Receipt
from gateway.wire.framing import decode

log = structlog.get_logger(__name__)

Report = Callable[[Receipt], Awaitable[None]]


async def read_ledger(bootstrap: str, topic: str, partition: int) -> dict[str, LedgerEntry]:
    """What the ledger of one partition holds. Raises KafkaError, and WireError for a foreign record."""
    tp = TopicPartition(topic, partition)
    found: list[tuple[str, LedgerEntry | None]] = []
    async with group_less_consumer(bootstrap, "read_uncommitted") as reader:
        reader.assign([tp])
        end = (await reader.end_offsets([tp]))[tp]
        await reader.seek_to_beginning(tp)
        while await reader.position(tp) < end:
            for record in (await reader.getmany(timeout_ms=200)).get(tp, ()):
                entry = None if record.value is None else decode(record.value, LedgerEntry)
                found.append((record.key.decode(), entry))
    return replay(found)


async def take_over(
    holding: Holding,
    bootstrap: str,
    topic: str,
    committed: int | None,
    known: Collection[str],
    report: Report,
    clock: Clock,
) -> int:
    """Settles what a former owner left: `unknown` for what was started and has no outcome.

    `known`: requests whose outcome this process itself knows or is about to know. Returns how many
    became unknown. Raises KafkaError, BrokerUnavailable.
    """
    entries = await read_ledger(bootstrap, topic, holding.number)
    judged = restored(entries, committed)
    lost = [entry for entry in judged.unknown if entry.request.request_id not in known]
    for entry in lost:
        log.warning("outcome unknown after a restart", request=entry.request.request_id)
        await report(settled_unknown(entry.request, clock()))
        await holding.ledger.write(holding.number, entry.request, entry.offset, LedgerState.SETTLED)
    for key in judged.forget:
        await holding.ledger.forget(holding.number, key)
    holding.skip = judged.skip
    holding.open.finished = {key: entries[key].offset for key in judged.skip}
    return len(lost)
