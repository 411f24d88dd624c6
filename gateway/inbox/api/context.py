"""What the routes work with, and who asks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic_core import to_json
from starlette.responses import Response

from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import Producer
from gateway.core.clock import Clock
from gateway.core.directory import Agent, check_permission
from gateway.core.errors import Code
from gateway.inbox.api.problems import Problem, check
from gateway.inbox.commands import CommandDesk
from gateway.inbox.content_json import Row
from gateway.inbox.live import Live
from gateway.inbox.presence import Presences
from gateway.inbox.projection.store import Store
from gateway.inbox.replicas import Replicas
from gateway.inbox.session import COOKIE, CSRF_HEADER, Session, Sessions, SignInLimit, csrf_fits


@dataclass(frozen=True, slots=True)
class Inbox:
    """The parts of one inbox process. `looks` = how many passwords may be looked at at once (32 MiB each).

    `explaining`: reading a conversation's events from its partition is costly, so one at a time.
    """

    bootstrap: str
    catalogue: Catalogue
    store: Store
    sessions: Sessions
    limit: SignInLimit
    replicas: Replicas
    live: Live
    desk: CommandDesk
    presences: Presences
    producer: Producer
    clock: Clock
    secure_cookies: bool
    looks: asyncio.Semaphore
    explaining: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))


@dataclass(frozen=True, slots=True)
class Who:
    """The signed-in agent."""

    agent: Agent
    session: Session


def json(value: Any, status: int = 200) -> Response:
    """A JSON response; not to be kept by anybody on the way."""
    return Response(to_json(value), status, {"Cache-Control": "no-store"}, "application/json")


def inbox(request: Request) -> Inbox:
    """The process's parts."""
    found: Inbox = request.app.state.inbox
    return found


InboxOf = Annotated[Inbox, Depends(inbox)]


async def reader(request: Request, parts: InboxOf) -> Who:
    """The signed-in agent. Raises Problem 401."""
    session = await parts.sessions.find(request.cookies.get(COOKIE))
    agent = parts.replicas.known.directory.agents.get(session.agent_id) if session else None
    if session is None or agent is None:
        raise Problem(401, "unauthenticated", "Sign in first.")
    return Who(agent, session)


Reader = Annotated[Who, Depends(reader)]


async def writer(request: Request, who: Reader) -> Who:
    """The signed-in agent with the session's CSRF token. Raises Problem 401 or 403."""
    if not csrf_fits(who.session, request.headers.get(CSRF_HEADER)):
        raise Problem(403, "csrf", f"The header {CSRF_HEADER} does not fit the session; load the page again.")
    return who


Writer = Annotated[Who, Depends(writer)]


async def visible(parts: Inbox, agent: Agent, conversation_id: str) -> tuple[Row, int]:
    """Summary and unread count of a conversation that the agent may see. Raises Problem 403 or 404."""
    found = await parts.store.summaries([conversation_id], agent.id)
    # Of another tenant not even the existence is told.
    if not found or found[0][0]["tenant"] != agent.tenant:
        raise Problem(404, Code.UNKNOWN_CONVERSATION.value, "There is no such conversation.")
    summary, unread = found[0]
    check(check_permission(agent, summary["tenant"], summary["department_id"]))
    return summary, unread
