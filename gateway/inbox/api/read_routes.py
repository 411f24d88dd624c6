"""Lists, conversations and messages."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic_core import from_json, to_json
from starlette.responses import Response

from gateway.core.directory import Agent, check_permission
from gateway.core.errors import Code
from gateway.inbox.api import models as m
from gateway.inbox.api.context import Inbox, InboxOf, Reader, json, visible
from gateway.inbox.api.problems import Problem, check, invalid
from gateway.inbox.projection.present import conversation_json, item_json
from gateway.inbox.projection.views import OLDEST_FIRST, VIEWS, list_key

router = APIRouter(tags=["conversations"])

View = Literal["mine", "unassigned", "all", "completed", "blocked", "attention"]
Limit = Annotated[int, Query(ge=1, le=200)]
Seq = Annotated[int | None, Query(ge=0)]


def _keys(agent: Agent, view: str, departments: Sequence[str], channel: str) -> list[str]:
    owner = agent.id if view == "mine" else ""
    return [list_key(view, department, channel, owner) for department in departments]


def _departments(agent: Agent, wanted: str | None) -> list[str]:
    if not wanted:
        return sorted(agent.departments)
    check(check_permission(agent, agent.tenant, wanted))
    return [wanted]


def pack_cursor(entry: tuple[int, str]) -> str:
    """Where the next page begins."""
    return base64.urlsafe_b64encode(to_json(entry)).rstrip(b"=").decode()


def unpack_cursor(text: str | None) -> tuple[int, str] | None:
    """The last entry of the page before. Raises Problem 422."""
    if not text:
        return None
    try:
        score, conversation = from_json(base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)))
        return int(score), str(conversation)
    except (ValueError, TypeError):
        raise invalid("cursor: not one that this server gave.") from None


@router.get("/conversations", responses=m.answers(m.Conversations))
async def list_conversations(
    parts: InboxOf,
    who: Reader,
    view: View = "all",
    channel: str = "",
    department: str = "",
    limit: Limit = 50,
    cursor: str | None = None,
) -> Response:
    """A page of a view, and how many each view holds. `unassigned` is oldest first, the rest newest first."""
    departments = _departments(who.agent, department)
    entries = await parts.store.listed(
        _keys(who.agent, view, departments, channel),
        oldest_first=view in OLDEST_FIRST,
        limit=limit,
        after=unpack_cursor(cursor),
    )
    counts = await parts.store.counts({v: _keys(who.agent, v, departments, channel) for v in VIEWS})
    found = await parts.store.summaries([conversation for _, conversation in entries[:limit]], who.agent.id)
    known = parts.replicas.known
    rows = [
        conversation_json(summary, unread, known)
        for summary, unread in found
        # The lists name departments only; another tenant's row must not slip through a shared name.
        if check_permission(who.agent, summary["tenant"], summary["department_id"]) is None
    ]
    following = pack_cursor(entries[limit - 1]) if len(entries) > limit else None
    return json({"conversations": rows, "cursor": following, "counts": counts})


@router.get("/conversations/{conversation_id}", responses=m.answers(m.Conversation))
async def get_conversation(conversation_id: str, parts: InboxOf, who: Reader) -> Response:
    """One conversation."""
    summary, unread = await visible(parts, who.agent, conversation_id)
    return json(conversation_json(summary, unread, parts.replicas.known))


@router.get("/conversations/{conversation_id}/messages", responses=m.answers(m.Messages))
async def get_messages(
    conversation_id: str,
    parts: InboxOf,
    who: Reader,
    before: Seq = None,
    after: Seq = None,
    limit: Limit = 50,
) -> Response:
    """A page of items in order; without `before` and `after` the newest."""
    if before is not None and after is not None:
        raise invalid("Give before or after, not both.")
    summary, _ = await visible(parts, who.agent, conversation_id)
    page = await parts.store.page(conversation_id, before=before, after=after, limit=limit)
    profile = parts.replicas.known.profile(summary["account_id"], summary["channel"])
    return json(
        {
            "items": [item_json(item, profile) for item in page.items],
            "has_before": page.has_before,
            "has_after": page.has_after,
            "seq": summary["seq"],
        }
    )


async def message_item(parts: Inbox, conversation_id: str, message_id: str) -> dict[str, object]:
    """The stored item of a message. Raises Problem 404."""
    item = await parts.store.item(conversation_id, message_id)
    if item is None or item["kind"] != "message":
        raise Problem(404, Code.UNKNOWN_MESSAGE.value, "There is no such message in this conversation.")
    return item


@router.get("/tickets/{number}", responses=m.answers(m.Ticket))
async def get_ticket(number: int, parts: InboxOf, who: Reader) -> Response:
    """A ticket of a conversation that the agent may see."""
    found = await parts.store.ticket(number)
    if found is None:
        raise Problem(404, "not_found", "There is no such ticket.")
    await visible(parts, who.agent, found["conversation_id"])
    return json(found)
