"""Cases of `decide`: what each input leads to, by table (PRODUCT A, M, S for any channel)."""

from __future__ import annotations

import pytest

from gateway.core import commands as k
from gateway.core.content import (
    Clear,
    Edit,
    Media,
    MediaKind,
    MediaRef,
    MediaState,
    Note,
    Postback,
    Reaction,
    Target,
    Template,
    Text,
    Unsend,
)
from gateway.core.conversation import ConversationStatus
from gateway.core.directory import Account, Department, ReopenOwner
from gateway.core.events import OwnerChange, OwnerChanged
from gateway.core.facts import Facts, UnknownAccountError
from gateway.core.messages import Contact, InboundKind
from gateway.core.receipts import Basis, Rung, Shown, Verdict
from tests.core.build import (
    ACCOUNT,
    ADDRESS,
    ANN,
    BOB,
    CHANNEL,
    DIRECTORY,
    FACTS,
    HOUR,
    PROFILE,
    ROBO,
    SAL,
    T0,
    TENANT,
    WITH_BOT,
    Talk,
    command,
    inbound,
    message,
    names,
    receipt,
    send,
)

ASSIGN_ANN = command(101, ANN, k.Assign("ann"))
ASSIGN_BOB = command(102, BOB, k.Assign("bob"))
ACCEPT_ANN = command(103, ANN, k.Accept())
END_ANN = command(104, ANN, k.End())
MINE = (inbound(1), ASSIGN_ANN)
DONE = (*MINE, END_ANN)

CASES = [
    # id, facts, what came before, input, events, outcome
    ("first message opens", FACTS, (), inbound(1), ["ConversationOpened", "MessageReceived"], "accepted"),
    ("a repeat changes nothing", FACTS, (inbound(1),), inbound(1), [], "duplicate"),
    ("second message", FACTS, (inbound(1),), inbound(2), ["MessageReceived"], "accepted"),
    ("new name is kept", FACTS, (inbound(1),), inbound(2, contact=Contact(ADDRESS, "phone", "Lena V.")),
     ["ContactChanged", "MessageReceived"], "accepted"),
    ("typing leaves no trace", FACTS, (inbound(1),), inbound(2, kind=InboundKind.TYPING), [], "typing"),
    ("chat opened", FACTS, (inbound(1),), inbound(2, kind=InboundKind.OPENED, content=None), ["ChatOpened"], "accepted"),
    ("reaction", FACTS, (inbound(1),), inbound(2, Reaction(Target("in1"), "👍")), ["ReactionChanged"], "accepted"),
    ("edit", FACTS, (inbound(1),), inbound(2, Edit(Target("in1"), Text("new"))), ["MessageEdited"], "accepted"),
    ("unsend", FACTS, (inbound(1),), inbound(2, Unsend(Target("in1"))), ["MessageUnsent"], "accepted"),
    ("echo of the native app", FACTS, (inbound(1),), inbound(2, kind=InboundKind.ECHO), ["MessageEchoed"], "accepted"),
    ("message reopens", FACTS, DONE, inbound(2),
     ["ConversationReopened", "OwnerChanged", "MessageReceived"], "accepted"),
    ("reaction does not reopen", FACTS, DONE, inbound(2, Reaction(Target("in1"), "x")), ["ReactionChanged"], "accepted"),
    ("postback reopens", FACTS, DONE, inbound(2, Postback("a", "A")),
     ["ConversationReopened", "OwnerChanged", "MessageReceived"], "accepted"),
    ("assign to me", FACTS, (inbound(1),), ASSIGN_ANN, ["OwnerChanged"], "accepted"),
    ("assign another", FACTS, MINE, command(1, ANN, k.Assign("bob")), ["OwnerChanged"], "accepted"),
    ("assign twice", FACTS, MINE, command(1, ANN, k.Assign("ann")), [], "refused:already_owner"),
    ("assign outside the department", FACTS, MINE, command(1, ANN, k.Assign("sal")), [], "refused:forbidden"),
    ("assign a stranger", FACTS, MINE, command(1, ANN, k.Assign("zoe")), [], "refused:unknown_agent"),
    ("assign when completed", FACTS, DONE, command(1, ANN, k.Assign("bob")), [], "refused:already_completed"),
    ("act outside the department", FACTS, (inbound(1),), command(1, SAL, k.Accept()), [], "refused:forbidden"),
    ("accept from the queue", FACTS, (inbound(1),), ACCEPT_ANN, ["OwnerChanged"], "accepted"),
    ("accept twice", FACTS, (inbound(1), ACCEPT_ANN), command(1, ANN, k.Accept()), [], "refused:already_owner"),
    ("two accept at once", FACTS, (inbound(1), ACCEPT_ANN), command(1, BOB, k.Accept()), [], "refused:already_taken"),
    ("two assign at once", FACTS, (inbound(1), ASSIGN_ANN), command(1, BOB, k.Assign("bob"), epoch=1), [],
     "refused:stale_epoch"),
    ("accept from a bot", WITH_BOT, (inbound(1),), ACCEPT_ANN, [], "refused:already_taken"),
    ("take over from a bot", WITH_BOT, (inbound(1),), ASSIGN_ANN, ["OwnerChanged"], "accepted"),
    ("transfer", FACTS, MINE, command(1, ANN, k.Transfer("sales")), ["OwnerChanged"], "accepted"),
    ("transfer to nowhere", FACTS, MINE, command(1, ANN, k.Transfer("x")), [], "refused:unknown_department"),
    ("transfer into the same queue", FACTS, (inbound(1),), command(1, ANN, k.Transfer("support")), [],
     "refused:already_owner"),
    ("owner sends", FACTS, MINE, send(1), ["MessageQueued"], "accepted"),
    ("bot sends", WITH_BOT, (inbound(1),), send(1, actor=ROBO, epoch=1), ["MessageQueued"], "accepted"),
    ("bot without an epoch", WITH_BOT, (inbound(1),), send(1, actor=ROBO), [], "refused:stale_epoch"),
    ("late bot", WITH_BOT, (inbound(1), ASSIGN_ANN), send(1, actor=ROBO, epoch=2), [], "refused:not_owner"),
    ("late bot of an old epoch", WITH_BOT, (inbound(1), ASSIGN_ANN), send(1, actor=ROBO, epoch=1), [],
     "refused:stale_epoch"),
    ("not the owner", FACTS, MINE, send(1, actor=BOB), [], "refused:not_owner"),
    ("unassigned", FACTS, (inbound(1),), send(1), [], "refused:not_owner"),
    ("empty text", FACTS, MINE, send(1, "  "), [], "refused:empty_content"),
    ("a note never leaves", FACTS, MINE, command(1, ANN, k.SendMessage(Clear(Note("psst")))), [],
     "refused:unsupported_content"),
    ("unknown file type", FACTS, MINE, command(1, ANN, k.SendMessage(Clear(Media(MediaKind.IMAGE,
     MediaRef(MediaState.READY, "image/heic"))))), [], "refused:unsupported_content"),
    ("file too large", FACTS, MINE, command(1, ANN, k.SendMessage(Clear(Media(MediaKind.IMAGE,
     MediaRef(MediaState.READY, "image/jpeg", size=1001))))), [], "refused:content_too_long"),
    ("caption too long", FACTS, MINE, command(1, ANN, k.SendMessage(Clear(Media(MediaKind.IMAGE,
     MediaRef(MediaState.READY, "image/jpeg", size=5), "c" * 11)))), [], "refused:content_too_long"),
    ("reply to a message", FACTS, MINE, send(1, reply_to=Target("in1", inbound(1).event_id)), ["MessageQueued"], "accepted"),
    ("reply to a forged pair", FACTS, MINE, send(1, reply_to=Target("in1", "other")), [], "refused:unknown_message"),
    ("reply to the unknown", FACTS, MINE, send(1, reply_to=Target("in9", inbound(9).event_id)), [],
     "refused:unknown_message"),
    ("send and complete", FACTS, MINE, send(1, complete=True), ["MessageQueued", "ConversationCompleted"], "accepted"),
    ("end", FACTS, MINE, END_ANN, ["ConversationCompleted"], "accepted"),
    ("end unassigned", FACTS, (inbound(1),), END_ANN, [], "refused:not_assigned"),
    ("end by another", FACTS, MINE, command(1, BOB, k.End()), [], "refused:not_assigned"),
    ("end twice", FACTS, DONE, command(1, ANN, k.End()), [], "refused:already_completed"),
    ("end by its bot", WITH_BOT, (inbound(1),), command(1, ROBO, k.End(), epoch=1), ["ConversationCompleted"], "accepted"),
    ("reopen by hand", FACTS, DONE, command(1, BOB, k.Reopen()), ["ConversationReopened", "OwnerChanged"], "accepted"),
    ("reopen the open", FACTS, MINE, command(1, ANN, k.Reopen()), [], "refused:already_open"),
    ("reply reopens and assigns", FACTS, DONE, send(1, actor=BOB),
     ["ConversationReopened", "OwnerChanged", "MessageQueued"], "accepted"),
    ("reply by the last owner reopens", FACTS, DONE, send(1), ["ConversationReopened", "MessageQueued"], "accepted"),
    ("block an open one", FACTS, MINE, command(1, ANN, k.Block()), ["ContactBlocked", "ConversationCompleted"], "accepted"),
    ("block a completed one", FACTS, DONE, command(1, ANN, k.Block()), ["ContactBlocked"], "accepted"),
    ("blocked contact writes", FACTS, (*MINE, command(1, ANN, k.Block())), inbound(2), ["MessageReceived"], "accepted"),
    ("send to the blocked", FACTS, (*MINE, command(1, ANN, k.Block())), send(2), [], "refused:blocked"),
    ("reopen the blocked", FACTS, (*MINE, command(1, ANN, k.Block())), command(2, ANN, k.Reopen()), [], "refused:blocked"),
    ("unblock", FACTS, (*MINE, command(1, ANN, k.Block())), command(2, ANN, k.Unblock()), ["ContactUnblocked"], "accepted"),
    ("unblock the unblocked", FACTS, MINE, command(2, ANN, k.Unblock()), [], "refused:not_blocked"),
    ("note", FACTS, (inbound(1),), command(1, BOB, k.AddNote(Clear(Note("psst")))), ["NoteAdded"], "accepted"),
    ("too many hops", FACTS, MINE, send(1, ).__class__(**{**{f: getattr(send(1), f) for f in send(1).__slots__}, "hops": 9}),
     [], "refused:too_many_hops"),
    ("unknown conversation", FACTS, (), END_ANN, [], "refused:unknown_conversation"),
    ("another tenant", FACTS, MINE, command(1, ANN, k.End(), tenant="other"), [], "refused:unknown_conversation"),
    ("repeated command", FACTS, (*MINE, send(1)), send(1), [], "duplicate"),
    ("resend what went well", FACTS, (*MINE, send(1), receipt(Rung.SENT, message_id=message(1))),
     command(2, ANN, k.Resend(message(1))), [], "refused:not_failed"),
    ("resend the failed", FACTS, (*MINE, send(1), receipt(verdict=Verdict.FAILED, message_id=message(1))),
     command(2, ANN, k.Resend(message(1))), ["MessageResent"], "accepted"),
    ("resend the unknown", FACTS, (*MINE, send(1), receipt(verdict=Verdict.UNKNOWN, message_id=message(1))),
     command(2, ANN, k.Resend(message(1))), [], "refused:double_risk"),
    ("resend the unknown, confirmed", FACTS, (*MINE, send(1), receipt(verdict=Verdict.UNKNOWN, message_id=message(1))),
     command(2, ANN, k.Resend(message(1), confirm_double=True)), ["MessageResent"], "accepted"),
    ("resend of nothing", FACTS, MINE, command(2, ANN, k.Resend("x")), [], "refused:unknown_message"),
    ("overdue", FACTS, (*MINE, send(1)), command(2, ANN, k.ReportOverdue(message(1), 1, 0, Rung.SENT)),
     ["StatusOverdue"], "accepted"),
    ("not overdue", FACTS, (*MINE, send(1), receipt(Rung.READ, message_id=message(1))),
     command(2, ANN, k.ReportOverdue(message(1), 1, 0, Rung.SENT)), [], "refused:not_due"),
    ("receipt", FACTS, (*MINE, send(1)), receipt(Rung.SENT, message_id=message(1)), ["StatusChanged"], "accepted"),
    ("early receipt", FACTS, (*MINE, send(1)), receipt(Rung.READ, provider_message_id="w1"), ["ReceiptParked"], "accepted"),
    ("receipt without conversation", FACTS, (), receipt(Rung.READ, provider_message_id="w1"), [], "unmatched"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "before", "given", "events", "outcome"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_case(facts, before, given, events, outcome) -> None:
    talk = Talk(facts)
    talk(*before) if before else None
    decision = talk(given)
    assert (names(decision), decision.outcome) == (events, outcome)
    again = talk(given)
    assert again.events == (), "deciding twice changes nothing"
    if isinstance(given, k.Command):
        assert decision.result is not None
        if decision.outcome == "accepted":
            assert again.result.accepted
            assert again.result.seq == decision.result.seq


def test_the_window_counts_from_the_contacts_last_message() -> None:
    talk = Talk()
    talk(*MINE)
    talk.now = T0 + 24 * HOUR
    assert talk(send(1)).outcome == "refused:window_closed"
    assert talk.decisions[-1].result.offer == "template"
    assert talk(command(2, ANN, k.SendMessage(Clear(Template("order", "de"))))).outcome == "accepted"
    talk(inbound(2, at=talk.now))
    assert talk(send(3)).outcome == "accepted"
    queued = talk.decisions[-1].outbound[0]
    assert queued.not_after == talk.now + 24 * HOUR


def test_a_failed_message_goes_out_again_as_a_template_under_the_same_message() -> None:
    talk = Talk()
    talk(*MINE, send(1), receipt(verdict=Verdict.FAILED, message_id=message(1)))
    talk.now = T0 + 25 * HOUR
    assert talk(command(2, ANN, k.Resend(message(1)))).outcome == "refused:window_closed"
    template = Clear(Template("order", "de"))
    decision = talk(command(3, ANN, k.Resend(message(1), content=template)))
    assert [(r.message_id, r.attempt, r.content) for r in decision.outbound] == [(message(1), 2, template)]
    talk(receipt(Rung.SENT, message_id=message(1), attempt=2))
    sent = talk.state.sent_message(message(1))
    assert sent.shown is Shown.SENT
    assert sent.status(1, 0).verdict is Verdict.FAILED, "the old attempt stays on record"


def test_read_before_delivered_before_sent_shows_read_with_the_lower_rungs_implied() -> None:
    talk = Talk()
    talk(*MINE, send(1), receipt(Rung.READ, at=T0 + 3, message_id=message(1)))
    status = talk.state.sent_message(message(1)).status(1, 0)
    assert (status.rung, status.basis(Rung.DELIVERED), status.basis(Rung.SENT)) == (
        Rung.READ,
        Basis.IMPLIED,
        Basis.IMPLIED,
    )
    talk(
        receipt(Rung.DELIVERED, at=T0 + 2, message_id=message(1)),
        receipt(Rung.SENT, at=T0 + 1, message_id=message(1)),
    )
    status = talk.state.sent_message(message(1)).status(1, 0)
    assert (status.rung, status.basis(Rung.DELIVERED), status.basis(Rung.SENT)) == (
        Rung.READ,
        Basis.OBSERVED,
        Basis.OBSERVED,
    )


def test_a_receipt_that_comes_before_the_send_answer_is_joined() -> None:
    talk = Talk()
    talk(*MINE, send(1), receipt(Rung.DELIVERED, provider_message_id="w1"))
    assert len(talk.head.early) == 1
    decision = talk(receipt(provider_message_id="w1", message_id=message(1)))
    assert names(decision) == ["StatusChanged"]
    assert decision.events[0].happening.shown is Shown.DELIVERED
    assert talk.head.early == ()


def test_long_text_leaves_in_parts_with_a_status_each() -> None:
    talk = Talk()
    text = "First sentence here. Second sentence here. " * 3
    decision = talk(*MINE, send(1, text))
    assert "".join(r.content.content.body for r in decision.outbound) == text
    assert len(decision.outbound) > 1
    assert all(len(r.content.content.body) <= PROFILE.limit("text") for r in decision.outbound)
    last = len(decision.outbound) - 1
    for part in range(last):
        talk(receipt(Rung.READ, message_id=message(1), part=part))
    assert talk.state.sent_message(message(1)).shown is Shown.QUEUED
    talk(receipt(verdict=Verdict.FAILED, message_id=message(1), part=last))
    assert talk.state.sent_message(message(1)).shown is Shown.FAILED
    again = talk(command(2, ANN, k.Resend(message(1))))
    assert [r.part for r in again.outbound] == [last], "only the part that failed goes out again"


def test_send_and_complete_that_fails_later_needs_attention_and_stays_completed() -> None:
    talk = Talk()
    talk(*MINE, send(1, complete=True))
    assert names(talk(receipt(verdict=Verdict.FAILED, message_id=message(1)))) == [
        "StatusChanged",
        "AttentionRaised",
    ]
    assert (talk.head.status, talk.head.attention) == (ConversationStatus.COMPLETED, True)


def test_a_watermark_covers_every_message_that_left_before_it() -> None:
    talk = Talk()
    talk(*MINE)
    for n in (1, 2, 3):
        talk.now = T0 + n * 1000
        talk(send(n), receipt(Rung.SENT, at=talk.now, message_id=message(n), provider_message_id=f"w{n}"))
    talk(receipt(Rung.READ, at=T0 + 9000, watermark=T0 + 2000))
    assert [talk.state.sent_message(message(n)).shown for n in (1, 2, 3)] == [
        Shown.READ,
        Shown.READ,
        Shown.SENT,
    ]


@pytest.mark.parametrize(
    ("rule", "online", "bot", "owner"),
    [
        (ReopenOwner.LAST_AGENT, {"ann"}, None, "ann"),
        (ReopenOwner.LAST_AGENT, {"bob"}, None, "support"),
        (ReopenOwner.LAST_AGENT, set(), "robo", "robo"),
        (ReopenOwner.BOT, {"ann"}, "robo", "robo"),
        (ReopenOwner.BOT, {"ann"}, None, "support"),
        (ReopenOwner.QUEUE, {"ann"}, "robo", "support"),
    ],
)
def test_who_owns_what_the_contact_reopens(rule, online, bot, owner) -> None:
    directory = DIRECTORY.with_entity(Department("support", TENANT, "Support", rule)).with_entity(
        Account(ACCOUNT, TENANT, CHANNEL, "support", bot=bot)
    )
    talk = Talk()
    talk(*DONE)
    talk.facts = Facts(directory, {ACCOUNT: PROFILE}, frozenset(online))
    talk(inbound(2))
    assert talk.head.owner.id == owner
    assert talk.head.episode == 2
    changes = [ev.happening for ev in talk.events if isinstance(ev.happening, OwnerChanged)]
    assert changes[-1].how is OwnerChange.REOPENED


def test_a_reopened_conversation_keeps_counting() -> None:
    talk = Talk()
    talk(*DONE, inbound(2))
    assert [e.seq for e in talk.events] == list(range(1, len(talk.events) + 1))
    assert talk.events[-1].episode == 2


def test_the_wait_begins_with_the_first_unanswered_message_and_ends_with_an_answer() -> None:
    talk = Talk()
    talk(inbound(1))
    talk.now += 1000
    talk(inbound(2), ASSIGN_ANN)
    assert talk.head.waiting_since == T0
    talk(send(1))
    assert talk.head.waiting_since is None


def test_an_unknown_account_cannot_be_decided() -> None:
    with pytest.raises(UnknownAccountError):
        Talk(Facts(DIRECTORY.without(f"account:{ACCOUNT}")))(inbound(1))


def test_time_never_goes_back() -> None:
    talk = Talk()
    talk(inbound(1))
    talk.now = T0 - 5000
    assert talk(inbound(2)).events[-1].occurred_at == T0


def test_the_name_on_record_is_the_directorys() -> None:
    talk = Talk()
    decision = talk(inbound(1), command(1, ANN.__class__(ANN.kind, "ann", "The President"), k.Accept()))
    assert decision.events[0].actor.name == "Ann"
