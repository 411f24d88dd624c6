"""The rows in Redis. All of it can be rebuilt from the log; SQL may take over older items behind this module.

Keys: `<prefix>inbox:<layout>:generation` names the current generation; every row lies below
`<prefix>inbox:<layout>:<generation>:`. A flush removes the generation with the rows, so it cannot go unseen;
whoever notices begins a new one.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from pydantic_core import from_json
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import NoScriptError

from gateway.inbox.content_json import Row
from gateway.inbox.projection import scripts
from gateway.inbox.projection.rows import Rows

LAYOUT = 2
"""Counts up when the rows change their form: then a new generation is built from the log."""

CURSORS = "cursors"
RESULTS = "results"

T = TypeVar("T")


class RebuildingError(Exception):
    """The rows are not complete: they are being rebuilt from the log."""


class LostError(Exception):
    """Redis does not hold the generation any more that the caller worked on."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some items of a conversation in order, and whether there are more on either side."""

    items: list[Row]
    has_before: bool
    has_after: bool


class Store:
    """Reads and writes the rows. Raises redis' RedisError when Redis cannot be reached."""

    def __init__(self, redis: Redis, prefix: str, partitions: int) -> None:
        self.redis = redis
        self.base = f"{prefix}inbox:{LAYOUT}:"
        self.channel = f"{prefix}inbox:live"
        self.partitions = partitions
        self.generation_key = self.base + "generation"
        self._generation = ""
        self._scripts = {name: redis.register_script(text) for name, text in scripts.ALL.items()}

    @property
    def generation(self) -> str:
        """The generation last seen; empty before the first."""
        return self._generation

    def key(self, *parts: str) -> str:
        """Name of a row of the current generation."""
        return ":".join((self.base + self._generation, *parts))

    # Generations

    async def open_generation(self) -> str:
        """The current generation; begins one if Redis holds none (it is new, or was flushed)."""
        await self.redis.set(self.generation_key, secrets.token_hex(4), nx=True)
        self._generation = await self._held()
        return self._generation

    async def _held(self) -> str:
        found = cast("bytes | None", await self.redis.get(self.generation_key))
        return found.decode() if found else ""

    async def current(self) -> bool:
        """Whether Redis still holds the generation that we know."""
        found = await self._held()
        return bool(found) and found == self._generation

    async def begin_generation(self) -> None:
        """Begins anew: what is there is damaged. The old rows are removed by `remove_old`."""
        await self.redis.set(self.generation_key, secrets.token_hex(4))

    async def remove_old(self) -> int:
        """Removes the rows of former generations; returns how many keys."""
        keep = (self.base + self._generation + ":").encode()
        found = self.redis.scan_iter(match=self.base + "*:*", count=1000)
        gone = [key async for key in found if not key.startswith(keep)]
        for start in range(0, len(gone), 500):
            if not await self.current():
                return start  # what we keep is not what counts any more
            await self.redis.unlink(*gone[start : start + 500])
        return len(gone)

    # Reading: every read first makes sure that the rows are complete

    async def ready(self) -> bool:
        """Whether every partition and the side topics have been read up to the end, in the current generation."""
        self._generation = await self._held()
        found = await self.run(self._ask_ready)
        return bool(found[0]) and found[0].decode() == self._generation and self._complete(found[1])

    def _complete(self, members: int) -> bool:
        return members >= self.partitions + len((CURSORS, RESULTS))

    def _ask_ready(self, pipe: Pipeline) -> None:
        pipe.get(self.generation_key)
        pipe.scard(self.key("ready"))

    async def _read(self, ask: Callable[[Pipeline], object]) -> list[Any]:
        """Answers of the reading commands, from one complete generation. Raises RebuildingError."""

        def whole(pipe: Pipeline) -> None:
            self._ask_ready(pipe)
            ask(pipe)

        for _ in range(2):
            generation, members, *found = await self.run(whole)
            if generation and generation.decode() == self._generation:
                if not self._complete(members):
                    raise RebuildingError
                return found
            if not generation:
                raise RebuildingError
            self._generation = generation.decode()
        raise RebuildingError

    async def summaries(self, conversations: Sequence[str], agent: str) -> list[tuple[Row, int]]:
        """Summary and this agent's count of unread messages, of those that exist. Raises RebuildingError."""

        def ask(pipe: Pipeline) -> None:
            keys = [self.key("read", agent)]
            for conversation in conversations:
                keys += (self.three(conversation)[0], self.key("received", conversation))
            self.call(pipe, "summaries", keys, conversations)

        found = (await self._read(ask))[0]
        pairs = zip(found[::2], found[1::2], strict=True)
        return [(from_json(row), unread) for row, unread in pairs if row]

    async def listed(
        self, keys: Sequence[str], *, oldest_first: bool, limit: int, after: tuple[int, str] | None
    ) -> list[tuple[int, str]]:
        """The next (score, conversation) of several lists merged, behind `after`. Raises RebuildingError."""
        take = limit + 1
        while True:
            found = await self._read(
                partial(self._ask_lists, keys=keys, oldest_first=oldest_first, take=take, after=after)
            )
            lists_ = [[(int(score), name.decode()) for name, score in part] for part in found]
            behind = [[e for e in part if _is_behind(e, after, oldest_first)] for part in lists_]
            # Entries with the very score of `after` may have filled a list's share.
            short = (len(a) == take and len(b) <= limit for a, b in zip(lists_, behind, strict=True))
            if not any(short):
                merged = {entry for part in behind for entry in part}
                return sorted(merged, reverse=not oldest_first)[: limit + 1]
            take *= 2

    def _ask_lists(
        self,
        pipe: Pipeline,
        keys: Sequence[str],
        oldest_first: bool,
        take: int,
        after: tuple[int, str] | None,
    ) -> None:
        for key in keys:
            name = self.key(key)
            if oldest_first:
                start = "-inf" if after is None else str(after[0])
                pipe.zrangebyscore(name, start, "+inf", start=0, num=take, withscores=True)
            else:
                start = "+inf" if after is None else str(after[0])
                pipe.zrevrangebyscore(name, start, "-inf", start=0, num=take, withscores=True)

    async def counts(self, groups: dict[str, Sequence[str]]) -> dict[str, int]:
        """Size of each group of lists. Raises RebuildingError."""
        order = [(name, key) for name, keys in groups.items() for key in keys]

        def ask(pipe: Pipeline) -> None:
            for _, key in order:
                pipe.zcard(self.key(key))

        counted = dict.fromkeys(groups, 0)
        for (name, _), size in zip(order, await self._read(ask), strict=True):
            counted[name] += size
        return counted

    async def page(self, conversation: str, *, before: int | None, after: int | None, limit: int) -> Page:
        """A page of items; the newest one without `before` and `after`. Raises RebuildingError."""
        key = self.three(conversation)[1]

        def ask(pipe: Pipeline) -> None:
            if after is not None:
                pipe.zrangebyscore(key, f"({after}", "+inf", start=0, num=limit + 1)
                pipe.zcount(key, "-inf", after)
            else:
                newest = "+inf" if before is None else f"({before}"
                pipe.zrevrangebyscore(key, newest, "-inf", start=0, num=limit + 1)
                pipe.zcount(key, "+inf" if before is None else before, "+inf")

        found, beyond = await self._read(ask)
        items = [from_json(item) for item in found[:limit]]
        more, other = len(found) > limit, beyond > 0
        if after is not None:
            return Page(items, has_before=other, has_after=more)
        return Page(items[::-1], has_before=more, has_after=other)

    async def item(self, conversation: str, message_id: str) -> Row | None:
        """The item of one message. Raises RebuildingError."""

        def ask(pipe: Pipeline) -> None:
            self.call(pipe, "load", self.three(conversation), [message_id])

        found = (await self._read(ask))[0][1]
        return from_json(found) if found else None

    async def items(self, wanted: dict[str, set[str]]) -> dict[str, list[Row]]:
        """The items named by message id or `#<seq>`, by conversation, in order. Raises RebuildingError."""
        order = [(conversation, sorted(refs)) for conversation, refs in wanted.items()]

        def ask(pipe: Pipeline) -> None:
            for conversation, refs in order:
                self.call(pipe, "load", self.three(conversation), refs)

        found = await self._read(ask)
        rows = {c: rows_of(refs, part) for (c, refs), part in zip(order, found, strict=True)}
        return {c: [r.items[seq] for seq in sorted(r.items)] for c, r in rows.items()}

    async def ticket(self, number: int) -> Row | None:
        """The ticket of this number. Raises RebuildingError."""
        found = (await self._read(lambda pipe: pipe.hget(self.key("tickets"), str(number))))[0]
        return from_json(found) if found else None

    async def result(self, command_id: str) -> bytes | None:
        """The kept result of a command."""
        found = await self._read(lambda pipe: pipe.get(self.key("result", command_id)))
        return cast("bytes | None", found[0])

    # Plumbing

    def three(self, conversation: str) -> list[str]:
        """Names of summary, items and ids of a conversation."""
        return [self.key(name, conversation) for name in ("summary", "items", "ids")]

    def call(self, pipe: Pipeline, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> None:
        """Adds the call of a script to a pipeline."""
        pipe.evalsha(self._scripts[script].sha, len(keys), *keys, *arguments)

    async def run(self, fill: Callable[[Pipeline], object]) -> list[Any]:
        """Runs what `fill` asks for in one round trip and one step."""
        for last in (False, True):
            pipe = self.redis.pipeline(transaction=True)
            fill(pipe)
            try:
                return await cast("Awaitable[list[Any]]", pipe.execute())
            except NoScriptError:
                # A new or flushed Redis does not know the scripts.
                if last:
                    raise
                await self._load_scripts()
        raise AssertionError("unreachable")

    async def _load_scripts(self) -> None:
        for script in self._scripts.values():
            await self.redis.script_load(script.script)


def _is_behind(entry: tuple[int, str], after: tuple[int, str] | None, oldest_first: bool) -> bool:
    if after is None:
        return True
    return entry > after if oldest_first else entry < after


def rows_of(refs: Sequence[str], found: Sequence[bytes | None]) -> Rows:
    """Rows from what the script `load` found."""
    row, *items = found
    rows = Rows(summary=from_json(row) if row else None)
    for ref, raw in zip(refs, items, strict=True):
        if raw:
            item = from_json(raw)
            rows.items[item["seq"]] = item
            rows.seq_of[ref] = item["seq"]
    return rows
