"""Made-up accounts, conversations and messages of the size that real ones have. Pure but for the password's hash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from connectors.whatsapp import CONNECTOR
from gateway.conversation_log.state import encode_part, seen_key, sent_key
from gateway.core import commands as k
from gateway.core import ids
from gateway.core.actors import Actor, ActorKind
from gateway.core.content import Clear, Text
from gateway.core.conversation import Conversation
from gateway.core.decide import decide
from gateway.core.directory import Account, Agent, Department, Directory, Entity, Role
from gateway.core.events import ConversationEvent
from gateway.core.facts import Facts
from gateway.core.messages import Contact, InboundEvent, InboundKind, Receipt, ReceiptSource
from gateway.core.receipts import Rung
from gateway.inbox.passwords import hash_password

TENANT, CHANNEL, ACCOUNT, DEPARTMENT, AGENT = "bench", "whatsapp", "wa-bench", "support", "ann"
EMAIL, PASSWORD = "ann@example.com", "bench-password"
NUMBER = "305511998877665"
APP_SECRET = "bench-app-secret"  # noqa: S105
SECRETS = {
    "GATEWAY_BENCH_TOKEN": "bench-token",
    "GATEWAY_BENCH_SECRET": APP_SECRET,
    "GATEWAY_BENCH_VERIFY": "bench-verify",
}
PHONES = 4_915_200_000_000
SENT = 8
"""Messages of ours in a seeded conversation; each can get two receipts."""
TEXT = "Where is my parcel? It should have been here on Monday, and the tracking page shows nothing. "
"""With it an inbound record has about 600 bytes, headers included."""

_ANN = Actor(ActorKind.AGENT, AGENT, "Ann")


@cache
def entities() -> tuple[Entity, ...]:
    """The directory."""
    credentials = {
        "access_token": "env:GATEWAY_BENCH_TOKEN",
        "app_secret": "env:GATEWAY_BENCH_SECRET",
        "verify_token": "env:GATEWAY_BENCH_VERIFY",
    }
    password = hash_password(PASSWORD)
    return (
        Department(DEPARTMENT, TENANT, "Support"),
        Agent(AGENT, TENANT, "Ann", EMAIL, (DEPARTMENT,), Role.AGENT, password),
        Account(
            ACCOUNT,
            TENANT,
            CHANNEL,
            DEPARTMENT,
            "Bench",
            api_base="http://127.0.0.1:9/whatsapp",  # nothing listens there: a benchmark sends to nobody
            credentials=credentials,
            settings={"phone_number_id": NUMBER},
        ),
    )


@cache
def facts() -> Facts:
    """The same for `decide`."""
    directory = Directory()
    for entity in entities():
        directory = directory.with_entity(entity)
    return Facts(directory, {ACCOUNT: CONNECTOR.profile}, frozenset({AGENT}))


def phone(number: int) -> str:
    """The address of contact `number`."""
    return str(PHONES + number)


def conversation_id(number: int) -> str:
    """The conversation with contact `number`."""
    return ids.conversation_id(TENANT, CHANNEL, ACCOUNT, phone(number))


def inbound(number: int, message: int, now: int) -> InboundEvent:
    """Contact `number` writes."""
    provider_id = f"wamid.B{number:08}M{message:08}"
    return InboundEvent(
        event_id=ids.inbound_id(CHANNEL, ACCOUNT, provider_id),
        conversation_id=conversation_id(number),
        tenant=TENANT,
        channel=CHANNEL,
        account_id=ACCOUNT,
        kind=InboundKind.MESSAGE,
        contact=Contact(phone(number), "phone", "Lena Vogt"),
        occurred_at=now,
        received_at=now,
        content=Clear(Text(TEXT)),
        provider_message_id=provider_id,
    )


def command(number: int, name: str, action: k.Action, now: int) -> k.Command:
    """The agent acts on conversation `number`."""
    identifier = ids.derive("bench", str(number), name)
    return k.Command(identifier, conversation_id(number), TENANT, _ANN, action, now, identifier)


def send(number: int, message: int, now: int) -> k.Command:
    """The agent answers."""
    return command(number, f"send {message}", k.SendMessage(Clear(Text(TEXT))), now)


def receipt(number: int, which: int, now: int) -> Receipt:
    """News of a message that the seeded conversation holds; `which` counts through messages and rungs."""
    rung = (Rung.DELIVERED, Rung.READ)[which // SENT % 2]
    # The seeded conversations are copies of number 0, with its messages.
    message_id = ids.message_id(send(0, which % SENT, now).command_id)
    return Receipt(
        receipt_id=ids.receipt_id(CHANNEL, ACCOUNT, f"{number}-{which}", rung.value),
        conversation_id=conversation_id(number),
        tenant=TENANT,
        channel=CHANNEL,
        account_id=ACCOUNT,
        source=ReceiptSource.WEBHOOK,
        occurred_at=now,
        received_at=now,
        message_id=message_id,
        provider_message_id=f"wamid.OUT{number:08}{which:08}",
        rung=rung,
    )


@dataclass(frozen=True, slots=True)
class Story:
    """A conversation that was decided step by step, and every event of it."""

    conversation: Conversation
    events: tuple[ConversationEvent, ...]


def story(now: int, rungs: Sequence[Rung] = (Rung.SENT,)) -> Story:
    """Number 0: the contact writes, the agent takes it and answers, the answers reach these rungs."""
    given: list[InboundEvent | k.Command | Receipt] = [inbound(0, 0, now)]
    given.append(command(0, "assign", k.Assign(AGENT), now))
    given += [send(0, n, now) for n in range(SENT)]
    given += [replace(receipt(0, n, now), rung=rung) for rung in rungs for n in range(SENT)]
    state: Conversation | None = None
    events: list[ConversationEvent] = []
    for one in given:
        decision = decide(state, one, now, facts())
        if not decision.events:
            raise ValueError(f"the seed was not accepted: {decision.outcome} {decision.result}")
        state = decision.conversation
        events += decision.events
    if state is None:
        raise ValueError("the seed opened no conversation")
    return Story(state, tuple(events))


def state_records(numbers: Iterator[int] | range, now: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of `cg.conversation-state` for these conversations: a head and its blocks each."""
    found = story(now).conversation
    seen = [encode_part(block) for block in found.seen]
    sent = [encode_part(block) for block in found.sent]
    for number in numbers:
        identifier = conversation_id(number)
        contact = Contact(phone(number), "phone", "Lena Vogt")
        head = replace(found.head, conversation_id=identifier, contact=contact)
        key = identifier.encode()
        yield key, encode_part(head)
        for n, block in enumerate(seen, head.seen_from):
            yield seen_key(key, n), block
        for n, block in enumerate(sent, head.sent_from):
            yield sent_key(key, n), block


def story_records(number: int, events: Sequence[ConversationEvent]) -> Iterator[ConversationEvent]:
    """The events of number 0 as those of another conversation."""
    identifier = conversation_id(number)
    for event in events:
        happening = event.happening
        message_id = getattr(happening, "message_id", None)
        if message_id is not None:
            happening = _changed(happening, message_id=f"{message_id[:-8]}{number:08x}")
        yield replace(
            event,
            event_id=ids.event_id(identifier, event.seq),
            conversation_id=identifier,
            happening=happening,
        )


def event_records(number: int, messages: int, now: int) -> Iterator[ConversationEvent]:
    """A whole conversation of the log: opened, then so many messages of the contact."""
    opened = story_opened(now)
    identifier = conversation_id(number)
    contact = Contact(phone(number), "phone", "Lena Vogt")
    for seq in range(1, messages + 2):
        template = opened[0] if seq == 1 else opened[1]
        happening = template.happening
        cause = ids.inbound_id(CHANNEL, ACCOUNT, f"{number}-{seq}")
        if seq == 1:
            happening = _changed(happening, contact=contact)
        else:
            happening = _changed(happening, message_id=cause, provider_message_id=f"{number}-{seq}")
        yield replace(
            template,
            event_id=ids.event_id(identifier, seq),
            conversation_id=identifier,
            seq=seq,
            cause=cause,
            happening=happening,
        )


def _changed(happening: Any, **changes: Any) -> Any:
    return replace(happening, **changes)


@cache
def story_opened(now: int) -> tuple[ConversationEvent, ConversationEvent]:
    """The two events that a first message makes."""
    opened, received = decide(None, inbound(0, 0, now), now, facts()).events
    return opened, received
