"""The rule `completion` on Faust: timers in, table and agenda kept, proposals out at a set rate."""

from __future__ import annotations

import asyncio
from typing import Any

from faust.types import TP

from gateway import metrics
from gateway.bus.catalogue import Catalogue
from gateway.bus.faust_transport import App
from gateway.core.agenda import Agenda, Allowance
from gateway.core.commands import Command
from gateway.core.events import ConversationEvent, TimersChanged
from gateway.wire.framing import decode
from gateway.wire.headers import type_name
from processors.completion import rules
from processors.ports import Ports, listen

TABLE = "timers"
TICK_SECONDS = 0.1
AGAIN_MS = 20_000
"""When a proposal that nothing came of is repeated: the log's clock may be behind ours."""
AGAIN_UNTIL_MS = 60_000
"""How long after its deadline a timer is proposed again; then the log applies it by itself."""
AT_ONCE = 5_000
OURS = type_name(ConversationEvent, TimersChanged).encode()

PROPOSED = metrics.counter("gateway_completion_proposed_total", "Due timers proposed")
WAITING = metrics.gauge("gateway_completion_waiting", "Conversations with a timer of this rule")


class CompletionAgent:
    """The rule in one process. `rate` = proposals per second, so that a backlog leaves room for what people write."""

    def __init__(self, app: App, catalogue: Catalogue, ports: Ports, rate: int) -> None:
        self._app = app
        self._topic = catalogue.conversations
        self._ports = ports
        self._rate = rate
        self._allowance = Allowance(ports.clock())
        self._agenda = Agenda()
        # Keys that were proposed and have not changed since, with the time when that is looked at again.
        self._again: dict[bytes, int] = {}
        self._mine: set[int] = set()
        # Where each partition ended when we got it: before that is read, a timer may be superseded already.
        self._ends: dict[TP, int] | None = None
        self.recovered = False
        self._table = app.Table(
            TABLE,
            partitions=catalogue.partitions,
            key_type=bytes,
            value_type=bytes,
            on_recover=self._rebuild,
        )
        topic = app.topic(catalogue.conversations, partitions=catalogue.partitions)
        app.agent(topic, name="completion", concurrency=1)(self._listen)
        app.timer(TICK_SECONDS)(self._tick)

    async def _listen(self, stream: Any) -> None:
        await listen(stream, self._handle, self._ports, self._app.die)

    async def _handle(self, message: Any) -> None:
        # Most events are about something else, and decoding is most of the cost.
        if dict(message.headers or ()).get("ce_type", OURS) != OURS:
            return
        key = message.key
        event = decode(message.value, ConversationEvent)
        if not isinstance(event.happening, TimersChanged):
            return
        state, _ = rules.step(None, event, 0)
        self._again.pop(key, None)
        if state is None:
            self._table.pop(key, None)
            return
        self._table[key] = rules.pack(state, message.partition)
        for timer in state.timers:
            self._agenda.add(timer.at, key)
        if len(self._agenda) > 2 * (len(self._table) + len(state.timers)) + 1000:
            self._build_agenda()

    # Time.

    async def _tick(self) -> None:
        if not self.recovered or self._app.rebalancing:
            return
        try:
            if self._ends is None or await self._caught_up(self._ends):
                self._ends = None
                await self._propose_due()
            WAITING.set(len(self._table))
        except Exception as error:  # noqa: BLE001 (die ends the process)
            self._app.die(f"the timer of completion failed: {error!r}", error)

    async def _caught_up(self, ends: dict[TP, int]) -> bool:
        consumer = self._app.consumer
        for tp, end in ends.items():
            position = await consumer.position(tp)
            if position is None or position < end:
                return False
        return all(m.offset >= ends.get(m.tp, 0) for m in list(consumer.unacked))

    async def _propose_due(self) -> None:
        now = self._ports.clock()
        commands: list[Command] = []
        left = self._allowance.ask(now, self._rate)
        looks = AT_ONCE  # entries of timers that were moved cost no proposal, but time
        while left > 0 and looks > 0 and (entry := self._agenda.pop(now)) is not None:
            looks -= 1
            found = self._proposals(*entry, now)
            left -= len(found)
            commands += found
        self._allowance.use(len(commands))
        await asyncio.gather(*(self._ports.command(command) for command in commands))
        PROPOSED.inc(len(commands))

    def _proposals(self, at: int, key: bytes, now: int) -> list[Command]:
        """What an entry of the agenda leads to; nothing when its timer was moved or was proposed just now."""
        value = self._table.get(key)
        if value is None or rules.partition_in(value) not in self._mine:
            self._again.pop(key, None)
            return []
        state = rules.unpack(key, value)
        again = self._again.get(key)
        if at != again if again is not None else all(timer.at != at for timer in state.timers):
            return []
        _, found = rules.step(state, None, now)
        if any(now < timer.at + AGAIN_UNTIL_MS for timer in state.timers):
            self._again[key] = now + AGAIN_MS
            self._agenda.add(now + AGAIN_MS, key)
        else:
            self._again.pop(key, None)
        return found

    # Partitions.

    async def _rebuild(self) -> None:
        """The table is complete: the agenda from the partitions that are ours."""
        active = {tp for tp in self._app.assignor.assigned_actives() if tp.topic == self._topic}
        self._mine = {tp.partition for tp in active}
        # The memory store keeps keys of partitions that went away; on their return they would be out of date.
        store = self._table.data
        for key in [k for k, value in store.items() if rules.partition_in(value) not in self._mine]:
            del store[key]
        self._again = {key: at for key, at in self._again.items() if key in store}
        self._build_agenda()
        self._ends = dict(await self._app.consumer.highwaters(*active)) if active else {}
        self.recovered = True

    def _build_agenda(self) -> None:
        self._agenda = Agenda()
        for key, value in self._table.items():
            if rules.partition_in(value) not in self._mine:
                continue
            for at in rules.deadlines_in(value):
                self._agenda.add(at, key)
        for key, at in self._again.items():
            self._agenda.add(at, key)
