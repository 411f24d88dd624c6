"""The rule `receipts` on Faust: events in, table and wheel kept, proposals out. Decisions are in `rules`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka.partitioner import murmur2

from gateway import metrics
from gateway.bus.catalogue import Catalogue
from gateway.bus.faust_transport import App
from gateway.core.capabilities import CapabilityProfile
from gateway.core.events import ConversationEvent
from gateway.core.messages import ConnectorHealth, HealthState
from gateway.wire.framing import decode, encode
from processors.ports import Ports, listen
from processors.receipts import rules
from processors.receipts.rules import Traffic, Unmatched, Watch
from processors.wheel import Wheel

log = structlog.get_logger(__name__)

TABLE = "watches"
TRAFFIC = b"@traffic|"
DUE_AT_ONCE = 500
TICK_SECONDS = 1.0
SILENT_EVERY = 5_000
COUNTED_KEPT = 10_000
DECODED_KEPT = 20_000

PROPOSED = metrics.counter("gateway_receipts_overdue_total", "Overdue rungs proposed", ["channel"])
UNMATCHED = metrics.counter(
    "gateway_receipts_unmatched_total", "Receipts that never found their message", ["channel"]
)
WATCHED = metrics.gauge("gateway_receipts_watched", "Conversations in which a receipt is awaited")
SILENT = metrics.gauge(
    "gateway_receipts_silent", "1 = the account's receipts stopped", ["channel", "account"]
)

Account = tuple[str, str]


class ReceiptsAgent:
    """The rule in one process. `silent_known`: accounts whose last published health says that they are silent."""

    def __init__(
        self,
        app: App,
        catalogue: Catalogue,
        profiles: Mapping[str, CapabilityProfile],
        ports: Ports,
        silent_known: set[Account],
    ) -> None:
        self._app = app
        self._catalogue = catalogue
        self._profiles = profiles
        self._ports = ports
        self._wheel = Wheel()
        self._traffic: dict[Account, dict[int, Traffic]] = {}
        self._silent = silent_known
        self._counted: dict[str, None] = {}
        self._decoded: dict[bytes, Watch] = {}
        self._looked_at = 0
        self.recovered = False
        self._table = app.Table(
            TABLE,
            partitions=catalogue.partitions,
            key_type=bytes,
            value_type=bytes,
            on_recover=self._rebuild,
        )
        topic = app.topic(catalogue.conversations, partitions=catalogue.partitions)
        app.agent(topic, name="receipts", concurrency=1)(self._listen)
        app.timer(TICK_SECONDS)(self._tick)

    async def _listen(self, stream: Any) -> None:
        await listen(stream, self._handle, self._ports, self._app.die)

    async def _handle(self, message: Any) -> None:
        event = decode(message.value, ConversationEvent)
        profile = self._profiles.get(event.channel)
        if profile is None:
            return  # a channel that this installation does not have any more
        self._note_traffic(event, message.partition, profile)
        key = message.key
        before = self._watch(key)
        # Time is the wheel's business: a backlog must not propose what the next event settles.
        after, _ = rules.step(before, event, 0, profile)
        if after == before:
            return
        self._keep(key, after)
        self._wheel.set(key, rules.next_due(after, 0, profile))

    def _watch(self, key: bytes) -> Watch | None:
        found = self._decoded.get(key)
        if found is None and (data := self._table.get(key)) is not None:
            found = decode(data, Watch)
        return found

    def _keep(self, key: bytes, watch: Watch | None) -> None:
        """Into the table, and decoded at hand: the events of a conversation come close together."""
        self._decoded.pop(key, None)
        if watch is None:
            self._table.pop(key, None)
            return
        self._table[key] = encode(watch)
        self._decoded[key] = watch
        if len(self._decoded) > DECODED_KEPT:
            del self._decoded[next(iter(self._decoded))]

    # Time.

    async def _tick(self) -> None:
        if not self.recovered or self._app.rebalancing:
            return
        try:
            await self._propose_due()
            await self._look_for_silence()
            WATCHED.set(len(self._wheel))
        except Exception as error:  # noqa: BLE001 (die ends the process)
            self._app.die(f"the timer of receipts failed: {error!r}", error)

    async def _propose_due(self) -> None:
        now = self._ports.clock()
        active = self._active()
        for key in self._wheel.pop_due(now, DUE_AT_ONCE):
            watch = self._watch(key)
            if watch is None or self._partition(key) not in active:
                continue
            profile = self._profiles[watch.channel]
            _, proposals = rules.step(watch, None, now, profile)
            for proposal in proposals:
                if isinstance(proposal, Unmatched):
                    self._count(proposal)
                else:
                    PROPOSED.labels(watch.channel).inc()
                    await self._ports.command(proposal)
            # Again only at the next deadline: the log's answer, or a restart, settles what was proposed.
            self._wheel.set(key, rules.next_due(watch, now, profile))

    def _count(self, unmatched: Unmatched) -> None:
        if unmatched.receipt_id in self._counted:
            return
        self._counted[unmatched.receipt_id] = None
        if len(self._counted) > COUNTED_KEPT:
            del self._counted[next(iter(self._counted))]
        UNMATCHED.labels(unmatched.channel).inc()
        log.warning("receipt never matched", channel=unmatched.channel, receipt=unmatched.receipt_id)

    # Silent accounts.

    def _note_traffic(self, event: ConversationEvent, partition: int, profile: CapabilityProfile) -> None:
        seen = self._traffic.setdefault((event.channel, event.account_id), {})
        before = seen.get(partition)
        after = rules.traffic_step(before, event, profile)
        if after is None or after is before:
            return
        seen[partition] = after
        self._table[_traffic_key(partition, after)] = encode(after)
        if after.waiting_since is None:
            for other, traffic in seen.items():
                seen[other] = rules.heard_elsewhere(traffic, after.heard_at)

    async def _look_for_silence(self) -> None:
        now = self._ports.clock()
        if now < self._looked_at + SILENT_EVERY:
            return
        self._looked_at = now
        active = self._active()
        for account, seen in self._traffic.items():
            mine = [traffic for partition, traffic in seen.items() if partition in active]
            if not mine:
                continue
            silent = rules.silent(mine, self._profiles[account[0]], now)
            SILENT.labels(*account).set(silent)
            if silent != (account in self._silent):
                await self._ports.health(_health(mine[0], silent, now))
                (self._silent.add if silent else self._silent.discard)(account)

    # Partitions.

    async def _rebuild(self) -> None:
        """The table is complete: wheel and accounts from the partitions that are ours."""
        self._wheel.clear()
        self._decoded.clear()
        self._traffic.clear()
        active = self._active()
        for key, data in self._table.items():
            if key.startswith(TRAFFIC):
                partition = int(key.split(b"|")[1])
                if partition in active:
                    traffic = decode(data, Traffic)
                    seen = self._traffic.setdefault((traffic.channel, traffic.account_id), {})
                    seen[partition] = traffic
            elif self._partition(key) in active:
                watch = decode(data, Watch)
                if (profile := self._profiles.get(watch.channel)) is not None:
                    self._wheel.set(key, rules.next_due(watch, 0, profile))
        self.recovered = True

    def _partition(self, key: bytes) -> int:
        return int((murmur2(key) & 0x7FFFFFFF) % self._catalogue.partitions)

    def _active(self) -> set[int]:
        """The memory store keeps keys of partitions that went away, so what is ours has to be asked."""
        return {
            tp.partition
            for tp in self._app.assignor.assigned_actives()
            if tp.topic == self._catalogue.conversations
        }


def _traffic_key(partition: int, traffic: Traffic) -> bytes:
    return TRAFFIC + f"{partition}|{traffic.channel}|{traffic.account_id}".encode()


def _health(traffic: Traffic, silent: bool, now: int) -> ConnectorHealth:
    if silent:
        state, code = HealthState.DEGRADED, "receipts_silent"
        detail = (
            "Messages were sent, but the channel reports nothing about them any more. Check that the webhook "
            "is still subscribed at the channel, that its address is right, and that it is answered with 200."
        )
    else:
        state, code, detail = HealthState.HEALTHY, "ok", ""
    return ConnectorHealth(traffic.tenant, traffic.channel, traffic.account_id, state, code, detail, now)
