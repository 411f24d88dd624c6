"""The simulator's webhooks: their bytes as Meta writes them, signed, and repeated until answered 200."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from connectors.whatsapp.simulator.config import Number

Json = dict[str, Any]

KEPT = 50_000
"""How many webhooks and messages are remembered."""

_TIMEOUT = aiohttp.ClientTimeout(total=15)


def envelope(number: Number, name: str, value: Json) -> Json:
    """A webhook with one change of the field `name`."""
    metadata = {
        "display_phone_number": number.display_phone_number,
        "phone_number_id": number.phone_number_id,
    }
    value = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": number.waba_id, "changes": [{"value": value, "field": name}]}],
    }


def encode(payload: Json) -> bytes:
    r"""The body's bytes as Meta writes them: `\u00fc` with lower-case hex for what is not ASCII, and `\/`."""
    return json.dumps(payload, separators=(",", ":")).replace("/", "\\/").encode()


def signature(body: bytes, secret: str) -> str:
    """Value of X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Delivery:
    """One webhook: its bytes and what each try was answered (0 = no answer)."""

    url: str
    body: bytes
    answers: list[int] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether it was answered 200."""
        return bool(self.answers) and self.answers[-1] == 200


class Deliverer:
    """Sends webhooks and keeps what became of them."""

    def __init__(self, secret: str, retry_delays: Sequence[float]) -> None:
        self.secret = secret
        self.retry_delays = retry_delays
        self.deliveries: deque[Delivery] = deque(maxlen=KEPT)
        self.failures: list[BaseException] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def first_try(self, url: str, payload: Json) -> Delivery:
        """Sends it once; if that fails it is repeated in the background, ever less often."""
        delivery = Delivery(url, encode(payload))
        self.deliveries.append(delivery)
        if url and not await self._try(delivery):
            self.spawn(self._repeat(delivery))
        return delivery

    async def handshake(self, url: str, token: str) -> bool:
        """Whether the callback repeats the challenge and nothing else."""
        query = {"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}
        async with self._opened().get(url, params=query) as answer:
            return answer.status == 200 and await answer.read() == b"1158201444"

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs the coroutine in the background; an exception in it comes up in `settled`."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.failures.append(error)

    async def settled(self) -> None:
        """Waits until nothing is under way any more. Raises the first thing that went wrong."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self.failures:
            raise self.failures[0]

    async def close(self) -> None:
        """Stops everything."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def _repeat(self, delivery: Delivery) -> None:
        for delay in self.retry_delays:
            await asyncio.sleep(delay)
            if await self._try(delivery):
                return

    async def _try(self, delivery: Delivery) -> bool:
        headers = {
            "content-type": "application/json",
            "x-hub-signature-256": signature(delivery.body, self.secret),
            "user-agent": "facebookexternalua",
        }
        try:
            async with self._opened().post(delivery.url, data=delivery.body, headers=headers) as answer:
                delivery.answers.append(answer.status)
        except (aiohttp.ClientError, TimeoutError):
            delivery.answers.append(0)
        return delivery.done

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        return self._session
