"""Sign-in, sign-out, presence, and who else is there."""

from __future__ import annotations

import asyncio
import logging

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.bus.producer import BrokerUnavailable
from gateway.core.directory import Agent
from gateway.core.messages import PresenceState
from gateway.inbox import metrics
from gateway.inbox.api import models as m
from gateway.inbox.api.context import Inbox, InboxOf, Reader, Writer, json
from gateway.inbox.api.problems import Problem
from gateway.inbox.content_json import Row
from gateway.inbox.passwords import verify_password
from gateway.inbox.session import ABSOLUTE_MS, COOKIE

log = logging.getLogger(__name__)
router = APIRouter(tags=["session"])


class SignIn(BaseModel):
    """An agent's e-mail address and password."""

    email: str = Field(max_length=320)
    password: str = Field(max_length=1024)


class PresenceIn(BaseModel):
    """The presence that an agent chooses."""

    state: PresenceState


def _agent_json(parts: Inbox, agent: Agent, state: PresenceState) -> Row:
    departments = parts.replicas.known.directory.departments
    return {
        "id": agent.id,
        "name": agent.name,
        "email": agent.email,
        "locale": agent.locale,
        "role": agent.role.value,
        "departments": [
            {"id": d, "name": departments[d].name if d in departments else d} for d in agent.departments
        ],
        "presence": state.value,
    }


@router.post("/session", responses=m.answers(m.SessionOut) | m.LIMITED)
async def sign_in(request: Request, given: SignIn, parts: InboxOf) -> Response:
    """Signs an agent in; sets the session's cookie and answers the CSRF token for writes."""
    _refuse_other_sites(request)
    address = request.client.host if request.client else ""
    email = given.email.strip().casefold()
    wait = await parts.limit.attempt(email, address)
    if wait:
        metrics.SIGN_INS.labels("limited").inc()
        raise Problem(429, "too_many_attempts", "Too many failed attempts; try later.", retry_after=wait)
    agent = parts.replicas.agent_by_email(email)
    async with parts.looks:
        stored = agent.password_hash if agent else None
        fits = await asyncio.to_thread(verify_password, given.password, stored)
    if agent is None or not fits:
        metrics.SIGN_INS.labels("refused").inc()
        raise Problem(401, "wrong_credentials", "The e-mail address or the password is wrong.")
    await parts.limit.succeeded(email, address)
    metrics.SIGN_INS.labels("accepted").inc()
    token, session = await parts.sessions.open(agent.id)
    state = await _publish(parts, agent, PresenceState.ONLINE)
    response = json({"agent": _agent_json(parts, agent, state), "csrf": session.csrf})
    response.set_cookie(
        COOKIE,
        token,
        max_age=ABSOLUTE_MS // 1000,
        path="/",
        secure=parts.secure_cookies,
        httponly=True,
        samesite="lax",
    )
    return response


def _refuse_other_sites(request: Request) -> None:
    # There is no token yet before the sign-in, so another site could sign a browser in as somebody else.
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Problem(403, "csrf", "Sign in from the inbox's own page.")


async def _publish(parts: Inbox, agent: Agent, state: PresenceState) -> PresenceState:
    # Signing in and out works without Kafka; the answer then says offline, as everybody sees it.
    try:
        await parts.presences.put(agent, state)
    except BrokerUnavailable as error:
        log.warning("presence cannot be published: %s", error)
        return PresenceState.OFFLINE
    return state


@router.get("/session", responses=m.answers(m.SessionOut))
async def get_session(parts: InboxOf, who: Reader) -> Response:
    """The signed-in agent and the CSRF token."""
    state = parts.replicas.presence(who.agent.id, parts.clock())
    return json({"agent": _agent_json(parts, who.agent, state), "csrf": who.session.csrf})


@router.delete("/session", status_code=204)
async def sign_out(parts: InboxOf, who: Writer) -> Response:
    """Signs out; the agent is offline from now on."""
    await parts.sessions.close(who.session)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", secure=parts.secure_cookies, httponly=True, samesite="lax")
    await _publish(parts, who.agent, PresenceState.OFFLINE)
    return response


@router.put("/presence", responses=m.answers(m.PresenceOut))
async def put_presence(given: PresenceIn, parts: InboxOf, who: Writer) -> Response:
    """Sets the agent's presence."""
    await parts.presences.put(who.agent, given.state)
    return json({"state": given.state.value})


@router.get("/agents", responses=m.answers(m.Agents))
async def get_agents(parts: InboxOf, who: Reader) -> Response:
    """The agents who share a department with this one."""
    mine = set(who.agent.departments)
    agents = parts.replicas.known.directory.agents.values()
    found = [a for a in agents if a.tenant == who.agent.tenant and mine & set(a.departments)]
    found.sort(key=lambda a: (a.name, a.id))
    return json(
        {
            "agents": [
                {"id": a.id, "name": a.name, "departments": sorted(mine & set(a.departments))} for a in found
            ]
        }
    )


@router.get("/accounts", responses=m.answers(m.Accounts))
async def get_accounts(parts: InboxOf, who: Reader) -> Response:
    """The channel accounts of the agent's departments."""
    accounts = parts.replicas.known.directory.accounts.values()
    found = [a for a in accounts if a.tenant == who.agent.tenant and a.department in who.agent.departments]
    rows = [
        {"id": a.id, "channel": a.channel, "name": a.name or a.id, "department": a.department}
        for a in sorted(found, key=lambda a: a.id)
    ]
    return json({"accounts": rows})


@router.get("/accounts/{account_id}/capabilities", responses=m.PROFILE)
async def get_capabilities(account_id: str, parts: InboxOf, who: Reader) -> Response:
    """What a channel account can do."""
    known = parts.replicas.known
    account = known.directory.accounts.get(account_id)
    if account is None or account.tenant != who.agent.tenant:
        raise Problem(404, "unknown_account", "There is no such channel account.")
    profile = known.profile(account.id, account.channel)
    if profile is None:
        raise Problem(404, "not_found", "The channel's connector has not told yet what it can do.")
    return json(profile)
