"""The rule `assignment` on Faust: `cg.queue` in, desks kept, proposals out. Decisions are in `rules`."""

from __future__ import annotations

from typing import Any

from aiokafka.partitioner import murmur2

from gateway import metrics
from gateway.bus.catalogue import Catalogue
from gateway.bus.faust_transport import App
from gateway.core.commands import Command
from gateway.core.events import ConversationEvent
from gateway.wire.framing import decode, encode
from processors.assignment import rules
from processors.assignment.rules import Desk, Entry
from processors.known import Known
from processors.ports import Ports, listen

TABLE = "entries"
LAST = b"@last|"
TICK_SECONDS = 1.0
"""How soon after an agent became available they are given something."""

PROPOSED = metrics.counter("gateway_assignment_proposed_total", "Conversations proposed to agents")
WAITING = metrics.gauge("gateway_assignment_waiting", "Conversations that wait in a queue")


class AssignmentAgent:
    """The rule in one process. `known` must be complete: a department that is missing assigns nothing.

    The table has one record per open conversation of a department, so that an event costs as little in a long
    queue as in a short one; the desks are in memory, for the partitions that are ours.
    """

    def __init__(self, app: App, catalogue: Catalogue, known: Known, ports: Ports) -> None:
        self._app = app
        self._catalogue = catalogue
        self._known = known
        self._ports = ports
        self._desks: dict[str, Desk] = {}
        self.recovered = False
        self._table = app.Table(
            TABLE,
            partitions=catalogue.partitions,
            key_type=bytes,
            value_type=bytes,
            on_recover=self._rebuild,
        )
        topic = app.topic(catalogue.queue, partitions=catalogue.partitions)
        app.agent(topic, name="assignment", concurrency=1)(self._listen)
        app.timer(TICK_SECONDS)(self._tick)

    async def _listen(self, stream: Any) -> None:
        await listen(stream, self._handle, self._ports, self._app.die)

    async def _handle(self, message: Any) -> None:
        event = decode(message.value, ConversationEvent)
        department = message.key.decode()
        before = self._desks.get(department) or Desk(department)
        after, proposals = rules.step(before, event, self._ports.clock(), self._facts())
        self._desks[department] = after
        # First the proposals: after a crash the event comes again and proposes the same.
        await self._propose(proposals)
        self._keep(before, after, event.conversation_id)

    def _keep(self, before: Desk, after: Desk, conversation: str) -> None:
        key = f"{after.department_id}|{conversation}".encode()
        entry = after.entry(conversation)
        if entry is None:
            self._table.pop(key, None)
        elif entry != before.entry(conversation):
            self._table[key] = encode(entry)
        if after.last is not None and after.last != before.last:
            self._table[LAST + after.department_id.encode()] = after.last.encode()

    def _facts(self) -> rules.Known:
        return rules.Known(self._known.directory, self._known.presences)

    async def _propose(self, proposals: list[Command]) -> None:
        for proposal in proposals:
            PROPOSED.inc()
            await self._ports.command(proposal)

    async def _tick(self) -> None:
        if not self.recovered or self._app.rebalancing:
            return
        try:
            await self._look_again()
        except Exception as error:  # noqa: BLE001 (die ends the process)
            self._app.die(f"the timer of assignment failed: {error!r}", error)

    async def _look_again(self) -> None:
        """Somebody may have become available, or a proposal have come to nothing."""
        active = self._active()
        waiting = 0
        for department in sorted(self._desks):
            if self._partition(department) not in active:
                continue
            before = self._desks[department]
            self._desks[department], proposals = rules.step(before, None, self._ports.clock(), self._facts())
            waiting += len(before.waiting)
            await self._propose(proposals)
        WAITING.set(waiting)

    async def _rebuild(self) -> None:
        """The table is complete: the desks of the partitions that are ours."""
        active = self._active()
        entries: dict[str, list[Entry]] = {}
        last: dict[str, str] = {}
        for key, data in self._table.items():
            if key.startswith(LAST):
                last[key.removeprefix(LAST).decode()] = data.decode()
                continue
            department = key.decode().rpartition("|")[0]
            if self._partition(department) in active:
                entries.setdefault(department, []).append(decode(data, Entry))
        self._desks = {d: rules.rebuilt(d, found, last.get(d)) for d, found in entries.items()}
        self.recovered = True

    def _partition(self, department: str) -> int:
        return int((murmur2(department.encode()) & 0x7FFFFFFF) % self._catalogue.partitions)

    def _active(self) -> set[int]:
        """The memory store keeps keys of partitions that went away, so what is ours has to be asked."""
        return {
            tp.partition for tp in self._app.assignor.assigned_actives() if tp.topic == self._catalogue.queue
        }
