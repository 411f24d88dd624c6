"""Load: signed WhatsApp webhooks over kept-alive connections, in a process of its own.

A plain protocol, because a whole HTTP client costs more than the server it would measure.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import hmac
import json
from collections.abc import Iterator
from time import perf_counter
from typing import Any

from gateway.bench import seed
from gateway.bench.worker import Given, main, quantile

DRAIN_SECONDS = 30.0


def body(number: int, message: int, run: str, seconds: int, *, user_id: bool) -> bytes:
    """One webhook with one text, as Meta sends it. `message` is in the text, so that it can be found again."""
    phone = seed.phone(number)
    contact: dict[str, Any] = {"profile": {"name": "Lena Vogt"}, "wa_id": phone}
    element: dict[str, Any] = {
        "from": phone,
        "id": f"wamid.{run}{message:09}",
        "timestamp": str(seconds),
        "type": "text",
        "text": {"body": f"bench-{message:09} {seed.TEXT}"},
    }
    if user_id:
        contact["user_id"] = element["from_user_id"] = f"DE.2048193775621{number:08}"
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "4930901820", "phone_number_id": seed.NUMBER},
        "contacts": [contact],
        "messages": [element],
    }
    entry = {"id": "418200517733001", "changes": [{"value": value, "field": "messages"}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def request(path: str, content: bytes) -> bytes:
    """The bytes of one signed POST."""
    digest = hmac.new(seed.APP_SECRET.encode(), content, hashlib.sha256).hexdigest()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: facebookexternalua\r\naccept: */*\r\n"
        f"content-type: application/json\r\nx-hub-signature-256: sha256={digest}\r\n"
        f"content-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


class Connection(asyncio.Protocol):
    """One connection: sends the next request when the last one was answered."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._index = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is idle."""
        self._transport = transport  # type: ignore[assignment]
        self._load.idle(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """What was asked is lost."""
        if self._index >= 0:
            self._load.done(self._index, 0)

    def ask(self, index: int, data: bytes) -> None:
        """Sends request `index`."""
        assert self._transport is not None  # noqa: S101 (idle only once connected)
        self._index = index
        self._transport.write(data)

    def close(self) -> None:
        """Nothing more will be asked."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Part of an answer, or a whole one."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or len(self._buffer) < end + 4 + _length(self._buffer[:end]):
            return
        status = int(self._buffer[9:12])
        self._buffer = b""
        index, self._index = self._index, -1
        self._load.done(index, status)
        self._load.idle(self)


def _length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


class Load:
    """Asks for all requests: as fast as they are answered, or at `rate` a second, counted from when each is due."""

    def __init__(self, requests: list[bytes], rate: float) -> None:
        self._requests = requests
        self._rate = rate
        self._idle: list[Connection] = []
        self._next = 0
        self._open = True
        self.started = 0.0
        self.ended = 0.0
        self.begun = [0.0] * len(requests)
        self.answered = [0.0] * len(requests)
        self.statuses: dict[int, int] = {}
        self.finished = asyncio.Event()

    def idle(self, connection: Connection) -> None:
        """A connection can ask again."""
        self._idle.append(connection)
        if self.started:
            self._feed()

    def done(self, index: int, status: int) -> None:
        """Request `index` was answered."""
        now = perf_counter()
        self.answered[index] = now
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if sum(self.statuses.values()) == len(self._requests):
            self.ended = now
            self.finished.set()

    def _feed(self) -> None:
        now = perf_counter()
        while self._idle and self._next < len(self._requests) and self._due(self._next) <= now:
            index = self._next
            self._next += 1
            self.begun[index] = self._due(index) if self._rate else now
            self._idle.pop().ask(index, self._requests[index])

    def _due(self, index: int) -> float:
        return self.started + index / self._rate if self._rate else 0.0

    async def run(self) -> None:
        """Asks until everything is answered. Raises TimeoutError when answers stay out."""
        self.started = perf_counter()
        while self._next < len(self._requests):
            self._feed()
            await asyncio.sleep(0.001 if self._rate else 0.05)
        async with asyncio.timeout(DRAIN_SECONDS):
            await self.finished.wait()


def _requests(given: Given) -> Iterator[bytes]:
    conversations, first = given["conversations"], given["first"]
    for index in range(given["count"]):
        content = body(
            index % conversations, first + index, given["run"], given["time"], user_id=given["user_id"]
        )
        yield request(given["path"], content)


async def work(given: Given) -> Given:
    """Sends what is asked for; answers with rate, latencies in milliseconds and the statuses."""
    load = Load(list(_requests(given)), given["rate"])
    gc.freeze()
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(lambda: Connection(load), "127.0.0.1", given["port"]))[1]
        for _ in range(given["connections"])
    ]
    await load.run()
    for connection in connections:
        connection.close()
    times = [(b - a) * 1000 for a, b in zip(load.begun, load.answered, strict=True)]
    return {
        "rate": given["count"] / (load.ended - load.started),
        "started": load.started,
        "ended": load.ended,
        "p50": quantile(times, 0.5),
        "p99": quantile(times, 0.99),
        "statuses": {str(status): count for status, count in load.statuses.items()},
        "begun": load.begun if given.get("times") else [],
    }


if __name__ == "__main__":
    main(work)
