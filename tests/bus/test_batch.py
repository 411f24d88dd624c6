"""Deciding a batch: parking, retry, discard, limits, sizes. No Kafka."""

from __future__ import annotations

import json

import pytest

from gateway.bus.batch import BatchRules, Decided, decide_batch
from gateway.bus.dead_letters import DeadLetterLimit, TooManyDead
from gateway.bus.parking import DeadLimits, Parked, parked_key, split_parked_key
from gateway.bus.partition_state import POSITION_KEY, PartitionState, StateBroken
from gateway.bus.records import Record

from .loop_worker import Counting, encode_dead_letter


class Driver:
    """One partition without Kafka: decides, and takes over what would have been committed."""

    def __init__(self, **rules: object) -> None:
        self.logic = Counting("out")
        self.rules = BatchRules("dead", encode_dead_letter, **rules)  # type: ignore[arg-type]
        self.state = PartitionState(3, self.logic)
        self.offset = 0

    def records(self, *texts: str, key: bytes = b"k") -> list[Record]:
        made = [Record("in", 3, self.offset + i, key, text.encode()) for i, text in enumerate(texts)]
        self.offset += len(texts)
        return made

    def run(self, records: list[Record]) -> list[str]:
        """The outputs, as `topic:value`; dead letters as `dead:reason`."""
        decided = decide_batch(self.state, self.logic, self.rules, 1_000, records)
        assert decided.stop is None
        self.state.commit(decided.overlay, decided.written)
        return shown(decided)

    def say(self, *texts: str, key: bytes = b"k") -> list[str]:
        return self.run(self.records(*texts, key=key))

    def restart(self) -> None:
        state = PartitionState(3, self.logic)
        for key, value in [*self.state.data.items(), (POSITION_KEY, self.state.meta.encode())]:
            state.load(key, value)
        state.restored()
        self.state = state


def shown(decided: Decided) -> list[str]:
    return [
        f"dead:{json.loads(o.value or b'')['reason']}"
        if o.topic == "dead"
        else f"{(o.value or b'').decode()}"
        for o in decided.outputs
    ]


def test_counts_and_positions() -> None:
    d = Driver()
    assert d.say("a", "b") == ["a|1|0", "b|2|0"]
    assert d.state.meta.positions == {"in": 2}
    d.restart()
    assert d.say("c") == ["c|3|0"]


def test_a_repeated_read_is_left_out() -> None:
    d = Driver()
    first = d.records("a", "b")
    assert d.run(first) == ["a|1|0", "b|2|0"]
    assert d.run(first) == []
    assert d.state.get(b"k") == (2, False)


def test_poison_is_undone_and_parks_only_its_conversation() -> None:
    d = Driver()
    assert d.say("a", "poison", "b", "c") == ["a|1|0", "dead:poison"]
    assert d.state.get(b"k") == (1, False)
    assert d.say("x", key=b"other") == ["x|1|0"]
    assert d.state.parked == {b"k": (0, 1, 2)}
    d.restart()
    assert d.state.parked == {b"k": (0, 1, 2)}


def test_retry_stops_at_the_next_failure_then_goes_on_after_discard() -> None:
    d = Driver()
    d.say("poison1", "b", "poison2", "c")
    assert d.say("control:retry") == ["dead:poison", "retry 0 0 4"]
    assert d.say("control:discard") == ["discard 0 1 3"]
    assert d.say("control:retry") == ["b|1|0", "dead:poison", "retry 1 0 2"]
    d.restart()
    assert d.say("d") == []
    assert d.say("control:discard", "control:retry") == ["discard 0 1 2", "c|2|0", "d|3|0", "retry 2 0 0"]
    assert d.state.parked == {}
    assert not [k for k in d.state.data if b"|p|" in k]
    assert d.say("e") == ["e|4|0"]


def test_discard_all() -> None:
    d = Driver()
    d.say("poison", "b", "c")
    assert d.say("control:discard_all") == ["discard_all 0 3 0"]
    assert d.say("e") == ["e|1|0"]


def test_a_command_for_a_conversation_that_is_not_parked_is_an_ordinary_record() -> None:
    assert Driver().say("control:retry") == ["control:retry|1|0"]


def test_parked_full_goes_to_the_dead_letters() -> None:
    d = Driver(park_limit=3)
    assert d.say("poison", "b", "c", "d", "e") == ["dead:poison", "dead:parked_full", "dead:parked_full"]
    assert d.say("control:discard", "control:retry") == ["discard 0 1 2", "b|1|0", "c|2|0", "retry 2 0 0"]


def test_a_record_without_a_key_is_dead_and_parks_nothing() -> None:
    d = Driver()
    assert d.say("a", key=b"") == ["dead:no_key"]
    assert d.state.parked == {}


def test_a_counter_has_no_holes_and_no_repeats_when_a_record_raises() -> None:
    d = Driver()
    assert d.say("ticket", key=b"a") == ["ticket|1|1"]
    assert d.say("poison", "ticket", key=b"b") == ["dead:poison"]
    d.restart()
    assert d.say("ticket", key=b"c") == ["ticket|1|2"]


def test_an_output_over_the_limit_is_poison() -> None:
    d = Driver()
    assert d.say("a", "huge") == ["a|1|0", "dead:poison"]


def test_a_record_too_large_to_be_parked_is_cut_in_the_dead_letter() -> None:
    d = Driver(max_record_bytes=10_000)
    assert d.say("poison" + "x" * 20_000, "b") == ["dead:poison", "dead:too_large", "b|1|0"]


def test_a_state_that_cannot_be_encoded_blames_its_record_only() -> None:
    d = Driver()
    d.state.load(b"k", b"12998 0")
    d.state.has_position = True
    assert d.say("a", "b", "c") == ["a|12999|0", "dead:poison"]
    assert d.say("x", key=b"other") == ["x|1|0"]
    assert d.state.parked == {b"k": (0, 1)}


def test_fifty_in_a_row_stop_and_write_nothing_also_after_a_restart() -> None:
    d = Driver()
    for i in range(49):
        assert d.say("poison", key=b"k%d" % i) == ["dead:poison"]
    d.restart()
    decided = decide_batch(d.state, d.logic, d.rules, 0, d.records("poison", key=b"last"))
    assert decided.stop is not None
    assert "in a row" in decided.stop


def test_one_percent_stops() -> None:
    d = Driver(limits=DeadLimits(window=1_000))
    stop = None
    for i in range(400):
        decided = decide_batch(d.state, d.logic, d.rules, 0, d.records("good", "good", "good", key=b"good"))
        d.state.commit(decided.overlay, decided.written)
        decided = decide_batch(d.state, d.logic, d.rules, 0, d.records("poison", key=b"k%d" % i))
        if decided.stop:
            stop = (i, decided.stop)
            break
        d.state.commit(decided.overlay, decided.written)
    assert stop is not None
    assert stop[0] == 10
    assert "of the last 1000" in stop[1]


def test_an_old_failure_is_forgotten() -> None:
    d = Driver(limits=DeadLimits(window=100))
    d.say("poison")
    assert d.state.meta.dead
    d.say(*["good"] * 120, key=b"g")
    assert d.state.meta.dead == {}


def test_state_without_position_is_refused() -> None:
    state = PartitionState(0, Counting("out"))
    state.load(b"k", b"1 0")
    with pytest.raises(StateBroken, match="no @position"):
        state.restored()


@pytest.mark.parametrize("data", [b"", b"{}", b'{"v":2}', b"[]", b"\xff"])
def test_a_position_that_cannot_be_read_is_refused(data: bytes) -> None:
    with pytest.raises(StateBroken, match="@position"):
        PartitionState(0, Counting("out")).load(POSITION_KEY, data)


def test_parked_round_trip() -> None:
    record = Record("in", 3, 9, b"c|p|x", b"\x00\n{}", (("h", b"\xff"), ("h", b"")), 5)
    assert Parked.decode(b"c|p|x", Parked(record, "why").encode()) == Parked(record, "why")
    assert split_parked_key(parked_key(b"c|p|x", 12)) == (b"c|p|x", 12)


@pytest.mark.parametrize("key", [b"@position", b"@x", b"a|p|1"])
def test_the_loops_own_keys_cannot_be_put(key: bytes) -> None:
    d = Driver()
    decided = decide_batch(d.state, d.logic, d.rules, 0, [])
    with pytest.raises(ValueError, match="belongs to the loop"):
        decided.overlay.put(key, (1, False))


def test_the_limit_for_plain_consumers() -> None:
    limit = DeadLetterLimit(DeadLimits(in_a_row=3))
    limit.dead()
    limit.dead()
    limit.good()
    limit.dead()
    limit.dead()
    with pytest.raises(TooManyDead, match="3 records in a row"):
        limit.dead()
