"""Writing the rows: each function is one round trip and raises RedisError when Redis cannot be reached."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from pydantic_core import to_json
from redis.asyncio.client import Pipeline

from gateway.inbox.content_json import Row
from gateway.inbox.projection.rows import Rows
from gateway.inbox.projection.store import LostError, Store, rows_of
from gateway.inbox.projection.views import lists

COMMAND_SECONDS = 24 * 3600
"""How long a command's result is kept."""


async def load(store: Store, wanted: dict[str, set[str]]) -> dict[str, Rows]:
    """Rows of each conversation with the items of the named messages."""
    order = [(conversation, sorted(refs)) for conversation, refs in wanted.items()]

    def ask(pipe: Pipeline) -> None:
        for conversation, refs in order:
            store.call(pipe, "load", store.three(conversation), refs)

    answers = await store.run(ask)
    return {c: rows_of(refs, found) for (c, refs), found in zip(order, answers, strict=True)}


async def save(store: Store, changes: Sequence[tuple[int, dict[str, int], Rows]]) -> list[str]:
    """Writes rows; each change = seq and lists before, and the rows after.

    Answers per change: `done`, `older` (had it already), `moved` (another writer), `lost` (flushed).
    """

    def write(pipe: Pipeline) -> None:
        for before, listed, rows in changes:
            _save(store, pipe, before, listed, rows)

    return [answer.decode() for answer in await store.run(write)]


def _save(store: Store, pipe: Pipeline, before: int, listed: dict[str, int], rows: Rows) -> None:
    summary = cast("Row", rows.summary)
    conversation = summary["id"]
    now = lists(summary)
    moves = {key: now.get(key, "") for key in {**listed, **now} if now.get(key) != listed.get(key)}
    keys = [store.generation_key, *store.three(conversation), store.key("received", conversation)]
    keys.append(store.key("tickets"))
    arguments: list[Any] = [store.generation, before, summary["seq"], conversation, to_json(summary)]
    arguments.append(len(rows.changed))
    for seq in sorted(rows.changed):
        arguments += (seq, to_json(rows.items[seq]))
    arguments.append(len(rows.new_ids))
    for message_id, seq in rows.new_ids.items():
        arguments += (message_id, seq)
    arguments += (len(rows.received), *rows.received, len(rows.tickets))
    for number, ticket in rows.tickets.items():
        arguments += (number, to_json(ticket))
    arguments += moves.values()
    store.call(pipe, "apply", [*keys, *(store.key(name) for name in moves)], arguments)


async def position(store: Store, member: str) -> int:
    """The next offset to read for this partition, 0 at first."""
    return int(await store.redis.hget(store.key("positions"), member) or 0)


async def advance(store: Store, member: str, before: int, after: int, *, ready: bool, news: bytes) -> str:
    """Moves a position, marks it ready, and tells the news: `done`, `moved` or `lost`."""
    keys = [store.generation_key, store.key("positions"), store.key("ready")]
    ready_flag = "1" if ready else "0"
    arguments = [store.generation, member, before, after, ready_flag, store.channel, news]

    def write(pipe: Pipeline) -> None:
        store.call(pipe, "advance", keys, arguments)

    return cast("bytes", (await store.run(write))[0]).decode()


async def reach(store: Store, member: str, position: int) -> None:
    """Moves a position that several readers share; never back. Raises LostError."""

    def write(pipe: Pipeline) -> None:
        keys = [store.generation_key, store.key("positions")]
        store.call(pipe, "maximum", keys, [store.generation, member, position])

    if b"lost" in await store.run(write):
        raise LostError


async def put_results(store: Store, results: Iterable[tuple[str, bytes]]) -> None:
    """Keeps commands' results for a day."""

    def write(pipe: Pipeline) -> None:
        for command_id, result in results:
            pipe.set(store.key("result", command_id), result, ex=COMMAND_SECONDS)

    await store.run(write)


async def put_cursors(store: Store, cursors: Iterable[tuple[str, str, int]]) -> None:
    """Notes how far agents have read (agent, conversation, seq); never goes back. Raises LostError."""

    def write(pipe: Pipeline) -> None:
        for agent, conversation, seq in cursors:
            keys = [store.generation_key, store.key("read", agent)]
            store.call(pipe, "maximum", keys, [store.generation, conversation, seq])

    if b"lost" in await store.run(write):
        raise LostError
