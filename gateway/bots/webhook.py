"""Asking a webhook bot: one signed request, repeated within the bot's time while nobody answers it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

from connectors.contract import HttpRequest, NoAnswer
from gateway import metrics
from gateway.bots.menu import Act
from gateway.bots.signature import headers
from gateway.bots.webhook_json import InvalidAnswer, Json, parse_answer
from gateway.core.clock import Clock
from gateway.core.directory import Bot
from gateway.http import ForbiddenAddress, HttpClient

FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0
AT_ONCE = 100
"""Requests to one bot at a time; more wait, within their own time."""
MARGIN = 500
"""Milliseconds kept for the answer's way to the log, at most a tenth of the bot's time."""

CALLS = metrics.counter("gateway_bot_calls_total", "Requests to webhook bots by outcome", ["bot", "outcome"])
SECONDS = metrics.histogram("gateway_bot_answer_seconds", "From asking a webhook bot to its answer", ["bot"])


class BotFailed(Exception):
    """The bot gave no usable answer in its time. `reason` is a stable word for logs."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class WebhookBots:
    """Asks webhook bots; a slow one holds no other."""

    def __init__(self, http: HttpClient, resolve: Callable[[str], str], clock: Clock) -> None:
        self._http = http
        self._resolve = resolve
        self._clock = clock
        self._slots: dict[str, asyncio.Semaphore] = {}

    async def ask(self, bot: Bot, told: Json, deadline: int) -> list[Act]:
        """The acts of the bot's answer, had before `deadline` (Unix milliseconds). Raises BotFailed."""
        try:
            with SECONDS.labels(bot.id).time():
                async with asyncio.timeout(max(0, deadline - self._clock()) / 1000):
                    async with self._slots.setdefault(bot.id, asyncio.Semaphore(AT_ONCE)):
                        acts = await self._until_answered(bot, told, deadline)
        except TimeoutError:
            CALLS.labels(bot.id, "late").inc()
            raise BotFailed("late") from None
        except BotFailed as failed:
            CALLS.labels(bot.id, failed.reason).inc()
            raise
        CALLS.labels(bot.id, "answered").inc()
        return acts

    async def _until_answered(self, bot: Bot, told: Json, deadline: int) -> list[Act]:
        delay = FIRST_DELAY
        # The clock is asked too: when the request's own time ends at the same moment as ours, aiohttp takes our
        # cancellation for its own, and nothing else would end the tries.
        while (left := deadline - self._clock()) > 0:
            acts = await self._try(bot, told, deadline)
            if acts is not None:
                return acts
            CALLS.labels(bot.id, "tried_again").inc()
            # Not all conversations at the same moment.
            await asyncio.sleep(min(left / 1000, delay * random.uniform(0.75, 1.25)))  # noqa: S311
            delay = min(delay * 2, LONGEST_DELAY)
        raise TimeoutError

    async def _try(self, bot: Bot, told: Json, deadline: int) -> list[Act] | None:
        """None = worth another try."""
        try:
            answer = await self._http.request(self._request(bot, told, deadline))
        except NoAnswer:
            return None
        except ForbiddenAddress:
            raise BotFailed("forbidden_address") from None
        if answer.status >= 500 or answer.status == 429:
            return None
        if not 200 <= answer.status < 300:
            raise BotFailed(f"status_{answer.status}")
        try:
            return parse_answer(answer.body)
        except InvalidAnswer:
            raise BotFailed("invalid_answer") from None

    def _request(self, bot: Bot, told: Json, deadline: int) -> HttpRequest:
        """Signed anew for each try: receivers refuse old timestamps; the id stays, so that they know a repeat."""
        if not bot.url or not bot.secret:
            raise BotFailed("not_configured")
        now = self._clock()
        body = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
        try:
            signed = headers(self._resolve(bot.secret), told["id"], now // 1000, body)
        except ValueError:
            raise BotFailed("no_secret") from None
        kind = {"content-type": "application/json"}
        return HttpRequest("POST", bot.url, kind | signed, body, max(0.05, (deadline - now) / 1000))


def deadline_of(bot: Bot, since: int) -> int:
    """Until when the bot's answer must be here (Unix milliseconds), for what happened at `since`."""
    return since + bot.answer_within - min(MARGIN, bot.answer_within // 10)
