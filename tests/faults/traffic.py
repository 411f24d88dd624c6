"""Realistic inputs: contacts who write, agents who act, and a channel that answers what the log asks it to send."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from gateway.bus.producer import BrokerUnavailable
from gateway.core import commands as k
from gateway.core import ids
from gateway.core.content import Clear, Content, Edit, Reaction, Target, Text, Unsend
from gateway.core.messages import Contact, InboundEvent, InboundKind, Receipt, ReceiptSource, SendRequest
from gateway.core.receipts import Fault, Problem, Rung, Verdict
from gateway.wire.framing import decode
from tests.conversation_log.harness import Bench
from tests.core.build import ACCOUNT, ANN, BOB, CHANNEL, SAL, TENANT, command, inbound, receipt

Input = InboundEvent | Receipt | k.Command
ASK = (("reply_to", b"test"),)
REPEATED_AMONG = 300
PROBLEM = Problem("recipient_unreachable", "", Fault.CONTACT, True)


@dataclass(frozen=True)
class Sent:
    """An input and its headers, to be put on its topic."""

    given: Input
    headers: tuple[tuple[str, bytes], ...] = ()


def conversation(n: int) -> tuple[str, str]:
    """Address and id of the `n`th conversation."""
    address = f"49{n:09d}"
    return address, ids.conversation_id(TENANT, CHANNEL, ACCOUNT, address)


def wrote(n: int, who: int, content: Content | None = None, **more: object) -> InboundEvent:
    """The contact of conversation `who` wrote; provider id `in<n>`."""
    address, name = conversation(who)
    now = time.time_ns() // 1_000_000
    contact = Contact(address, "phone", f"Contact {who}")
    return inbound(n, content, now, conversation_id=name, contact=contact, **more)


def asked(n: int, name: str, actor: Any, action: k.Action, **more: object) -> k.Command:
    """A command on the conversation `name`."""
    now = time.time_ns() // 1_000_000
    own = ids.client_command_id(name, actor.id, str(n))
    return command(n, actor, action, conversation_id=name, command_id=own, issued_at=now, **more)


class Mix:
    """An endless stream of what contacts and agents do, from a seed."""

    def __init__(self, chance: random.Random, conversations: int) -> None:
        self._chance = chance
        self._conversations = conversations
        self._number = 0
        self._recent: list[Sent] = []

    def next(self) -> Sent:
        """One more input; one in ten is an earlier one again."""
        chance = self._chance
        if self._recent and chance.random() < 0.1:
            return chance.choice(self._recent)
        self._number += 1
        who = chance.randrange(self._conversations)
        made = self._inbound(who) if chance.random() < 0.55 else self._command(who)
        self._recent.append(made)
        del self._recent[:-REPEATED_AMONG]
        return made

    def _inbound(self, who: int) -> Sent:
        chance, n = self._chance, self._number
        about = Target(f"in{max(1, n - chance.randrange(1, 40))}")
        kind = chance.random()
        if kind < 0.85:
            return Sent(wrote(n, who, Text(f"message {n} こんにちは")))
        if kind < 0.88:
            return Sent(wrote(n, who, kind=InboundKind.TYPING, content=None))
        contents: tuple[Content, ...] = (Reaction(about, "👍"), Edit(about, Text("edited")), Unsend(about))
        return Sent(wrote(n, who, chance.choice(contents)))

    def _command(self, who: int) -> Sent:
        chance = self._chance
        # Rules ask for no result; stale epochs are refused.
        epoch = 1 if chance.random() < 0.05 else None
        actor, action = chance.choice((ANN, ANN, ANN, ANN, BOB, SAL)), self._action()
        headers = ASK if chance.random() < 0.9 else ()
        return Sent(asked(self._number, conversation(who)[1], actor, action, epoch=epoch), headers)

    def _action(self) -> k.Action:
        chance = self._chance
        text = Clear(Text("an answer " * chance.randrange(1, 9) + str(self._number)))
        weighted: tuple[tuple[int, k.Action], ...] = (
            (50, k.SendMessage(text)),
            (4, k.SendMessage(text, complete=True)),
            (20, k.Assign(chance.choice(("ann", "ann", "ann", "ann", "bob", "nobody")))),
            (8, k.Accept()),
            (6, k.End()),
            (5, k.Reopen()),
            (3, k.Transfer(chance.choice(("support", "sales")))),
            (5, k.AddNote(text)),
            (1, k.Block()),
            (8, k.Unblock()),
        )
        return chance.choices([action for _, action in weighted], [weight for weight, _ in weighted])[0]


class Channel:
    """Reads the send requests and makes receipts: several rungs, shuffled, some twice, some failures."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._resent = 0
        self.pending: list[Sent] = []

    def take(self, request: SendRequest) -> None:
        """What the provider and the connector tell of this request, in a random order, later."""
        chance, found = self._chance, self._told(request)
        found += [chance.choice(found)] if chance.random() < 0.2 else []
        for one in found:
            self.pending.insert(chance.randrange(max(0, len(self.pending) - 60), len(self.pending) + 1), one)

    def _told(self, request: SendRequest) -> list[Sent]:
        chance = self._chance
        fate = chance.random()
        if fate < 0.08:
            return self._failed(request)
        if fate < 0.10:
            return [self._receipt(request, verdict=Verdict.UNKNOWN)]
        provider_id = f"out.{request.request_id}"
        told = [self._receipt(request, Rung.SENT, provider_message_id=provider_id)]
        for rung, share in ((Rung.DELIVERED, 0.9), (Rung.READ, 0.5)):
            if chance.random() < share:
                told.append(self._webhook(request, rung, provider_id))
        if chance.random() < 0.01:
            told.append(self._webhook(request, Rung.READ, f"never.{request.request_id}"))
        return told

    def _failed(self, request: SendRequest) -> list[Sent]:
        told = [self._receipt(request, verdict=Verdict.FAILED, problem=PROBLEM)]
        if self._chance.random() < 0.8:
            self._resent += 1
            again = asked(-self._resent, request.conversation_id, ANN, k.Resend(request.message_id))
            told.append(Sent(again, ASK))
        return told

    def _receipt(self, request: SendRequest, rung: Rung | None = None, **more: object) -> Sent:
        where = {"message_id": request.message_id, "part": request.part, "attempt": request.attempt}
        made = receipt(
            rung,
            at=time.time_ns() // 1_000_000,
            conversation_id=request.conversation_id,
            source=ReceiptSource.SEND_ANSWER,
            **where,
            **more,  # type: ignore[arg-type]
        )
        return Sent(made)

    def _webhook(self, request: SendRequest, rung: Rung, provider_id: str) -> Sent:
        now = time.time_ns() // 1_000_000
        made = receipt(rung, at=now, conversation_id=request.conversation_id, provider_message_id=provider_id)
        return Sent(made)


class Feeder:
    """Puts inputs on their topics, again until acknowledged, and answers for the channel meanwhile."""

    def __init__(self, bench: Bench, seed: int, conversations: int) -> None:
        chance = random.Random(seed)
        self.bench = bench
        self.mix = Mix(chance, conversations)
        self.channel = Channel(random.Random(seed + 1))
        self.acknowledged: list[Input] = []
        self._outbound: AIOKafkaConsumer | None = None

    async def put(self, *sent: Sent) -> None:
        """Acknowledged, or sent again."""
        await asyncio.gather(*(self._put(one) for one in sent))

    async def _put(self, one: Sent) -> None:
        async with asyncio.timeout(120):
            while True:
                try:
                    await self.bench.feed(one.given, headers=one.headers)
                except BrokerUnavailable:
                    await asyncio.sleep(0.2)
                else:
                    break
        self.acknowledged.append(one.given)

    async def feed(self, count: int, per_second: float) -> None:
        """Until `count` inputs are in, receipts included."""
        step = 20
        while len(self.acknowledged) < count:
            begun = time.monotonic()
            receipts = [self.channel.pending.pop(0) for _ in range(min(step // 2, self.answers_due))]
            await self.put(*receipts, *(self.mix.next() for _ in range(step - len(receipts))))
            await asyncio.sleep(max(0.0, step / per_second - (time.monotonic() - begun)))

    @property
    def answers_due(self) -> int:
        """The newest sixty wait, so that their order is shuffled."""
        return max(0, len(self.channel.pending) - 60)

    @contextlib.asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """The channel takes send requests while the block runs."""
        topic = self.bench.catalogue.outbound(CHANNEL)
        tps = [TopicPartition(topic, n) for n in range(self.bench.catalogue.partitions)]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bench.settings.kafka_bootstrap_servers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        consumer.assign(tps)
        self._outbound = consumer
        task = asyncio.create_task(self._answer(consumer))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await consumer.stop()

    async def _answer(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=300)).values():
                for record in records:
                    self.channel.take(decode(record.value, SendRequest))

    async def drain(self) -> bool:
        """Puts every answer that is left; True when every request was answered before."""
        assert self._outbound is not None
        tps = sorted(self._outbound.assignment())
        ends = await self._outbound.end_offsets(tps)
        read = all([await self._outbound.position(tp) >= ends[tp] for tp in tps])
        left, self.channel.pending = self.channel.pending, []
        for n in range(0, len(left), 50):
            await self.put(*left[n : n + 50])
        return read and not left and not self.channel.pending
