"""Sending: ownership, service window, limits, parts, and sending again (PRODUCT A4, A5, A9, S5, S9)."""

from __future__ import annotations

from gateway.core import commands as k
from gateway.core import events as e
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind, Owner, OwnerKind
from gateway.core.capabilities import (
    CapabilityProfile,
    Unit,
    check_sendable,
    check_window,
    window_closes,
)
from gateway.core.content import Body, Clear, Media, Target, Text
from gateway.core.conversation import ConversationStatus, SentMessage
from gateway.core.draft import Draft
from gateway.core.errors import Code, Refusal
from gateway.core.facts import Facts
from gateway.core.receipts import Shown
from gateway.core.text import length, split_text

_NOT_ANNOUNCED = Refusal(
    Code.UNKNOWN_ACCOUNT, "The channel account's connector has not announced it yet; start it."
)


def send_message(draft: Draft, action: k.SendMessage, facts: Facts) -> Refusal | None:
    """Queue a message: MessageQueued, one send request per part, and completion if asked for."""
    refusal = _may_send(draft)
    if refusal:
        return refusal
    # Everything is checked before the first event: a refused command leaves no trace.
    profile = facts.profile(draft.conversation.head.account_id)
    if profile is None:
        return _NOT_ANNOUNCED
    refusal = _check_content(draft, profile, action.content) or _check_reply(draft, profile, action.reply_to)
    if refusal:
        return refusal
    _take_over(draft)
    message_id = ids.message_id(draft.origin.cause)
    not_understood = draft.conversation.head.not_understood + 1 if action.not_understood else 0
    refusal = queue_message(
        draft, facts, action.content, message_id, reply_to=action.reply_to, not_understood=not_understood
    )
    if refusal is None and action.complete:
        draft.add(e.ConversationCompleted(e.Completion.SENT_AND_COMPLETED))
    return refusal


def queue_message(
    draft: Draft,
    facts: Facts,
    content: Body,
    message_id: str,
    actor: Actor | None = None,
    *,
    reply_to: Target | None = None,
    not_understood: int = 0,
) -> Refusal | None:
    """Add MessageQueued and one send request per part, if the channel takes the content now."""
    profile = facts.profile(draft.conversation.head.account_id)
    if profile is None:
        return _NOT_ANNOUNCED
    refusal = _check_content(draft, profile, content)
    if refusal:
        return refusal
    parts = split(profile, content)
    not_after = _not_after(draft, profile, content)
    queued = e.MessageQueued(message_id, content, len(parts), not_after, reply_to, not_understood)
    draft.add(queued, actor)
    _dispatch(draft, message_id, dict(enumerate(parts)), not_after)
    return None


def resend(draft: Draft, action: k.Resend, facts: Facts) -> Refusal | None:
    """Try the parts that did not go out again, under the same message."""
    profile = facts.profile(draft.conversation.head.account_id)
    if profile is None:
        return _NOT_ANNOUNCED
    message = draft.conversation.sent_message(action.message_id)
    content = action.content or (message.content if message else None)
    if message is None or content is None:
        return Refusal(Code.UNKNOWN_MESSAGE, "The message is too old to be sent again; write a new one.")
    refusal = _may_send(draft) or _check_failed(message, action) or _check_content(draft, profile, content)
    if refusal:
        return refusal
    _take_over(draft)
    parts = dict(enumerate(split(profile, content)))
    if action.content is None:
        parts = {n: body for n, body in parts.items() if message.part(n).shown in _AGAIN}
    not_after = _not_after(draft, profile, content)
    numbers = tuple(parts)
    draft.add(e.MessageResent(message.message_id, message.attempt + 1, numbers, not_after, action.content))
    _dispatch(draft, message.message_id, parts, not_after)
    return None


_AGAIN = (Shown.FAILED, Shown.EXPIRED, Shown.UNKNOWN)


def _check_failed(message: SentMessage, action: k.Resend) -> Refusal | None:
    if message.shown not in _AGAIN:
        return Refusal(Code.NOT_FAILED, "Only a message that failed can be sent again.")
    unknown = any(message.part(n).shown is Shown.UNKNOWN for n in range(message.parts))
    if unknown and not action.confirm_double:
        detail = "It is not known whether the message arrived; the contact may get it twice."
        return Refusal(Code.DOUBLE_RISK, detail, offer="confirm")
    return None


def _may_send(draft: Draft) -> Refusal | None:
    head, actor = draft.conversation.head, draft.origin.actor
    if head.blocked:
        return Refusal(Code.BLOCKED, "The contact is blocked; unblock them first.", offer="unblock")
    if actor.kind in (ActorKind.RULE, ActorKind.OPERATOR):
        return None
    if head.status is ConversationStatus.COMPLETED:
        if actor.kind is ActorKind.AGENT:
            return None  # an agent's reply reopens it (A9)
        return Refusal(Code.ALREADY_COMPLETED, "The conversation is completed.")
    if actor.id != head.owner.id:
        detail = f"Only the owner can send; it is {head.owner.name or head.owner.id} now."
        return Refusal(Code.NOT_OWNER, detail, offer="assign")
    return None


def _take_over(draft: Draft) -> None:
    head, actor = draft.conversation.head, draft.origin.actor
    if head.status is not ConversationStatus.COMPLETED or actor.kind is not ActorKind.AGENT:
        return
    draft.add(e.ConversationReopened(e.Reopening.REPLY))
    owner = Owner(OwnerKind.AGENT, actor.id, actor.name)
    if (head.owner.kind, head.owner.id) != (owner.kind, owner.id):
        draft.add(e.OwnerChanged(owner, head.owner, head.epoch + 1, e.OwnerChange.REPLIED))


def _check_content(draft: Draft, profile: CapabilityProfile, body: Body) -> Refusal | None:
    refusal = check_sendable(profile, body)
    if refusal or not isinstance(body, Clear):
        return refusal
    caption = body.content.caption if isinstance(body.content, Media) else None
    limit = profile.limit("caption")
    if caption and limit is not None and length(caption, Unit.CODE_POINTS) > limit:
        return Refusal(Code.CONTENT_TOO_LONG, f"The caption is longer than {limit} characters.")
    return check_window(profile, body.content, draft.conversation.head.contact_at, draft.now)


def _check_reply(draft: Draft, profile: CapabilityProfile, target: Target | None) -> Refusal | None:
    if target is None:
        return None
    if not profile.reply_to:
        return Refusal(Code.UNSUPPORTED_CONTENT, f"{profile.name} cannot quote a message.")
    known = draft.conversation.message_of(target.provider_id) if target.provider_id else None
    if known is None or known != target.message_id:
        return Refusal(Code.UNKNOWN_MESSAGE, "The quoted message is not known any more.")
    return None


def split(profile: CapabilityProfile, body: Body) -> tuple[Body, ...]:
    """The parts a message leaves in; joined they are the whole."""
    limit = next((limit for limit in profile.limits if limit.name == "text"), None)
    if limit is None or not isinstance(body, Clear) or not isinstance(body.content, Text):
        return (body,)
    text = body.content
    return tuple(Clear(Text(p, text.preview_url)) for p in split_text(text.body, limit.value, limit.unit))


def _not_after(draft: Draft, profile: CapabilityProfile, body: Body) -> int:
    latest = draft.now + profile.send_within
    free = isinstance(body, Clear) and not check_window(profile, body.content, None, draft.now)
    closes = window_closes(profile, draft.conversation.head.contact_at)
    return latest if free or closes is None else min(latest, closes)


def _dispatch(draft: Draft, message_id: str, parts: dict[int, Body], not_after: int) -> None:
    message = draft.conversation.sent_message(message_id)
    if message is None:
        raise ValueError("a message that was just queued must be known")
    draft.send(message, parts, not_after)
