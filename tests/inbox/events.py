"""A browser's event stream, as EventSource reads it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from tests.inbox.world import Client


@dataclass
class Heard:
    """What came so far; `last_id` as EventSource keeps it."""

    events: list[tuple[str, Any]] = field(default_factory=list)
    last_id: str = ""
    ended: bool = False

    def items(self, conversation: str) -> dict[str, Any]:
        """The newest form of each item of a conversation, by id."""
        return {
            data["item"]["id"]: data["item"]
            for name, data in self.events
            if name == "item" and data["conversation_id"] == conversation
        }

    def of(self, name: str) -> list[Any]:
        """Data of the events of this name."""
        return [data for event, data in self.events if event == name]


@contextlib.asynccontextmanager
async def listening(client: Client, last_id: str = "") -> AsyncIterator[Heard]:
    """An open stream; ready once the first bytes came."""
    heard = Heard(last_id=last_id)
    begun = asyncio.Event()
    task = asyncio.create_task(_read(client, heard, begun))
    try:
        async with asyncio.timeout(20):
            await begun.wait()
        yield heard
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _read(client: Client, heard: Heard, begun: asyncio.Event) -> None:
    headers = {"Last-Event-ID": heard.last_id} if heard.last_id else {}
    async with client.http.get(f"{client.base}/api/v1/events", headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.headers["content-type"].startswith("text/event-stream")
        name, data = "", ""
        async for raw in response.content:
            begun.set()
            line = raw.decode().rstrip("\n")
            match line.partition(": "):
                case ("event", _, value):
                    name = value
                case ("data", _, value):
                    data = value
                case ("id", _, value):
                    heard.last_id = value
                case ("", _, _) if not line and name:
                    heard.events.append((name, json.loads(data)))
                    name, data = "", ""
    heard.ended = True
