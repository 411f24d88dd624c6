"""A log in memory: topics of partitions, transactions with producer epochs, and readers that are woken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.bus.records import Headers, Record


class Fenced(Exception):
    """The transaction is of a producer that another one has replaced."""


@dataclass(frozen=True, slots=True)
class Write:
    """One record to append; `value` None is a tombstone."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    headers: Headers = ()


class Broker:
    """Appends are seen by all at once; a transaction is seen whole, or not at all."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._logs: dict[tuple[str, int], list[Record]] = defaultdict(list)
        self._tombstones: set[tuple[str, int, int]] = set()
        self._epochs: dict[str, int] = {}
        self._listeners: dict[str, list[Callable[[Record], None]]] = defaultdict(list)

    def listen(self, topic: str, heard: Callable[[Record], None]) -> None:
        """Call for every record of the topic, as soon as it can be read."""
        self._listeners[topic].append(heard)

    def append(self, write: Write) -> Record:
        """One record, outside a transaction."""
        record = self._keep(write)
        self._tell(record)
        return record

    def read(self, topic: str, partition: int, start: int, limit: int = 1_000_000) -> list[Record]:
        """Records from this offset on."""
        return self._logs[(topic, partition)][start : start + limit]

    def end(self, topic: str, partition: int) -> int:
        """The offset of the next record."""
        return len(self._logs[(topic, partition)])

    def is_tombstone(self, record: Record) -> bool:
        """Whether the record has no value."""
        return (record.topic, record.partition, record.offset) in self._tombstones

    def begin(self, transactional_id: str) -> int:
        """A new producer with this id; every former one is fenced from now on."""
        self._epochs[transactional_id] = self._epochs.get(transactional_id, 0) + 1
        return self._epochs[transactional_id]

    def is_fenced(self, transactional_id: str, epoch: int) -> bool:
        """Whether a newer producer with this id exists."""
        return self._epochs[transactional_id] != epoch

    def commit(self, transactional_id: str, epoch: int, writes: Iterable[Write]) -> None:
        """A whole transaction. Raises Fenced."""
        if self.is_fenced(transactional_id, epoch):
            raise Fenced(transactional_id)
        for record in [self._keep(write) for write in writes]:
            self._tell(record)

    def _keep(self, write: Write) -> Record:
        log = self._logs[(write.topic, write.partition)]
        value = b"" if write.value is None else write.value
        record = Record(write.topic, write.partition, len(log), write.key, value, write.headers, self._now())
        log.append(record)
        if write.value is None:
            self._tombstones.add((write.topic, write.partition, record.offset))
        return record

    def _tell(self, record: Record) -> None:
        for heard in self._listeners.get(record.topic, ()):
            heard(record)
