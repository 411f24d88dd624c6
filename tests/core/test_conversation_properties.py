"""What must hold for any sequence of inputs: state is a fold of the log, no gap, no double, no way down."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import commands as k
from gateway.core import conversation as c
from gateway.core.apply import apply
from gateway.core.content import Clear, Note, Reaction, Target, Text, Unsend
from gateway.core.conversation import Conversation
from gateway.core.messages import InboundEvent, Receipt
from gateway.core.receipts import Rung, Verdict
from tests.core.build import (
    ANN,
    BOB,
    FACTS,
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

numbers = st.integers(1, 4)
actors = st.sampled_from([ANN, BOB, ROBO])
actions = st.one_of(
    st.sampled_from(
        [k.Assign("ann"), k.Assign("bob"), k.Accept(), k.Transfer("sales"), k.Transfer("support")]
    ),
    st.sampled_from([k.End(), k.Reopen(), k.Block(), k.Unblock(), k.AddNote(Clear(Note("n")))]),
    st.builds(k.Resend, numbers.map(message), st.booleans()),
    st.builds(k.ReportOverdue, numbers.map(message), st.just(1), st.just(0), st.sampled_from(list(Rung)[1:])),
)
inputs = st.one_of(
    st.builds(inbound, st.integers(1, 9), at=st.integers(T0, T0 + 9)),
    st.builds(
        inbound, st.integers(10, 12), st.sampled_from([Reaction(Target("in1"), "x"), Unsend(Target("in1"))])
    ),
    st.builds(send, numbers, st.sampled_from(["hi", "long " * 20]), actors, complete=st.booleans()),
    st.builds(command, st.integers(20, 60), actors, actions, epoch=st.none() | st.integers(1, 3)),
    st.builds(
        receipt,
        st.none() | st.sampled_from(list(Rung)[1:]),
        st.none() | st.sampled_from(Verdict),
        st.integers(T0, T0 + 9),
        message_id=st.none() | numbers.map(message),
        provider_message_id=st.none() | st.sampled_from(["w1", "w2"]),
        attempt=st.integers(1, 2),
        part=st.integers(0, 1),
    ),
)
Input = InboundEvent | Receipt | k.Command


def fold(talk: Talk) -> Conversation | None:
    state = None
    for event in talk.events:
        state = apply(state, event)
    return state


@settings(max_examples=300)
@given(st.lists(inputs, max_size=40), st.sampled_from([FACTS, WITH_BOT]))
def test_state_is_the_fold_of_the_log(given_: list[Input], facts) -> None:
    talk = Talk(facts)
    for one in given_:
        talk.now += 7
        talk(one)
    assert [event.seq for event in talk.events] == list(range(1, len(talk.events) + 1))
    assert len({event.event_id for event in talk.events}) == len(talk.events)
    assert fold(talk) == talk.state
    times = [event.occurred_at for event in talk.events]
    assert times == sorted(times)


@settings(max_examples=200)
@given(st.lists(inputs, max_size=30), st.sampled_from([FACTS, WITH_BOT]))
def test_deciding_twice_changes_nothing(given_: list[Input], facts) -> None:
    once, twice = Talk(facts), Talk(facts)
    for one in given_:
        first = once(one)
        twice(one)
        again = twice(one)
        if first.events:
            assert again.events == ()
        assert again.outbound == ()
        if first.result and first.result.accepted:
            assert again.result.accepted
    assert once.state == twice.state


@settings(max_examples=100)
@given(st.lists(inputs, max_size=30), st.randoms())
def test_receipts_in_any_order_end_alike(given_: list[Input], random) -> None:
    before = [g for g in given_ if not isinstance(g, Receipt)]
    receipts = [g for g in given_ if isinstance(g, Receipt) and g.message_id]
    shuffled = receipts + receipts[:3]
    random.shuffle(shuffled)
    one, other = Talk(), Talk()
    one(inbound(1), command(99, ANN, k.Assign("ann")), *before, *receipts)
    other(inbound(1), command(99, ANN, k.Assign("ann")), *before, *shuffled)

    def shown(talk: Talk) -> list[object]:
        return [(m.message_id, m.shown, m.statuses) for m in talk.state.sent_messages()]

    assert shown(one) == shown(other)


def test_memory_is_bounded_and_long_enough() -> None:
    talk = Talk()
    for n in range(5_000):
        talk.now += 1
        talk(inbound(n))
    blocks = talk.state.seen
    assert sum(map(len, blocks)) <= c.SEEN_AT_MOST + c.SEEN_PER_BLOCK
    assert talk(inbound(4_999 - c.SEEN_AT_LEAST)).outcome == "duplicate"
    assert talk.head.seen_to - talk.head.seen_from == len(blocks)
    for n in range(600):
        talk.now += c.MEMORY_MS // 300
        talk(inbound(10_000 + n))
    assert sum(map(len, talk.state.seen)) <= 450, "what is older than eight days goes, but 256 stay"


def test_content_is_kept_only_for_the_newest_messages() -> None:
    talk = Talk()
    talk(inbound(1), command(99, ANN, k.Assign("ann")))
    for n in range(60):
        talk.now += 1
        talk(send(n))
    kept = [m for m in talk.state.sent_messages() if m.content is not None]
    assert c.CONTENT_KEPT <= len(kept) <= c.CONTENT_KEPT + 2 * c.SENT_PER_BLOCK
    talk(receipt(Rung.DELIVERED, message_id=message(59)))
    assert talk.state.sent_message(message(59)).content is None
    assert isinstance(talk.state.sent_message(message(58)).content, Clear)
    assert talk.state.sent_message(message(58)).content.content == Text("hi")
