"""The rule `offline` on Faust: events in, memory kept, proposals out. Decisions are in `rules`."""

from __future__ import annotations

from typing import Any

from gateway import metrics
from gateway.bus.catalogue import Catalogue
from gateway.bus.faust_transport import App
from gateway.core.commands import OfferOffline
from gateway.core.events import ConversationEvent
from gateway.wire.framing import decode, encode
from processors.known import Known
from processors.offline import rules
from processors.offline.rules import Memory
from processors.ports import Ports, listen

TABLE = "memories"

JUDGED = metrics.counter("gateway_offline_judged_total", "Offline messages judged", ["verdict"])


class OfflineAgent:
    """The rule in one process. `known` must be complete: a department that is missing counts as switched off."""

    def __init__(self, app: App, catalogue: Catalogue, known: Known, ports: Ports) -> None:
        self._app = app
        self._known = known
        self._ports = ports
        self.recovered = False
        self._table = app.Table(
            TABLE,
            partitions=catalogue.partitions,
            key_type=bytes,
            value_type=bytes,
            on_recover=self._recovered,
        )
        topic = app.topic(catalogue.conversations, partitions=catalogue.partitions)
        app.agent(topic, name="offline", concurrency=1)(self._listen)

    async def _recovered(self) -> None:
        self.recovered = True

    async def _listen(self, stream: Any) -> None:
        await listen(stream, self._handle, self._ports, self._app.die)

    async def _handle(self, message: Any) -> None:
        event = decode(message.value, ConversationEvent)
        data = self._table.get(message.key)
        before = None if data is None else decode(data, Memory)
        known = rules.Known(self._known.directory, self._known.presences)
        after, proposals = rules.step(before, event, self._ports.clock(), known)
        # Told first, remembered after: what is told twice is the same, what is only remembered is lost.
        for command in proposals:
            JUDGED.labels("offer" if isinstance(command.action, OfferOffline) else "record").inc()
            await self._ports.command(command)
        if after == before:
            return
        if after is None:
            self._table.pop(message.key, None)
        else:
            self._table[message.key] = encode(after)
