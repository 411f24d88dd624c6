"""One run: everything put together on one virtual clock, from a seed to a verdict."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gateway.bus.catalogue import Catalogue
from gateway.bus.partition_state import Overlay, PartitionState
from gateway.bus.partitioner import partition_for
from gateway.bus.records import Headers, Record
from gateway.conversation_log.deadlines import GRACE_MS
from gateway.conversation_log.facts import FactsSource
from gateway.conversation_log.logic import REPLY_TO, ConversationLogic
from gateway.conversation_log.state import load
from gateway.core.apply import apply
from gateway.core.commands import Command, CommandResult
from gateway.core.conversation import Conversation
from gateway.core.directory import DirectoryEntry, Entity, entry_key
from gateway.core.events import ConversationEvent, TimersChanged
from gateway.core.messages import DeadLetter, InboundEvent, InboundKind, Presence, Receipt, SendRequest
from gateway.core.receipts import Rung
from gateway.wire.framing import decode, encode
from processors.simulation import setting
from processors.simulation.adapters import ADAPTERS
from processors.simulation.broker import Broker, Write
from processors.simulation.channel import Channel
from processors.simulation.checks import Checks
from processors.simulation.log_group import SKEW_MS, LogGroup
from processors.simulation.people import People
from processors.simulation.rule_workers import RuleWorker
from processors.simulation.schedule import Broken, Schedule

EVENTS = 200
CONVERSATIONS = 5
ACTS = 80
ACTS_AT_MOST = 2_000
_ASKER: Headers = ((REPLY_TO, b"inbox"),)
_ORDER = {rung: n for n, rung in enumerate(Rung)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to: events written, conversations opened, faults that were hit, kinds of events."""

    seed: int
    events: int
    conversations: int
    faults: Counter[str]
    kinds: Counter[str]


class World:
    """The gateway and everybody around it."""

    def __init__(self, seed: int, trace: list[str] | None = None) -> None:
        self.seed = seed
        self.schedule = Schedule(seed, setting.START)
        self.schedule.trace = trace
        self.catalogue = Catalogue("", (setting.CHANNEL,), 2)
        self.broker = Broker(lambda: self.schedule.now)
        self.checks = Checks()
        self.channel = Channel(self.schedule, self._receipt)
        self.log = LogGroup(self.broker, self.schedule, self.catalogue)
        self.people = People(self, CONVERSATIONS)
        self._decoded: dict[tuple[str, int, int], ConversationEvent] = {}
        self._inbound: dict[str, InboundEvent] = {}
        self._listen()
        self.rules = [
            RuleWorker(
                adapter,
                self.broker,
                self.schedule,
                self.catalogue,
                setting.PROFILE,
                self._event_of,
                self._proposed,
            )
            for adapter in ADAPTERS
        ]

    def _listen(self) -> None:
        catalogue, broker = self.catalogue, self.broker
        broker.listen(catalogue.conversations, self._event)
        broker.listen(catalogue.outbound(setting.CHANNEL), self._request)
        broker.listen(catalogue.command_results, lambda r: self.checks.result(decode(r.value, CommandResult)))
        broker.listen(catalogue.dead, self._dead)

    # The run.

    def run(self) -> Outcome:
        """From the first act to the last check. Raises Broken."""
        schedule = self.schedule
        self.people.begin()
        self.log.start()
        for rule in self.rules:
            rule.start()
        acts = 0
        while self.checks.count < EVENTS or self.checks.opened < CONVERSATIONS or acts < ACTS:
            acts += 1
            if acts > ACTS_AT_MOST:
                raise Broken(f"after {acts} acts there are only {self.checks.count} events")
            schedule.run_until(schedule.now + self.people.act())
            if schedule.fault("rebalance", 0.03):
                self._rebalance()
        self._come_to_rest()
        self._finish()
        kinds = Counter(type(e.happening).__name__ for e in self._decoded.values())
        return Outcome(self.seed, self.checks.count, self.checks.opened, schedule.faults, kinds)

    def _rebalance(self) -> None:
        partition = self.schedule.rng.randrange(self.catalogue.partitions)
        self.log.move(partition, polite=self.schedule.rng.random() < 0.5)

    def _come_to_rest(self) -> None:
        """No faults any more; half of the seeds stop the rules for good, so that only the log's own net is left."""
        schedule = self.schedule
        schedule.quiet = True
        if schedule.rng.random() < 0.5:
            schedule.run_until(schedule.now + 5_000)
            for rule in self.rules:
                rule.stopped = True
        while schedule.step():
            pass
        for partition in range(self.catalogue.partitions):
            self.log.wake(partition)
        while schedule.step():
            pass

    def _finish(self) -> None:
        self.checks.finished(self.schedule.now, GRACE_MS + 2 * SKEW_MS)
        if not any(rule.stopped for rule in self.rules):
            self.checks.rules_finished()
        logic = ConversationLogic(self.catalogue, FactsSource())
        states = [self.log.restored(p, logic) for p in range(self.catalogue.partitions)]
        for partition, state in enumerate(states):
            if self.log.behind(partition, state):
                raise Broken(f"partition {partition}: input was left lying: {state.meta.positions}")
        for conversation_id in self.checks.views:
            self._check_conversation(conversation_id, states)

    def _check_conversation(self, conversation_id: str, states: list[PartitionState]) -> None:
        key = conversation_id.encode()
        kept = load(Overlay(states[self._partition(key)]), key)
        folded: Conversation | None = None
        for event in self.checks.views[conversation_id].events:
            folded = apply(folded, event)
        if kept != folded or kept is None:
            raise Broken(f"{conversation_id}: the state is not the fold of the log")
        self.checks.same_as(kept.head)
        self._nothing_lost(kept)
        self._receipts_joined(kept)

    def _nothing_lost(self, kept: Conversation) -> None:
        for event in self._inbound.values():
            if event.conversation_id != kept.head.conversation_id or event.kind is not InboundKind.MESSAGE:
                continue
            if kept.seq_of_cause(event.event_id) is None:
                raise Broken(f"inbound event {event.event_id} led to nothing")

    def _receipts_joined(self, kept: Conversation) -> None:
        for (conversation_id, message_id, attempt, part), told in self.channel.told.items():
            if conversation_id != kept.head.conversation_id or not told.joined:
                continue
            message = kept.sent_message(message_id)
            known = message.status(attempt, part).rung if message else None
            if known is None or _ORDER[known] < _ORDER[told.rung]:
                raise Broken(f"the channel told {told.rung} of {message_id}, the log knows {known}")

    # What is written by whom.

    def _partition(self, key: bytes) -> int:
        return partition_for(key, self.catalogue.partitions)

    def _append(self, topic: str, key: str, value: bytes, headers: Headers = ()) -> None:
        data = key.encode()
        self.broker.append(Write(topic, self._partition(data), data, value, headers))

    def inbound(self, event: InboundEvent) -> None:
        """A webhook was acknowledged."""
        self._inbound[event.event_id] = event
        self.schedule.say(f"inbound {event.kind} {event.event_id}")
        self._append(self.catalogue.inbound, event.conversation_id, encode(event))

    def command(self, command: Command, asks: bool) -> None:
        """Somebody asks for something; `asks` for the result as well."""
        self.checks.command(command, asks)
        self.schedule.say(f"command {command.actor.id}: {command.action} epoch {command.epoch}")
        headers = _ASKER if asks else ()
        self._append(self.catalogue.commands, command.conversation_id, encode(command), headers)

    def _proposed(self, command: Command) -> None:
        schedule = self.schedule
        late = schedule.rng.randint(500, 90_000) if schedule.fault("proposal late", 0.05) else 0
        schedule.after(late, lambda: self.command(command, False))
        if schedule.fault("proposal repeated", 0.1):
            again = late + schedule.rng.randint(0, 60_000)
            schedule.after(again, lambda: self.command(command, False))

    def entity(self, entity: Entity, version: int) -> None:
        """A setting was written."""
        self.checks.beside.entities.append(entity)
        self.schedule.say(f"directory {entity}")
        self._small(self.catalogue.directory, entry_key(entity), encode(DirectoryEntry(entity, version)))

    def profile(self) -> None:
        """The connector announces its accounts."""
        for account in setting.ACCOUNTS:
            self._small(self.catalogue.capabilities, account, encode(setting.PROFILE))

    def presence(self, key: str, presence: Presence) -> None:
        """An inbox wrote who is there."""
        if not key.startswith("@"):
            self.checks.beside.presences.append(presence)
        self.schedule.say(f"presence {key} {presence.state} until {presence.online_until}")
        self._small(self.catalogue.presence, key, encode(presence))

    def _small(self, topic: str, key: str, value: bytes) -> None:
        self.broker.append(Write(topic, 0, key.encode(), value))

    def _receipt(self, receipt: Receipt) -> None:
        self.schedule.say(f"receipt {receipt.rung or receipt.verdict} {receipt.provider_message_id}")
        self._append(self.catalogue.receipts, receipt.conversation_id, encode(receipt))

    # What is heard.

    def _event_of(self, record: Record) -> ConversationEvent:
        place = record[:3]
        known = self._decoded.get(place)
        return decode(record.value, ConversationEvent) if known is None else known

    def _event(self, record: Record) -> None:
        event = self._decoded[record[:3]] = decode(record.value, ConversationEvent)
        if self.schedule.trace is not None:
            self.schedule.say(
                f"event {event.conversation_id[:8]} #{event.seq} {event.happening} by {event.actor.id} "
                f"owner {event.owner.id}/{event.epoch}"
            )
        self.checks.event(event)
        if isinstance(event.happening, TimersChanged):
            for timer in event.happening.timers:
                self.log.wake_at(record.partition, timer.at)
        self.people.hear(event)

    def _request(self, record: Record) -> None:
        request = decode(record.value, SendRequest)
        self.checks.request(request)
        self.channel.take(request)

    def _dead(self, record: Record) -> None:
        letter = decode(record.value, DeadLetter)
        raise Broken(f"a record of {letter.origin_topic} could not be decided: {letter.error}")

    def channel_failed(self, conversation_id: str) -> list[str]:
        """Messages of the conversation that the channel did not take."""
        return [m for c, m in self.channel.failed if c == conversation_id]

    def channel_delivered(self, conversation_id: str) -> list[str]:
        """The channel's ids of messages that reached the contact."""
        return [p for c, p, _ in self.channel.delivered if c == conversation_id]


def run(seed: int, trace: list[str] | None = None) -> Outcome:
    """One seed. Raises Broken; whatever else is raised is a fault as well."""
    return World(seed, trace).run()
