"""The log in memory does what the real one promises: whole transactions, fenced producers, order."""

from __future__ import annotations

import pytest

from processors.simulation.broker import Broker, Fenced, Write
from processors.simulation.schedule import Schedule


def test_a_transaction_is_seen_whole_and_in_order() -> None:
    broker, heard = Broker(lambda: 5), []
    broker.listen("a", lambda record: heard.append(broker.end("b", 0)))
    epoch = broker.begin("p")
    broker.commit(
        "p", epoch, [Write("a", 0, b"k", b"1"), Write("a", 0, b"k", None), Write("b", 0, b"k", b"2")]
    )
    assert heard == [1, 1], "who hears the first record can read the last"
    records = broker.read("a", 0, 0)
    assert [(r.offset, r.value, broker.is_tombstone(r)) for r in records] == [
        (0, b"1", False),
        (1, b"", True),
    ]


def test_a_former_producer_is_refused_and_nothing_is_written() -> None:
    broker = Broker(lambda: 5)
    former = broker.begin("p")
    broker.begin("p")
    with pytest.raises(Fenced):
        broker.commit("p", former, [Write("a", 0, b"k", b"1")])
    assert broker.end("a", 0) == 0


@pytest.mark.parametrize(("first", "second", "same"), [(1, 1, True), (1, 2, False)])
def test_the_seed_decides_the_order_of_one_instant(first: int, second: int, same: bool) -> None:
    def order(seed: int) -> list[int]:
        schedule, done = Schedule(seed, 0), []
        for n in range(20):
            schedule.at(10, lambda n=n: done.append(n))
        schedule.run_until(10)
        return done

    assert (order(first) == order(second)) is same
