"""What each event changes: case tables over the pure projection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.core import commands as k
from gateway.core import events as e
from gateway.core.actors import Actor, ActorKind, Owner, OwnerKind
from gateway.core.content import (
    Clear,
    Edit,
    Media,
    MediaKind,
    MediaRef,
    MediaState,
    Reaction,
    Sealed,
    Target,
    Text,
    Unsend,
)
from gateway.core.directory import AutoCompletion, OfflineMessage
from gateway.core.messages import Contact, InboundKind
from gateway.core.receipts import Fault, Problem, Rung, Verdict
from gateway.core.timers import TimerKind
from gateway.inbox.projection.present import Known, conversation_json, item_json
from gateway.inbox.projection.project import GapError, apply, needed, touched
from gateway.inbox.projection.rows import Rows
from gateway.inbox.projection.views import lists
from tests.core.build import (
    ACCOUNT,
    ADDRESS,
    ANN,
    BOB,
    CONVERSATION,
    DIRECTORY,
    FACTS,
    HOUR,
    PROFILE,
    ROBO,
    T0,
    WITH_BOT,
    Talk,
    command,
    inbound,
    message,
    receipt,
    send,
)

PROBLEM = Problem("window_closed", "", Fault.WINDOW, retry=False)
KNOWN = Known(DIRECTORY, {ACCOUNT: PROFILE})


def projected(events: list[e.ConversationEvent]) -> Rows:
    """All rows after these events."""
    rows = Rows()
    for event in events:
        apply(rows, event)
    assert rows.orphans == 0
    return rows


def talk(*given: Any, facts: Any = FACTS) -> Rows:
    """Rows of a conversation in which this happened."""
    spoken = Talk(facts)
    for n, one in enumerate(given):
        spoken.now = T0 + n * 1000
        spoken(one)
    return projected(spoken.events)


def views(rows: Rows) -> set[str]:
    """Names of the views that hold it."""
    return {key.split(":")[1] for key in lists(rows.summary)}


def codes(rows: Rows) -> list[str]:
    """What the items are, in order."""
    return [i["code"] if i["kind"] == "system" else f"<{i['from']}>" for _, i in sorted(rows.items.items())]


def item(rows: Rows, message_id: str) -> dict[str, Any]:
    """A message as the API shows it."""
    found = rows.find(message_id)
    assert found is not None
    return item_json(found, PROFILE)


MINE = (inbound(1), command(1, ANN, k.Accept()))

CASES: dict[str, tuple[tuple[Any, ...], list[str], set[str]]] = {
    "a contact writes": ((inbound(1),), ["opened", "<contact>"], {"all", "unassigned"}),
    "an agent accepts": (MINE, ["opened", "<contact>", "accepted"], {"all", "mine"}),
    "an agent assigns another": (
        (inbound(1), command(1, ANN, k.Assign("bob"))),
        ["opened", "<contact>", "assigned"],
        {"all", "mine"},
    ),
    "an agent answers": ((*MINE, send(2)), ["opened", "<contact>", "accepted", "<agent>"], {"all", "mine"}),
    "sent and completed": (
        (*MINE, command(2, ANN, k.SendMessage(Clear(Text("bye")), complete=True))),
        ["opened", "<contact>", "accepted", "<agent>", "sent_and_completed"],
        {"completed"},
    ),
    "ended": ((*MINE, command(2, ANN, k.End())), ["opened", "<contact>", "accepted", "ended"], {"completed"}),
    "reopened by the contact": (
        (*MINE, command(2, ANN, k.End()), inbound(2)),
        ["opened", "<contact>", "accepted", "ended", "reopened", "queued", "<contact>"],
        {"all", "unassigned"},
    ),
    "reopened by hand": (
        (*MINE, command(2, ANN, k.End()), command(3, BOB, k.Reopen())),
        ["opened", "<contact>", "accepted", "ended", "reopened", "assigned"],
        {"all", "mine"},
    ),
    "transferred": (
        (*MINE, command(2, ANN, k.Transfer("sales"))),
        ["opened", "<contact>", "accepted", "queued"],
        {"all", "unassigned"},
    ),
    "blocked": (
        (*MINE, command(2, ANN, k.Block())),
        ["opened", "<contact>", "accepted", "blocked", "ended"],
        {"blocked"},
    ),
    "a blocked contact writes": (
        (*MINE, command(2, ANN, k.Block()), inbound(2)),
        ["opened", "<contact>", "accepted", "blocked", "ended", "<contact>"],
        {"blocked"},
    ),
    "unblocked": (
        (*MINE, command(2, ANN, k.Block()), command(3, ANN, k.Unblock())),
        ["opened", "<contact>", "accepted", "blocked", "ended", "unblocked"],
        {"completed"},
    ),
    "a note": (
        (inbound(1), command(1, ANN, k.AddNote(Clear(Text("for us"))))),
        ["opened", "<contact>", "<note>"],
        {"all", "unassigned"},
    ),
    "the last message of a completed conversation fails": (
        (
            *MINE,
            command(2, ANN, k.SendMessage(Clear(Text("bye")), complete=True)),
            receipt(verdict=Verdict.FAILED, message_id=message(2), problem=PROBLEM),
        ),
        ["opened", "<contact>", "accepted", "<agent>", "sent_and_completed", "attention"],
        {"completed", "attention"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_happens_shows(name: str) -> None:
    given, items, held_in = CASES[name]
    rows = talk(*given)
    assert codes(rows) == items
    assert views(rows) == held_in


def test_a_bots_conversation_is_in_no_queue() -> None:
    rows = talk(inbound(1), facts=WITH_BOT)
    assert views(rows) == {"all"}


def test_the_summary_as_the_api_shows_it() -> None:
    rows = talk(inbound(1, at=T0 - 5))
    assert rows.summary is not None
    assert conversation_json(rows.summary, 1, KNOWN) == {
        "id": CONVERSATION,
        "channel": "testchannel",
        "account_id": "acc1",
        "account_name": "Acme",
        "department_id": "support",
        "department_name": "Support",
        "contact": {"name": "Lena", "address": ADDRESS, "username": None},
        "status": "open",
        "owner": {"kind": "queue", "id": "support", "name": "Support"},
        "epoch": 1,
        "episode": 1,
        "seq": 2,
        "blocked": False,
        "attention": False,
        "last": {"text": "hello 1", "at": T0, "from": "contact"},
        "last_at": T0,
        "waiting_since": T0,
        "opened_at": T0,
        "completes_at": None,
        "window_closes": T0 - 5 + 24 * HOUR,
        "unread": 1,
        "capabilities_ref": "acc1",
    }


def test_waiting_begins_with_the_first_unanswered_message_and_ends_with_the_answer() -> None:
    waiting = [
        talk(*given).summary["waiting_since"]  # type: ignore[index]
        for given in (
            (inbound(1),),
            (inbound(1), inbound(2)),
            (*MINE, send(2)),
            (*MINE, send(2), inbound(2)),
            (*MINE, command(2, ANN, k.End())),
        )
    ]
    assert waiting == [T0, T0, None, T0 + 3000, None]


def test_a_transfer_remembers_where_it_came_from() -> None:
    rows = talk(*MINE, command(2, ANN, k.Transfer("sales")))
    assert rows.summary is not None
    assert (rows.summary["department_id"], rows.summary["former_departments"]) == ("sales", ["support"])
    back = talk(*MINE, command(2, ANN, k.Transfer("sales")), command(3, ANN, k.Transfer("support")))
    assert back.summary is not None
    assert back.summary["former_departments"] == ["sales"]


def test_edit_reaction_and_unsend() -> None:
    first = inbound(1)
    target = Target(first.provider_message_id)
    rows = talk(first, inbound(2, Edit(target, Text("hello again"))))
    shown = item(rows, first.event_id)
    assert (shown["content"]["body"], shown["fallback"]) == ("hello again", "hello again")
    assert [h["body"] for h in shown["history"]] == ["hello 1"]
    assert shown["edited_at"] == T0
    assert rows.summary is not None
    assert rows.summary["last"]["text"] == "hello again"

    rows = talk(first, inbound(2, Reaction(target, "👍")), inbound(3, Reaction(target, "🎉")))
    assert item(rows, first.event_id)["reactions"] == [{"from": "contact", "emoji": "🎉"}]
    rows = talk(first, inbound(2, Reaction(target, "👍")), inbound(3, Reaction(target, None)))
    assert item(rows, first.event_id)["reactions"] == []

    rows = talk(first, inbound(2, Unsend(target)))
    assert item(rows, first.event_id)["unsent_at"] == T0
    assert rows.summary is not None
    assert rows.summary["last"]["text"] == ""


def test_news_of_a_file() -> None:
    pending = Media(MediaKind.IMAGE, MediaRef(MediaState.PENDING, "image/jpeg", provider_id="secret"), "look")
    first = inbound(1, pending)
    ready = MediaRef(MediaState.READY, "image/jpeg", url="https://files.example.org/1", size=10)
    news = inbound(2, kind=InboundKind.MEDIA, content=None, media=ready, media_of=first.event_id)
    before, after = (item(talk(*given), first.event_id)["content"] for given in ((first,), (first, news)))
    assert (before["kind"], before["caption"], before["media"]["state"]) == ("image", "look", "pending")
    assert "secret" not in str(before), "how the channel names a file is not for the screen"
    assert (after["media"]["state"], after["media"]["url"]) == ("ready", "https://files.example.org/1")


def test_sealed_content_leaves_a_placeholder() -> None:
    rows = talk(
        inbound(1, content=None, at=T0) if False else replace(inbound(1), content=Sealed("k", b"n", b"d"))
    )
    shown = item(rows, inbound(1).event_id)
    assert (shown["content"], shown["fallback"]) == ({"type": "hidden", "reason": "sealed"}, "")


def test_an_echo_is_from_the_operator() -> None:
    rows = talk(inbound(1), inbound(2, Text("from my phone"), kind=InboundKind.ECHO))
    assert codes(rows)[-1] == "<operator>"
    assert rows.summary is not None
    assert rows.summary["waiting_since"] is None


def test_a_change_of_the_contact_shows_in_the_list() -> None:
    rows = talk(inbound(1), inbound(2, contact=Contact(ADDRESS, "phone", "Lena B", "lena")))
    assert rows.summary is not None
    assert rows.summary["contact"] == {"name": "Lena B", "address": ADDRESS, "username": "lena"}


def test_sending_again_counts_attempts() -> None:
    failed = receipt(verdict=Verdict.FAILED, message_id=message(2), problem=PROBLEM)
    rows = talk(*MINE, send(2), failed, command(3, ANN, k.Resend(message(2))))
    shown = item(rows, message(2))
    assert (shown["attempts"], shown["status"]["shown"], shown["status"]["resend"]) == (2, "queued", None)
    arrived = receipt(Rung.DELIVERED, message_id=message(2), attempt=2)
    rows = talk(*MINE, send(2), failed, command(3, ANN, k.Resend(message(2))), arrived)
    assert item(rows, message(2))["status"]["shown"] == "delivered"


def test_an_event_is_applied_once_and_a_gap_is_told() -> None:
    spoken = Talk()
    spoken(inbound(1), inbound(2))
    opened, first, second = spoken.events
    rows = Rows()
    with pytest.raises(GapError):
        apply(rows, first)
    assert apply(rows, opened)
    assert apply(rows, first)
    assert not apply(rows, first)
    assert not apply(rows, opened)
    assert apply(rows, second)
    with pytest.raises(GapError) as caught:
        apply(rows, replace(second, seq=9))
    assert caught.value.place == (CONVERSATION, 9)


def test_what_is_loaded_is_what_is_named() -> None:
    spoken = Talk()
    spoken(*MINE, send(2), receipt(Rung.SENT, message_id=message(2)))
    rows = {type(event.happening).__name__: (needed(event), touched(event)) for event in spoken.events}
    received = inbound(1).event_id
    assert rows == {
        "ConversationOpened": (None, "#1"),
        "MessageReceived": (None, received),
        "OwnerChanged": (None, "#3"),
        "MessageQueued": (None, message(2)),
        "StatusChanged": (message(2), message(2)),
    }


def test_an_event_about_an_unknown_message_is_counted() -> None:
    rows = talk(inbound(1))
    assert rows.summary is not None
    event = Talk()
    event(inbound(1))
    unknown = e.ReactionChanged(Target("gone", None), "👍")
    apply(rows, replace(event.events[-1], seq=3, happening=unknown))
    assert rows.orphans == 1
    assert rows.seq == 3


@pytest.mark.parametrize("happening", e.Happening.__args__)  # type: ignore[attr-defined]
def test_every_happening_has_a_handler(happening: type) -> None:
    from gateway.inbox.projection.project import _HANDLERS

    assert happening in _HANDLERS


def test_a_handover_starts_the_wait() -> None:
    spoken = Talk(WITH_BOT)
    spoken(inbound(1))
    last = spoken.events[-1]
    rows = projected(spoken.events)
    assert rows.summary is not None
    rows.summary["waiting_since"] = None
    queue = Owner(OwnerKind.QUEUE, "support", "Support")
    bot = Actor(ActorKind.BOT, "robo", "Robo")
    handed = e.OwnerChanged(queue, Owner(OwnerKind.BOT, "robo", "Robo"), 2, e.OwnerChange.HANDED_OVER)
    apply(rows, replace(last, seq=last.seq + 1, occurred_at=T0 + 9, actor=bot, happening=handed))
    assert codes(rows)[-1] == "handed_over"
    assert rows.summary["waiting_since"] == T0 + 9
    assert rows.items[last.seq + 1]["params"]["self"] is False


RULE = Actor(ActorKind.RULE, "offline", "offline_message")
ASSIGNMENT = Actor(ActorKind.RULE, "assignment", "automatic_assignment")
COMPLETION = Actor(ActorKind.RULE, "completion", "auto_completion")
OFFER = k.OfferOffline("O6", "event", T0, {"hours": "in"})
NOT_SENT = k.RecordDecision("offline", "O7", "not_sent", "event", T0, {"hours": "in"})


def with_support(facts: Any = FACTS, **changes: Any) -> Any:
    """The facts with other settings of the department `support`."""
    department = replace(facts.directory.departments["support"], **changes)
    return replace(facts, directory=facts.directory.with_entity(department), ticket_number=8)


OFFLINE = with_support(offline=OfflineMessage(enabled=True, text="We are away.", ticket_first=True))
COMPLETING = with_support(completion=AutoCompletion(agent_after=HOUR, farewell="Bye"))

AUTOMATIC: dict[str, tuple[Any, tuple[Any, ...], list[str]]] = {
    "assigned by the rule (Y1)": (
        FACTS,
        (inbound(1), command(1, ASSIGNMENT, k.Assign("ann"), epoch=1)),
        ["assigned_automatically"],
    ),
    "an offline message with its ticket (Y5)": (
        OFFLINE,
        (inbound(1), command(1, RULE, OFFER, epoch=1)),
        ["ticket", "<automatic>"],
    ),
    "a decision not to send": (FACTS, (inbound(1), command(1, RULE, NOT_SENT)), []),
    "completed after silence, with a farewell (Y6)": (
        COMPLETING,
        (*MINE, send(2), command(3, COMPLETION, k.FireTimer(TimerKind.COMPLETION, 5))),
        ["<agent>", "<automatic>", "auto_completed"],
    ),
    "a bot hands over (Y9, Y10), and its outcome": (
        WITH_BOT,
        (
            inbound(1),
            command(1, ROBO, k.HandOver(k.HandOverReason.BOT_ASKED, anyway=True), epoch=1),
            command(2, RULE, k.RecordEscalation(e.Escalation.QUEUED)),
        ),
        ["handed_over"],
    ),
    "a ticket by hand (Y5)": (
        with_support(),
        (inbound(1), command(1, ANN, k.CreateTicket("Broken"))),
        ["ticket"],
    ),
}


@pytest.mark.parametrize("name", AUTOMATIC)
def test_what_happens_by_itself_shows(name: str) -> None:
    facts, given, expected = AUTOMATIC[name]
    spoken = Talk(facts)
    for one in given[:-1]:
        spoken(one)
    spoken.now = T0 + HOUR  # the last one may be a timer that is due
    assert spoken(given[-1]).outcome == "accepted"
    first = 2 if given[1] is not MINE[1] else 3
    rows = projected(spoken.events)
    assert codes(rows)[first:] == expected
    assert len(rows.changed) == len(rows.items), "nothing is shown that is not written"
    for event in spoken.events:
        shown = touched(event)
        assert shown is None or shown in {f"#{event.seq}", *rows.seq_of}


def test_the_feature_that_sent_is_the_sender() -> None:
    spoken = Talk(OFFLINE)
    rows = projected([*spoken(inbound(1)).events, *spoken(command(1, RULE, OFFER)).events])
    sent = next(i for i in rows.items.values() if i.get("from") == "automatic")
    assert sent["sender"] == {"id": "offline", "name": "offline_message"}
    assert rows.summary is not None
    assert rows.summary["last"]["from"] == "automatic"
    assert rows.summary["waiting_since"] == T0, "an automatic text answers nobody"


def test_a_ticket_is_found_by_its_number() -> None:
    first = inbound(1)
    rows = talk(first, command(1, ANN, k.CreateTicket("Broken", first.event_id)), facts=with_support())
    system = next(i for i in rows.items.values() if i.get("code") == "ticket")
    assert system["params"] == {"number": 8, "subject": "Broken", "message_id": first.event_id}
    assert rows.tickets == {
        8: {
            "number": 8,
            "subject": "Broken",
            "conversation_id": CONVERSATION,
            "message_id": first.event_id,
            "created_at": T0 + 1000,
            "by": {"kind": "agent", "id": "ann", "name": "Ann"},
        }
    }


def test_why_a_bot_handed_over_and_where_to() -> None:
    handed = command(1, ROBO, k.HandOver(k.HandOverReason.CONTACT_ASKED, "sales", anyway=True), epoch=1)
    rows = talk(inbound(1), handed, facts=WITH_BOT)
    system = next(i for i in rows.items.values() if i.get("code") == "handed_over")
    assert (system["params"]["reason"], system["params"]["department"]) == ("contact_asked", "sales")
    assert rows.summary is not None
    assert (rows.summary["department_id"], rows.summary["former_departments"]) == ("sales", ["support"])
    assert views(rows) == {"all", "unassigned"}


def test_when_it_will_complete_by_itself() -> None:
    completes = [
        talk(*given, facts=COMPLETING).summary["completes_at"]  # type: ignore[index]
        for given in (
            MINE,
            (*MINE, send(2)),
            (*MINE, send(2), inbound(2)),
            (*MINE, send(2), command(3, ANN, k.End())),
        )
    ]
    assert completes == [None, T0 + 2000 + HOUR, None, None]
