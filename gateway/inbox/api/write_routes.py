"""What agents do: each request becomes a command, and the log's answer its response."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.core import commands as k
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind
from gateway.core.commands import Action, Command, CommandResult
from gateway.core.content import Clear, Note, Target
from gateway.inbox import metrics
from gateway.inbox.api import models as m
from gateway.inbox.api.context import Inbox, InboxOf, Reader, Who, Writer, json, visible
from gateway.inbox.api.problems import Problem, invalid, refused
from gateway.inbox.api.read_routes import message_item
from gateway.inbox.content_json import ContentError, Row, parse_content
from gateway.inbox.cursors import cursor_bytes
from gateway.inbox.projection.present import conversation_json
from gateway.inbox.projection.writing import put_cursors
from gateway.wire.framing import decode
from gateway.wire.headers import headers_for

router = APIRouter(tags=["commands"])

VISIBLE_SECONDS = 2.0


class Write(BaseModel):
    """Every write names itself; repeating it with the same `client_id` is harmless."""

    client_id: UUID


class OwnedWrite(Write):
    """`epoch` is the ownership the agent saw; without it the newest that this server knows."""

    epoch: int | None = Field(None, ge=1)


class MessageIn(OwnedWrite):
    """A message to the contact; `reply_to` is the id of the quoted message."""

    content: dict[str, Any]
    reply_to: str | None = None
    complete: bool = False


class AssignIn(OwnedWrite):
    """Who is to own the conversation."""

    agent_id: str


class TransferIn(OwnedWrite):
    """Whose queue it goes to."""

    department_id: str


class NoteIn(Write):
    """A note between agents."""

    body: str = Field(min_length=1, max_length=20_000)


class TicketIn(Write):
    """What the ticket is about; `message_id` makes it of one message."""

    subject: str = Field(min_length=1, max_length=200)
    message_id: str | None = None


class ResendIn(Write):
    """Sends a failed message again; `confirm_double` after an unknown outcome, `content` in its place."""

    confirm_double: bool = False
    content: dict[str, Any] | None = None


class ReadIn(BaseModel):
    """Everything up to `seq` was read."""

    seq: int = Field(ge=0)


@router.post("/conversations/{conversation_id}/messages", responses=m.COMMAND)
async def send_message(conversation_id: str, given: MessageIn, parts: InboxOf, who: Writer) -> Response:
    """Sends a message; only the owner may. With `complete` the conversation ends with it."""
    await visible(parts, who.agent, conversation_id)
    content = _content(given.content)
    target = await _target(parts, conversation_id, given.reply_to) if given.reply_to else None
    action = k.SendMessage(content, target, given.complete)
    return await _run(parts, who, conversation_id, given.client_id, action, given.epoch)


def _content(value: dict[str, Any]) -> Clear:
    try:
        return Clear(parse_content(value))
    except ContentError as error:
        raise invalid(str(error)) from None


async def _target(parts: Inbox, conversation_id: str, message_id: str) -> Target:
    item = await message_item(parts, conversation_id, message_id)
    provider_id = item["provider_id"]
    return Target(str(provider_id) if provider_id else None, message_id)


@router.post("/conversations/{conversation_id}/messages/{message_id}/resend", responses=m.COMMAND)
async def resend(
    conversation_id: str, message_id: str, given: ResendIn, parts: InboxOf, who: Writer
) -> Response:
    """Tries a failed message again."""
    await visible(parts, who.agent, conversation_id)
    await message_item(parts, conversation_id, message_id)
    content = _content(given.content) if given.content else None
    action = k.Resend(message_id, given.confirm_double, content)
    return await _run(parts, who, conversation_id, given.client_id, action, None)


@router.post("/conversations/{conversation_id}/assign", responses=m.COMMAND)
async def assign(conversation_id: str, given: AssignIn, parts: InboxOf, who: Writer) -> Response:
    """Gives the conversation to an agent."""
    epoch = await _epoch(parts, who, conversation_id, given)
    return await _run(parts, who, conversation_id, given.client_id, k.Assign(given.agent_id), epoch)


@router.post("/conversations/{conversation_id}/transfer", responses=m.COMMAND)
async def transfer(conversation_id: str, given: TransferIn, parts: InboxOf, who: Writer) -> Response:
    """Puts the conversation into a department's queue."""
    epoch = await _epoch(parts, who, conversation_id, given)
    return await _run(parts, who, conversation_id, given.client_id, k.Transfer(given.department_id), epoch)


@router.post("/conversations/{conversation_id}/accept", responses=m.COMMAND)
async def accept(conversation_id: str, given: OwnedWrite, parts: InboxOf, who: Writer) -> Response:
    """Takes the conversation from the queue."""
    await visible(parts, who.agent, conversation_id)
    return await _run(parts, who, conversation_id, given.client_id, k.Accept(), given.epoch)


async def _end(conversation_id: str, given: OwnedWrite, parts: InboxOf, who: Writer) -> Response:
    """Completes the conversation without a message."""
    epoch = await _epoch(parts, who, conversation_id, given)
    return await _run(parts, who, conversation_id, given.client_id, k.End(), epoch)


# Two names of one act: the specification has both.
router.post("/conversations/{conversation_id}/end", name="end", responses=m.COMMAND)(_end)
router.post("/conversations/{conversation_id}/complete", name="complete", responses=m.COMMAND)(_end)


@router.post("/conversations/{conversation_id}/reopen", responses=m.COMMAND)
async def reopen(conversation_id: str, given: Write, parts: InboxOf, who: Writer) -> Response:
    """Opens a completed conversation by hand."""
    await visible(parts, who.agent, conversation_id)
    return await _run(parts, who, conversation_id, given.client_id, k.Reopen(), None)


@router.post("/conversations/{conversation_id}/block", responses=m.COMMAND)
async def block(conversation_id: str, given: Write, parts: InboxOf, who: Writer) -> Response:
    """Blocks the contact."""
    await visible(parts, who.agent, conversation_id)
    return await _run(parts, who, conversation_id, given.client_id, k.Block(), None)


@router.post("/conversations/{conversation_id}/unblock", responses=m.COMMAND)
async def unblock(conversation_id: str, given: Write, parts: InboxOf, who: Writer) -> Response:
    """Unblocks the contact."""
    await visible(parts, who.agent, conversation_id)
    return await _run(parts, who, conversation_id, given.client_id, k.Unblock(), None)


@router.post("/conversations/{conversation_id}/ticket", responses=m.COMMAND)
async def ticket(conversation_id: str, given: TicketIn, parts: InboxOf, who: Writer) -> Response:
    """Makes a ticket of the conversation, or of one of its messages; its number is in the system message."""
    await visible(parts, who.agent, conversation_id)
    if given.message_id is not None:
        await message_item(parts, conversation_id, given.message_id)
    action = k.CreateTicket(given.subject, given.message_id)
    return await _run(parts, who, conversation_id, given.client_id, action, None)


@router.post("/conversations/{conversation_id}/note", responses=m.COMMAND)
async def note(conversation_id: str, given: NoteIn, parts: InboxOf, who: Writer) -> Response:
    """Adds a note between agents; it never leaves the gateway."""
    await visible(parts, who.agent, conversation_id)
    action = k.AddNote(Clear(Note(given.body)))
    return await _run(parts, who, conversation_id, given.client_id, action, None)


@router.post("/conversations/{conversation_id}/read", responses=m.answers(m.Conversation))
async def read(conversation_id: str, given: ReadIn, parts: InboxOf, who: Writer) -> Response:
    """Notes how far the agent has read; it never goes back."""
    summary, _ = await visible(parts, who.agent, conversation_id)
    seq, now = min(given.seq, summary["seq"]), parts.clock()
    key = f"{who.agent.id}:{conversation_id}"
    await parts.producer.send(
        parts.catalogue.agent_cursors,
        key.encode(),
        cursor_bytes(who.agent.id, conversation_id, seq, now),
        headers_for(f"{key}:{seq}", "gateway.v1.AgentCursor", "inbox", key, now),
    )
    await put_cursors(parts.store, [(who.agent.id, conversation_id, seq)])
    await parts.live.tell_agent(who.agent.id, conversation_id)
    summary, unread = await visible(parts, who.agent, conversation_id)
    return json(conversation_json(summary, unread, parts.replicas.known))


@router.get("/commands/{command_id}", responses=m.COMMAND)
async def get_command(command_id: str, parts: InboxOf, who: Reader) -> Response:
    """The result of a command of the last day."""
    kept = await parts.store.result(command_id)
    if kept is None:
        raise Problem(404, "not_found", "There is no result of such a command, or not yet.")
    result = decode(kept, CommandResult)
    await visible(parts, who.agent, result.conversation_id)
    return _answer(result)


async def _epoch(parts: Inbox, who: Who, conversation_id: str, given: OwnedWrite) -> int:
    summary, _ = await visible(parts, who.agent, conversation_id)
    return given.epoch if given.epoch is not None else int(summary["epoch"])


async def _run(
    parts: Inbox, who: Who, conversation_id: str, client_id: UUID, action: Action, epoch: int | None
) -> Response:
    agent = who.agent
    command = Command(
        command_id=ids.client_command_id(conversation_id, agent.id, str(client_id)),
        conversation_id=conversation_id,
        tenant=agent.tenant,
        actor=Actor(ActorKind.AGENT, agent.id, agent.name),
        action=action,
        issued_at=parts.clock(),
        cause=str(client_id),
        epoch=epoch,
    )
    result = await parts.desk.run(command)
    if result is None:
        return json({"command_id": command.command_id}, 202)
    metrics.COMMANDS.labels("accepted" if result.accepted else "refused").inc()
    if result.accepted and result.seq is not None:
        await _until_visible(parts, conversation_id, result.seq)
    return _answer(result)


async def _until_visible(parts: Inbox, conversation_id: str, seq: int) -> None:
    """Waits until what the command did can be read, so that the next request builds on it; not for ever."""
    deadline = asyncio.get_running_loop().time() + VISIBLE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        found = await parts.store.summaries([conversation_id], "")
        if found and found[0][0]["seq"] >= seq:
            return
        await parts.live.moved(0.1)


def _answer(result: CommandResult) -> Response:
    if not result.accepted:
        raise refused(result.code or "refused", result.detail or "The command was refused.", result.offer)
    body: Row = {
        "command_id": result.command_id,
        "accepted": True,
        "seq": result.seq,
        "message_id": result.message_id,
    }
    return json(body)
