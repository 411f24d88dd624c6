"""Connector, simulator, conversation log and the offline rule on one Kafka, with a department per case.

Hours are made relative to the clock: `OPEN` is around the clock, `CLOSED` opens on another weekday only, and
`soon_open()` opens in half an hour.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from connectors.runner import Options as ConnectorOptions
from connectors.runner import run as run_connectors
from connectors.whatsapp import CONNECTOR
from connectors.whatsapp.simulator import Config, Number, Simulator, serve
from gateway.bus.admin import apply_catalogue
from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import Producer
from gateway.conversation_log import process as log_process
from gateway.core import commands as k
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind
from gateway.core.availability import HEARTBEAT
from gateway.core.clock import system_clock
from gateway.core.directory import (
    Account,
    Agent,
    AutoCompletion,
    Bot,
    Department,
    DirectoryEntry,
    Entity,
    OfflineMessage,
    Tenant,
    entry_key,
)
from gateway.core.events import ConversationEvent
from gateway.core.hours import BusinessHours, Interval, Week
from gateway.core.messages import Presence, PresenceState
from gateway.explain import Act, explain
from gateway.settings import Settings
from gateway.wire.framing import decode, encode
from processors.app import Options, run
from tests.conversation_log.harness import QUICK, Bench, died
from tests.helpers import eventually

TENANT = "acme"
HOUR = 3_600_000
SECRETS = {"env:A": "sim-access-token", "env:B": "sim-app-secret", "env:C": "sim-verify-token"}
BOT = Actor(ActorKind.BOT, "robo", "Robo")
TEXT = "Hello ${Contacts.First Name}, ${Organization.Name} has your message. Back ${Department.Next Opening}."
OFFLINE = OfflineMessage(enabled=True, text=TEXT)

OPEN = BusinessHours("UTC", Week(*[(Interval(0, 1440),)] * 7))


def _closed() -> BusinessHours:
    names = tuple(Week.__dataclass_fields__)
    in_three_days = names[(time.gmtime().tm_wday + 3) % 7]
    return BusinessHours("UTC", Week(**{in_three_days: (Interval(540, 1080),)}))


@cache
def soon_open() -> BusinessHours:
    """Opens half an hour after the first call, for three hours."""
    now = time.gmtime()
    start = (now.tm_hour * 60 + now.tm_min + 30) % 1440
    return BusinessHours("UTC", Week(*[(Interval(start, start + 180),)] * 7))


CLOSED = _closed()


@dataclass(frozen=True)
class Case:
    """One department with one channel account and one agent, and one contact who writes there."""

    key: str
    given: BusinessHours | Callable[[], BusinessHours] | None
    online: bool = False
    bot: bool = False
    offline: OfflineMessage | None = OFFLINE

    @property
    def hours(self) -> BusinessHours | None:
        """The department's hours."""
        return self.given() if callable(self.given) else self.given

    @property
    def phone(self) -> str:
        return "49" + str(int.from_bytes(self.key.encode()[-4:], "big") + 10**9)

    @property
    def agent(self) -> str:
        return f"agent-{self.key}"

    @property
    def account(self) -> str:
        return f"wa-{self.key}"

    @property
    def conversation(self) -> str:
        return ids.conversation_id(TENANT, "whatsapp", self.account, self.phone)

    @property
    def number(self) -> str:
        return str(int(self.phone) + 5 * 10**14)

    def entities(self, base: str) -> list[Entity]:
        """Department, agent and account."""
        return [
            Department(
                self.key,
                TENANT,
                f"Dept {self.key}",
                hours=self.hours,
                offline=self.offline,
                completion=AutoCompletion(HOUR, HOUR, HOUR),
            ),
            Agent(self.agent, TENANT, f"Agent {self.key}", f"{self.key}@example.org", (self.key,)),
            Account(
                self.account,
                TENANT,
                "whatsapp",
                self.key,
                api_base=f"{base}/whatsapp",
                bot="robo" if self.bot else None,
                credentials={"access_token": "env:A", "app_secret": "env:B", "verify_token": "env:C"},
                settings={"phone_number_id": self.number},
            ),
        ]


@dataclass
class RuleClock:
    """The rule's clock: the system's, moved by `offset` milliseconds, as if it came so much later."""

    offset: int = 0

    def __call__(self) -> int:
        return system_clock() + self.offset


@dataclass
class World:
    """The running parts, and short ways to act and to look."""

    bench: Bench
    folder: Path
    clock: RuleClock = field(default_factory=RuleClock)
    simulator: Simulator = field(init=False)

    def writes(self, case: Case, element: Any = "Is anybody there?") -> None:
        """The case's contact writes."""
        self.simulator.person(case.phone).name = f"Lena {case.key}"
        self.simulator.writes(case.phone, element, case.number)

    def received(self, case: Case) -> list[str]:
        """What arrived on the contact's phone."""
        return [m.body["text"]["body"] for m in self.simulator.accepted if m.phone == case.phone]

    async def publish(self, *entities: Entity) -> None:
        """Directory entries."""
        for entity in entities:
            await self.bench.producer.send(
                self.bench.catalogue.directory, entry_key(entity).encode(), encode(DirectoryEntry(entity, 1))
            )

    async def presence(self, key: str, seconds: int, state: PresenceState = PresenceState.ONLINE) -> None:
        """A presence (or an inbox's heartbeat) that holds for so long."""
        now = system_clock()
        record = Presence(key, TENANT, state, now, now + seconds * 1000)
        await self.bench.producer.send(self.bench.catalogue.presence, key.encode(), encode(record))

    async def heartbeats(self, good: Callable[[set[str]], bool], seconds: float = 30.0) -> None:
        """Waits until the inboxes that prove at this moment that they live are as wanted."""

        async def look() -> bool:
            now, newest = system_clock(), {}
            for record in await self.bench.records(self.bench.catalogue.presence):
                newest[record.key.decode()] = record.value and decode(record.value, Presence).online_until
            alive = {k for k, until in newest.items() if k.startswith(HEARTBEAT) and (until or 0) > now}
            assert good(alive), alive
            return True

        await eventually(look, seconds, every=0.3)

    async def does(self, case: Case, actor: Actor, action: k.Action, n: int = 1) -> None:
        """A command of an agent or a bot."""
        name = f"{case.key}-{actor.id}-{n}"
        bot = actor.kind is ActorKind.BOT
        await self.bench.feed(
            k.Command(
                name, case.conversation, TENANT, actor, action, system_clock(), name, epoch=1 if bot else None
            )
        )

    async def events(self) -> dict[str, list[ConversationEvent]]:
        """Every conversation's events so far."""
        found: dict[str, list[ConversationEvent]] = {}
        for event in await self.bench.read(self.bench.catalogue.conversations, ConversationEvent):
            found.setdefault(event.conversation_id, []).append(event)
        return found

    async def acts(self) -> dict[str, list[Act]]:
        """What `explain` says of each conversation."""
        return {c: explain(events, "en") for c, events in (await self.events()).items()}

    async def told(self, expected: dict[Case, list[str]], seconds: float = 40.0) -> dict[str, list[Act]]:
        """Waits until explain tells these decisions (row and outcome) of each case."""

        async def look() -> dict[str, list[Act]]:
            acts = await self.acts()
            found = {
                c.key: [f"{a.row} {a.outcome}" for a in acts.get(c.conversation, []) if a.act == "decision"]
                for c in expected
            }
            wanted = {c.key: told for c, told in expected.items()}
            assert found == wanted, {
                key: (found[key], wanted[key]) for key in wanted if found[key] != wanted[key]
            }
            return acts

        return await eventually(look, seconds, every=0.4)

    async def happened(self, case: Case, *names: str, seconds: float = 30.0) -> None:
        """Waits until the conversation's log holds these happenings."""

        async def look() -> bool:
            events = (await self.events()).get(case.conversation, [])
            assert set(names) <= {type(e.happening).__name__ for e in events}, (case.key, len(events))
            return True

        await eventually(look, seconds, every=0.3)

    @contextlib.asynccontextmanager
    async def rule(self) -> AsyncIterator[None]:
        """The offline rule, running."""
        stop = asyncio.Event()
        settings = Settings(
            KAFKA_BOOTSTRAP_SERVERS=self.bench.settings.kafka_bootstrap_servers,
            topic_prefix=self.bench.catalogue.prefix,
            partitions=self.bench.catalogue.partitions,
            processors_port=0,
        )
        options = Options(clock=self.clock, data_dir=self.folder, die=_fatal)  # type: ignore[arg-type]
        task = asyncio.create_task(run(settings, ["offline"], stop, options))
        try:
            yield
            if task.done():
                task.result()
        finally:
            stop.set()
            await asyncio.wait_for(task, 60)


def _fatal(reason: str, error: BaseException | None = None) -> None:
    raise AssertionError(reason) from error


@contextlib.asynccontextmanager
async def world(kafka: str, prefix: str, folder: Path, cases: list[Case]) -> AsyncIterator[World]:
    """Everything but the rule, with the directory of the cases."""
    catalogue = Catalogue(prefix, ("whatsapp",), 2)
    await apply_catalogue(kafka, catalogue)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    settings = Settings(KAFKA_BOOTSTRAP_SERVERS=kafka, topic_prefix=prefix, partitions=2, connectors_port=0)
    producer = Producer(kafka)
    await producer.start()
    made = World(Bench(settings, catalogue, producer), folder)
    entities = [e for case in cases for e in case.entities(base)]
    await made.publish(Tenant(TENANT, TENANT, "Acme"), Bot("robo", TENANT, "Robo"), *entities)
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    options = ConnectorOptions(
        resolve=SECRETS.__getitem__, allowed_origins=(base,), ready=ready.set_result, instance="one"
    )
    tasks = [
        asyncio.create_task(run_connectors(settings, [CONNECTOR], stop, options)),
        asyncio.create_task(
            log_process.run(settings, catalogue, stop, instance="one", die=died, changes=QUICK)
        ),
    ]
    try:
        url = await asyncio.wait_for(ready, 60)
        numbers = tuple(
            Number(c.number, c.number[-10:], callback_url=f"{url}/webhooks/whatsapp/{c.account}")
            for c in cases
        )
        async with serve(Config(numbers=numbers), port) as served:
            made.simulator = served.simulator
            await _announced(made, cases)
            yield made
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), 60)
        await producer.stop()


async def _announced(made: World, cases: list[Case]) -> None:
    """The log knows every account's profile, or it could not send."""

    async def all_there() -> bool:
        found = {r.key.decode() for r in await made.bench.records(made.bench.catalogue.capabilities)}
        return {c.account for c in cases} <= found

    await eventually(all_there, 30, every=0.3)


def without(case: Case, **offline: Any) -> Case:
    """The case with other settings of the offline message."""
    return replace(case, offline=replace(OFFLINE, **offline))
