"""Why something happened by itself in a conversation (PRODUCT X3)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from aiokafka.errors import KafkaError
from fastapi import APIRouter
from starlette.responses import Response

from gateway.bus.producer import BrokerUnavailable
from gateway.explain import explain, read_conversation
from gateway.inbox.api import models as m
from gateway.inbox.api.context import InboxOf, Reader, json, visible
from gateway.inbox.api.problems import Problem

router = APIRouter(tags=["explain"])

READ_SECONDS = 15.0
CLOCK_SLACK_MS = 3_600_000
"""By how much the broker's time of a record may lie before the log's time of its event."""


class ActOut(m.Model):
    """One automatic act or recorded decision. `about` = seq of the event that was judged."""

    seq: int
    at: int
    rule: str
    act: str
    row: str | None
    outcome: str | None
    about: int | None
    decided_at: int | None
    facts: dict[str, str]
    text: str
    details: str


class Explanation(m.Model):
    """Every automatic act of a conversation, oldest first, in words of the agent's language."""

    conversation_id: str
    acts: list[ActOut]


@router.get("/conversations/{conversation_id}/explain", responses=m.answers(Explanation))
async def get_explanation(
    conversation_id: str, parts: InboxOf, who: Reader, language: str | None = None
) -> Response:
    """What happened by itself and why; read from the log, so it may take some seconds."""
    summary, _ = await visible(parts, who.agent, conversation_id)
    since = max(0, int(summary["opened_at"]) - CLOCK_SLACK_MS)
    try:
        async with asyncio.timeout(READ_SECONDS), parts.explaining:
            events = await read_conversation(
                parts.bootstrap, parts.catalogue, conversation_id, since=since, last=int(summary["seq"])
            )
    except KafkaError as error:
        raise BrokerUnavailable(repr(error)) from error
    except TimeoutError:
        detail = "Reading the conversation's events took too long; try again, or use `gateway explain`."
        raise Problem(503, "unavailable", detail, retry_after=5) from None
    acts = [asdict(act) for act in explain(events, language or who.agent.locale)]
    return json({"conversation_id": conversation_id, "acts": acts})
