"""`decide(state, input, now, facts)`: what an input leads to. Pure: same arguments, same decision."""

from __future__ import annotations

from dataclasses import replace

from gateway.core import events as e
from gateway.core.actors import Actor, ActorKind, Owner, OwnerKind
from gateway.core.commands import Command
from gateway.core.content import Body, Clear, Edit, Postback, Reaction, Target, Unsend, is_counted
from gateway.core.conversation import Conversation, ConversationStatus
from gateway.core.decide_commands import decide_command
from gateway.core.decide_receipts import decide_receipt
from gateway.core.decide_timers import settle_timers
from gateway.core.directory import Account, ReopenOwner
from gateway.core.draft import LOG, Decision, Draft, Origin
from gateway.core.facts import Facts
from gateway.core.hours import is_open
from gateway.core.messages import Contact, InboundEvent, InboundKind, Receipt


def decide(
    state: Conversation | None, given: InboundEvent | Receipt | Command, now: int, facts: Facts
) -> Decision:
    """Decide on one input. Raises UnknownAccountError when the facts do not cover it."""
    match given:
        case InboundEvent():
            return decide_inbound(state, given, now, facts)
        case Receipt():
            return decide_receipt(state, given, now)
        case Command():
            return decide_command(state, given, now, facts)


def decide_inbound(state: Conversation | None, event: InboundEvent, now: int, facts: Facts) -> Decision:
    """Decide on something a connector saw."""
    if state is not None and state.seq_of_cause(event.event_id) is not None:
        return Decision(state, "duplicate")
    if event.kind is InboundKind.TYPING:
        return Decision(state, "typing")
    draft = Draft(state, _origin(event, now))
    if state is None:
        _open(draft, event, facts)
    elif event.kind is not InboundKind.ECHO:
        _contact_changed(draft, event.contact)
    _INBOUND[event.kind](draft, event, facts)
    settle_timers(draft, facts)
    return draft.done("accepted")


def _origin(event: InboundEvent, now: int) -> Origin:
    contact = Actor(ActorKind.CONTACT, event.contact.address, event.contact.name or "")
    native = Actor(ActorKind.OPERATOR, "native_app", "")
    return Origin(
        event.conversation_id,
        event.tenant,
        event.channel,
        event.account_id,
        event.event_id,
        event.hops,
        now,
        native if event.kind is InboundKind.ECHO else contact,
    )


def _open(draft: Draft, event: InboundEvent, facts: Facts) -> None:
    account = facts.account(event.account_id)
    owner = _bot(account, facts) or _queue(account.department, facts)
    draft.add(e.ConversationOpened(event.contact, account.department, owner))


def _bot(account: Account, facts: Facts) -> Owner | None:
    bot = facts.directory.bots.get(account.bot or "")
    return Owner(OwnerKind.BOT, bot.id, bot.name) if bot else None


def _queue(department_id: str, facts: Facts) -> Owner:
    department = facts.directory.departments.get(department_id)
    return Owner(OwnerKind.QUEUE, department_id, department.name if department else department_id)


def _contact_changed(draft: Draft, contact: Contact) -> None:
    known = draft.conversation.head.contact
    merged = Contact(
        address=contact.address,
        address_kind=contact.address_kind,
        name=contact.name or known.name,
        username=contact.username or known.username,
        aliases=tuple(sorted({*known.aliases, *contact.aliases})),
    )
    if merged != known:
        draft.add(e.ContactChanged(merged))


def _message(draft: Draft, event: InboundEvent, facts: Facts) -> None:
    body = event.content
    if body is None:
        raise ValueError("a message needs content")
    content = body.content if isinstance(body, Clear) else None
    if isinstance(content, Reaction | Edit | Unsend):
        _about_another(draft, content, event)
        return
    counted = content is None or is_counted(content)
    head = draft.conversation.head
    if counted and head.status is ConversationStatus.COMPLETED and not head.blocked:
        _reopen(draft, facts)
    reply_to = _target(draft, Target(event.reply_to)) if event.reply_to else None
    received = e.MessageReceived(
        message_id=event.event_id,
        content=_resolved(draft, body),
        sent_at=event.occurred_at,
        provider_message_id=event.provider_message_id,
        reply_to=reply_to,
        counted=counted,
        context=event.context,
        received_at=event.received_at,
    )
    draft.add(received)


def _resolved(draft: Draft, body: Body) -> Body:
    # A picked option names the message that offered it by the channel's id; add ours.
    if isinstance(body, Clear) and isinstance(body.content, Postback) and body.content.target:
        return Clear(replace(body.content, target=_target(draft, body.content.target)))
    return body


def _target(draft: Draft, target: Target) -> Target:
    if target.message_id is None and target.provider_id is not None:
        return Target(target.provider_id, draft.conversation.message_of(target.provider_id))
    return target


def _about_another(draft: Draft, content: Reaction | Edit | Unsend, event: InboundEvent) -> None:
    target = _target(draft, content.target)
    match content:
        case Reaction(emoji=emoji):
            draft.add(e.ReactionChanged(target, emoji))
        case Edit(content=edited):
            draft.add(e.MessageEdited(target, Clear(edited), event.occurred_at))
        case Unsend():
            draft.add(e.MessageUnsent(target, event.occurred_at))


def _reopen(draft: Draft, facts: Facts) -> None:
    draft.add(e.ConversationReopened(e.Reopening.MESSAGE))
    head = draft.conversation.head
    owner = reopen_owner(draft.conversation, facts, draft.now)
    draft.add(e.OwnerChanged(owner, head.owner, head.epoch + 1, e.OwnerChange.REOPENED), LOG)


def reopen_owner(conversation: Conversation, facts: Facts, now: int) -> Owner:
    """Who owns a conversation that the contact reopens (PRODUCT A8): the last agent if online and inside hours,
    else the bot, else the queue; the department's setting may leave out the agent, or agent and bot."""
    head = conversation.head
    department = facts.directory.departments.get(head.department_id)
    rule = department.reopen_owner if department else ReopenOwner.QUEUE
    last = head.last_agent
    hours = department.hours if department else None
    inside = hours is None or is_open(hours, now)
    if rule is ReopenOwner.LAST_AGENT and last and last.id in facts.online and inside:
        agent = facts.directory.agents.get(last.id)
        if agent and head.department_id in agent.departments:
            return Owner(OwnerKind.AGENT, agent.id, agent.name)
    account = facts.directory.accounts.get(head.account_id)
    if rule is not ReopenOwner.QUEUE and account:
        bot = _bot(account, facts)
        if bot:
            return bot
    return _queue(head.department_id, facts)


def _echo(draft: Draft, event: InboundEvent, facts: Facts) -> None:
    body = event.content
    if body is None:
        raise ValueError("an echo needs content")
    if isinstance(body, Clear) and isinstance(body.content, Reaction | Edit | Unsend):
        _about_another(draft, body.content, event)
        return
    reply_to = _target(draft, Target(event.reply_to)) if event.reply_to else None
    echoed = e.MessageEchoed(event.event_id, body, event.occurred_at, event.provider_message_id, reply_to)
    draft.add(echoed)


def _media(draft: Draft, event: InboundEvent, facts: Facts) -> None:
    if event.media is None or event.media_of is None:
        raise ValueError("news of a file needs the file and its message")
    draft.add(e.MediaChanged(event.media_of, event.media))


def _chat_opened(draft: Draft, event: InboundEvent, facts: Facts) -> None:
    draft.add(e.ChatOpened(event.occurred_at))


def _identity(draft: Draft, event: InboundEvent, facts: Facts) -> None:
    pass  # the contact itself was compared already


_INBOUND = {
    InboundKind.MESSAGE: _message,
    InboundKind.ECHO: _echo,
    InboundKind.MEDIA: _media,
    InboundKind.OPENED: _chat_opened,
    InboundKind.IDENTITY: _identity,
}
