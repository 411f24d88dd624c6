"""Many open conversations whose deadlines are near, the log, the completion worker, and somebody who watches."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from gateway.conversation_log import process
from gateway.core import ids
from gateway.core.clock import system_clock
from gateway.core.commands import FireTimer, SendMessage
from gateway.core.content import Clear, Text
from gateway.core.directory import Account, AutoCompletion, Bot
from gateway.core.events import ConversationCompleted, ConversationEvent, MessageQueued, MessageReceived
from gateway.core.messages import Contact
from gateway.wire.headers import type_name
from tests.conversation_log.harness import QUICK, Bench, died
from tests.core.build import ACCOUNT, CHANNEL, DIRECTORY, HOUR, ROBO, TENANT, command, inbound
from tests.helpers import LONG_RUN, eventually

ROOT = Path(__file__).resolve().parents[3]
AT_ONCE = 2_000
# With a hundred thousand, feeder, log and watcher keep this one process busy for seconds at a time.
CHANGES: dict[str, object] = {} if LONG_RUN else dict(QUICK)
COMPLETED = type_name(ConversationEvent, ConversationCompleted).encode()
RECEIVED = type_name(ConversationEvent, MessageReceived).encode()
QUEUED = type_name(ConversationEvent, MessageQueued).encode()
SUPPORT = replace(DIRECTORY.departments["support"], completion=AutoCompletion(bot_after=HOUR))
ROBOT = Bot("robo", TENANT, "Robo", answer_within=24 * HOUR)
WITH_BOT = (
    DIRECTORY.with_entity(Account(ACCOUNT, TENANT, CHANNEL, "support", "Acme", bot="robo"))
    .with_entity(SUPPORT)
    .with_entity(ROBOT)
)


@dataclass
class Clock:
    """The log's: `offset` milliseconds from the system's, never after `ceiling`."""

    offset: int = 0
    ceiling: int | None = None

    def __call__(self) -> int:
        now = system_clock() + self.offset
        return now if self.ceiling is None else min(now, self.ceiling)


@dataclass
class Watcher:
    """What is in the log: how often each thing happened to each conversation, and when it was seen first."""

    seen: dict[bytes, Counter[bytes]] = field(default_factory=dict)
    seen_at: dict[tuple[bytes, bytes], float] = field(default_factory=dict)

    def count(self, kind: bytes) -> int:
        """How many conversations this happened to."""
        return len(self.seen.get(kind, ()))

    def take(self, record: Any) -> None:
        kind = dict(record.headers)["ce_type"]
        self.seen.setdefault(kind, Counter())[record.key] += 1
        self.seen_at.setdefault((kind, record.key), time.monotonic())


@asynccontextmanager
async def watching(here: Bench) -> AsyncIterator[Watcher]:
    """Follows the whole log."""
    watcher = Watcher()
    topic = here.catalogue.conversations
    consumer = AIOKafkaConsumer(
        bootstrap_servers=here.settings.kafka_bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, p) for p in range(here.catalogue.partitions)])
    await consumer.seek_to_beginning()

    async def follow() -> None:
        async for record in consumer:
            watcher.take(record)

    task = asyncio.create_task(follow())
    try:
        yield watcher
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await consumer.stop()


@asynccontextmanager
async def the_log(here: Bench, clock: Clock) -> AsyncIterator[None]:
    """The conversation log in this process."""
    stop = asyncio.Event()
    work = process.run(
        here.settings, here.catalogue, stop, instance="one", clock=clock, die=died, changes=CHANGES
    )
    task = asyncio.create_task(work)
    test = asyncio.current_task()
    # A log that died would be waited for until the test's patience is over.
    task.add_done_callback(lambda _: None if stop.is_set() or test is None else test.cancel())
    try:
        yield
        assert not task.done()
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


class Worker:
    """The completion worker as a child process."""

    def __init__(self, here: Bench, rate: int, folder: Path) -> None:
        bootstrap = here.settings.kafka_bootstrap_servers or ""
        given = [bootstrap, here.catalogue.prefix, str(here.catalogue.partitions), str(rate), str(folder)]
        self._output = (folder / "worker.log").open("ab")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.processors.completion.worker", *given],
            cwd=ROOT,
            env=dict(os.environ),
            stdout=self._output,
            stderr=self._output,
        )

    def kill(self) -> None:
        """SIGKILL; the worker must have been alive until now."""
        alive = self._child.poll() is None
        self._child.kill()
        self._child.wait(10)
        self._output.close()
        assert alive, f"the worker ended by itself, with {self._child.returncode}"


def conversation(n: int) -> str:
    return ids.conversation_id(TENANT, CHANNEL, ACCOUNT, f"contact{n}")


def writes(n: int, what: str) -> Any:
    """A contact writes; `what` makes the message's id."""
    number = int(n)
    return replace(
        inbound(number, contact=Contact(f"contact{n}", "phone", "Lena")),
        conversation_id=conversation(n),
        event_id=ids.inbound_id(CHANNEL, ACCOUNT, f"{n}-{what}"),
        provider_message_id=f"{n}-{what}",
    )


async def awaiting(here: Bench, watcher: Watcher, count: int, timeout: float) -> list[bytes]:
    """Conversations 0 to `count` opened by their contact and answered by the bot: the timer runs."""
    for kind, make in (
        (RECEIVED, lambda n: writes(n, "first")),
        (
            QUEUED,
            lambda n: command(
                n, ROBO, SendMessage(Clear(Text("hi"))), epoch=1, conversation_id=conversation(n)
            ),
        ),
    ):
        for begin in range(0, count, AT_ONCE):
            await here.feed(*(make(n) for n in range(begin, min(count, begin + AT_ONCE))))
        await eventually(lambda kind=kind: watcher.count(kind) >= count, timeout)
    return [conversation(n).encode() for n in range(count)]


async def answered_in(here: Bench, watcher: Watcher, n: int, timeout: float = 30.0) -> float:
    """Seconds from a new contact's message to its event in the log."""
    key, begun = conversation(n).encode(), time.monotonic()
    await here.feed(writes(n, "fresh"))
    await eventually(lambda: (RECEIVED, key) in watcher.seen_at, timeout, every=0.005)
    return watcher.seen_at[RECEIVED, key] - begun


@asynccontextmanager
async def traffic(here: Bench, rate: int) -> AsyncIterator[None]:
    """New contacts write, `rate` in every second: an ordinary load, to compare with."""

    async def write() -> None:
        for n in itertools.count():
            begin = 2_000_000 + n * rate // 10
            await here.feed(*(writes(begin + i, "traffic") for i in range(rate // 10)))
            await asyncio.sleep(0.1)

    task = asyncio.create_task(write())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()


async def proposals(here: Bench) -> list[Any]:
    """The records of the proposed timers, by Kafka's time."""
    kind = type_name(type(command(0, ROBO, SendMessage(Clear(Text("x"))))), FireTimer).encode()
    found = [r for r in await here.records(here.catalogue.commands) if dict(r.headers).get("ce_type") == kind]
    return sorted(found, key=lambda r: r.timestamp)
