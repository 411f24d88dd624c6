"""A whole inbox on the real Kafka and Redis: topics, directory, the conversation log, and a client that signs in."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from gateway.bus.admin import apply_catalogue
from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import Producer
from gateway.conversation_log import process as log_process
from gateway.core import ids
from gateway.core.clock import system_clock
from gateway.core.content import Clear, Text
from gateway.core.directory import DirectoryEntry, entry_key
from gateway.core.events import ConversationEvent
from gateway.core.messages import InboundEvent
from gateway.inbox.api.app import make_app
from gateway.inbox.leases import Timing
from gateway.inbox.passwords import hash_password
from gateway.inbox.process import Running, Where, running
from gateway.ops import serving
from gateway.settings import Settings
from gateway.wire.framing import encode
from tests.core.build import ACCOUNT, CHANNEL, DIRECTORY, PROFILE, T0, TENANT, Talk, inbound
from tests.helpers import eventually

PASSWORD = "correct horse battery staple"
PARTITIONS = 4
END_SECONDS = 30.0
_HASH = hash_password(PASSWORD)


def contact_writes(address: str, n: int, text: str, at: int | None = None, **more: Any) -> InboundEvent:
    """A message of the contact with this address; `n` names it."""
    provider_id = f"{address}-{n}"
    event = inbound(n, Text(text), system_clock() if at is None else at)
    return replace(
        event,
        event_id=ids.inbound_id(CHANNEL, ACCOUNT, provider_id),
        conversation_id=conversation(address),
        contact=replace(event.contact, address=address, name=f"Contact {address}"),
        provider_message_id=provider_id,
        **more,
    )


def conversation(address: str) -> str:
    """Id of the conversation with this contact."""
    return ids.conversation_id(TENANT, CHANNEL, ACCOUNT, address)


def history(address: str, messages: int, at: int = T0) -> list[ConversationEvent]:
    """Events of a conversation in which the contact wrote so many messages."""
    talk = Talk()
    for n in range(messages):
        talk.now = at + 1000 * n
        talk(contact_writes(address, n, f"message {n} of {address}", talk.now))
    events: list[ConversationEvent] = talk.events
    return events


@dataclass
class Client:
    """An agent's browser."""

    http: aiohttp.ClientSession
    base: str
    csrf: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> tuple[int, Any]:
        """Status and JSON (or None)."""
        headers = {"X-CSRF-Token": self.csrf, **more.pop("headers", {})}
        async with self.http.request(
            method, f"{self.base}/api/v1{path}", json=body, headers=headers, **more
        ) as response:
            raw = await response.read()
            kind = response.headers.get("content-type", "")
            return response.status, (
                await response.json(content_type=None) if raw and "json" in kind else None
            )

    async def get(self, path: str) -> Any:
        """JSON of a 200."""
        status, body = await self.call("GET", path)
        assert status == 200, (status, body)
        return body

    async def raw(self, path: str) -> bytes:
        """Bytes of a 200."""
        async with self.http.get(f"{self.base}/api/v1{path}") as response:
            data = await response.read()
            assert response.status == 200, data
            return data

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        """A write with a new client_id (unless given)."""
        return await self.call("POST", path, {"client_id": str(uuid.uuid4()), **body})

    async def sign_in(self, email: str, password: str = PASSWORD) -> Any:
        """Signs in; raises AssertionError if refused."""
        status, body = await self.call("POST", "/session", {"email": email, "password": password})
        assert status == 200, body
        self.csrf = body["csrf"]
        return body


class World:
    """The running parts and short ways to use them."""

    def __init__(self, bootstrap: str, redis_url: str, catalogue: Catalogue) -> None:
        self.bootstrap = bootstrap
        self.redis_url = redis_url
        self.catalogue = catalogue
        self.producer = Producer(bootstrap)
        self.base = ""
        self.inbox: Running | None = None
        self.stack = contextlib.AsyncExitStack()

    async def publish(self, topic: str, key: str, record: Any) -> int:
        """One record, acknowledged."""
        return await self.producer.send(topic, key.encode(), encode(record))

    async def publish_directory(self) -> None:
        """Departments, agents with a password, accounts, profile."""
        d = DIRECTORY
        agents = [replace(a, password_hash=_HASH) for a in d.agents.values()]
        for entity in [*d.departments.values(), *agents, *d.accounts.values()]:
            await self.publish(self.catalogue.directory, entry_key(entity), DirectoryEntry(entity, 1))
        await self.publish(self.catalogue.capabilities, ACCOUNT, PROFILE)

    async def write_events(self, events: Iterable[ConversationEvent]) -> None:
        """Straight onto the log's topic, as the log would."""
        topic = self.catalogue.conversations
        sends = [self.producer.send(topic, e.conversation_id.encode(), encode(e)) for e in events]
        for start in range(0, len(sends), 2000):
            await asyncio.gather(*sends[start : start + 2000])

    async def contact(self, address: str, n: int, text: str) -> str:
        """The contact writes; returns the conversation's id."""
        event = contact_writes(address, n, text)
        await self.publish(self.catalogue.inbound, event.conversation_id, event)
        return event.conversation_id

    async def client(self, email: str | None = None) -> Client:
        """A browser, signed in if an address is given."""
        jar = aiohttp.CookieJar(unsafe=True)
        http = await self.stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
        client = Client(http, self.base)
        if email:
            await client.sign_in(email)
        return client

    async def ready(self, seconds: float = 30.0) -> None:
        """Waits until the inbox can answer."""

        async def good() -> bool:
            try:
                async with aiohttp.ClientSession() as http, http.get(f"{self.base}/readyz") as response:
                    assert response.status == 200, await response.text()
            except aiohttp.ClientConnectionError:
                return False  # not listening yet
            return True

        await eventually(good, seconds, every=0.05)

    async def run_log(self) -> None:
        """The real conversation log."""
        settings = Settings(
            kafka_bootstrap_servers=self.bootstrap,
            topic_prefix=self.catalogue.prefix,
            partitions=self.catalogue.partitions,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(
            log_process.run(settings, self.catalogue, stop, instance="log", port=free_port(), die=_die)
        )

        async def end() -> None:
            stop.set()
            await asyncio.wait_for(task, END_SECONDS)

        self.stack.push_async_callback(end)

    async def run_inbox(self, timing: Timing) -> None:
        """The inbox on a free port."""
        where = Where(self.bootstrap, self.redis_url, self.catalogue, timing=timing)
        self.inbox = await self.stack.enter_async_context(running(where, system_clock))
        port = free_port()
        await self.stack.enter_async_context(serving(make_app(self.inbox.parts), "127.0.0.1", port))
        self.stack.callback(self.inbox.parts.live.end_streams)
        self.base = f"http://127.0.0.1:{port}"
        await self.ready()


def _die(reason: str, error: BaseException | None) -> Any:
    raise AssertionError(reason) from error


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@contextlib.asynccontextmanager
async def world(
    bootstrap: str,
    redis_url: str,
    prefix: str,
    *,
    log: bool = True,
    before: Callable[[World], Any] | None = None,
    timing: Timing | None = None,
) -> AsyncIterator[World]:
    """Topics, directory, the log (unless not wanted) and the inbox."""
    catalogue = Catalogue(prefix, channels=(CHANNEL,), partitions=PARTITIONS)
    await apply_catalogue(bootstrap, catalogue)
    made = World(bootstrap, redis_url, catalogue)
    async with made.stack:
        await made.producer.start()
        made.stack.push_async_callback(made.producer.stop)
        await made.publish_directory()
        if before is not None:
            await before(made)
        if log:
            await made.run_log()
        await made.run_inbox(timing or Timing())
        yield made


def text(body: str) -> dict[str, str]:
    """Text content as the API takes it."""
    return {"type": "text", "body": body}


__all__ = ["Clear", "Client", "World", "contact_writes", "conversation", "history", "text", "world"]
