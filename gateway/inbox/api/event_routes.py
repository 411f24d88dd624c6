"""GET /events: server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from fastapi import APIRouter, Request
from pydantic_core import to_json
from redis.exceptions import RedisError
from starlette.responses import StreamingResponse

from gateway.core.directory import Agent, check_permission
from gateway.inbox.api.context import Inbox, InboxOf, Reader
from gateway.inbox.content_json import Row
from gateway.inbox.projection.present import conversation_json, item_json
from gateway.inbox.projection.store import RebuildingError
from gateway.inbox.session import COOKIE
from gateway.inbox.stream import Stream, pack_offsets

router = APIRouter(tags=["events"])

HEARTBEAT_SECONDS = 15.0
RETRY_SECONDS = 0.5
# Changes that come close together are read and sent together.
GATHER_SECONDS = 0.01

Event = tuple[str, Row]


@router.get("/events")
async def events(
    request: Request, parts: InboxOf, who: Reader, last_event_id: str | None = None
) -> StreamingResponse:
    """Changes as they happen: `conversation`, `item`, `gone`, `presence`, `resync`."""
    await parts.live.started()
    since = request.headers.get("last-event-id") or last_event_id
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    body = _stream(parts, who.agent.id, request.cookies.get(COOKIE), since)
    return StreamingResponse(body, headers=headers, media_type="text/event-stream")


async def _stream(parts: Inbox, agent_id: str, cookie: str | None, since: str | None) -> AsyncIterator[bytes]:
    stream = parts.live.open(agent_id)
    try:
        if since:
            await parts.live.resume(stream, since)
        else:
            yield _block([], stream.offsets)
        await parts.presences.renew(agent_id)
        while (agent := parts.replicas.known.directory.agents.get(agent_id)) is not None:
            if stream.ended:
                return
            if not await stream.wait(HEARTBEAT_SECONDS):
                if not await _signed_in(parts, cookie):
                    return
                yield b": still here\n" + _block([], stream.offsets)
                continue
            await asyncio.sleep(GATHER_SECONDS)
            yield await _serve(parts, agent, stream)
    finally:
        parts.live.close(stream)


async def _signed_in(parts: Inbox, cookie: str | None) -> bool:
    try:
        return await parts.sessions.find(cookie, touch=False) is not None
    except RedisError:
        return True  # nobody is thrown out because Redis is away


async def _serve(parts: Inbox, agent: Agent, stream: Stream) -> bytes:
    resync, stream.resync = stream.resync, False
    presence, stream.presence = stream.presence, {}
    offsets = dict(stream.offsets)
    taken = stream.take()
    try:
        found = [*_presence(presence), *await _changes(parts, agent, taken)]
    except (RebuildingError, RedisError):
        stream.give_back(taken)
        stream.presence = presence | stream.presence
        stream.resync = stream.resync or resync
        await asyncio.sleep(RETRY_SECONDS)
        return b": wait\n\n"
    if resync:
        found.insert(0, ("resync", {}))
    return _block(found, offsets)


def _presence(changes: dict[str, str]) -> Iterable[Event]:
    return [("presence", {"agent_id": agent_id, "state": state}) for agent_id, state in changes.items()]


async def _changes(parts: Inbox, agent: Agent, taken: dict[str, set[str]]) -> list[Event]:
    """The changed rows that the agent may see, as they are now."""
    found: list[Event] = []
    known = parts.replicas.known
    shown: dict[str, Row] = {}
    for summary, unread in await parts.store.summaries(sorted(taken), agent.id) if taken else ():
        if check_permission(agent, summary["tenant"], summary["department_id"]) is None:
            shown[summary["id"]] = summary
            found.append(("conversation", conversation_json(summary, unread, known)))
        elif agent.tenant == summary["tenant"] and set(agent.departments) & set(
            summary["former_departments"]
        ):
            found.append(("gone", {"id": summary["id"]}))
    items = await parts.store.items({c: taken[c] for c in shown if taken[c]})
    for conversation, rows in items.items():
        profile = known.profile(shown[conversation]["account_id"], shown[conversation]["channel"])
        found += [
            ("item", {"conversation_id": conversation, "item": item_json(row, profile)}) for row in rows
        ]
    return found


def _block(found: list[Event], offsets: dict[int, int]) -> bytes:
    """The events; only the last one carries the id, so that one cut off in the middle is told again as a whole."""
    lines = [b"event: %b\ndata: %b\n" % (name.encode(), to_json(data)) for name, data in found]
    return b"\n".join([*lines, b""])[:-1] + b"id: %b\n\n" % pack_offsets(offsets).encode()
