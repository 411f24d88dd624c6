"""Followers of compacted topics, each as far behind as the seed wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from processors.simulation.broker import Broker
from processors.simulation.schedule import Schedule

Take = Callable[[bytes, bytes | None], None]


class Follower:
    """One process's view of directory, presence and so on: never ahead, sometimes behind."""

    def __init__(self, broker: Broker, schedule: Schedule, takes: Mapping[str, Take]) -> None:
        self._broker = broker
        self._schedule = schedule
        self._takes = takes
        self._positions = dict.fromkeys(takes, 0)

    def catch_up(self, probability: float) -> None:
        """Read what is new, with this probability per topic."""
        for topic, take in self._takes.items():
            start = self._positions[topic]
            if start >= self._broker.end(topic, 0):
                continue
            if probability < 1.0 and self._schedule.fault("replica behind", 1.0 - probability):
                continue
            for record in self._broker.read(topic, 0, start):
                take(record.key, None if self._broker.is_tombstone(record) else record.value)
                self._positions[topic] = record.offset + 1
