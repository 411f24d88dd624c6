"""What the transactional loop and its logic hand to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]
Control = Literal["retry", "discard", "discard_all"]

# The topic name of the records that the loop makes for a timer that is due (offset -1, empty value).
TIMER_TOPIC = "@timer"


class Record(NamedTuple):
    """One record as read. `timestamp` is Kafka's, in Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Headers = ()
    timestamp: int = 0


def as_record(tp: Any, read: Any) -> Record:
    """A record of aiokafka (`tp` = its TopicPartition) as ours; a missing key or value is empty."""
    return Record(
        tp.topic, tp.partition, read.offset, read.key or b"", read.value or b"", read.headers, read.timestamp
    )


class Output(NamedTuple):
    """One record to write, in the same transaction as the position of its cause.

    `partition` None = the number of its cause; for a topic that is not co-partitioned, by the key.
    `value` None = a tombstone.
    """

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Controlled:
    """What an operator's command did to a parked conversation; counts are records."""

    action: Control
    replayed: int
    discarded: int
    left: int


class StateView(Protocol):
    """The state of one partition as one record sees it. What a record put is undone when it raises."""

    @property
    def partition(self) -> int:
        """The partition's number."""

    def get(self, key: bytes) -> Any | None:
        """The object under this key, or None. Objects are immutable: put a new one instead of changing it."""

    def put(self, key: bytes, obj: Any | None) -> None:
        """Replaces the object; None removes it. Keys that begin with `@` or hold `|p|` belong to the loop."""

    def counter(self, name: str) -> int:
        """Counts up and returns 1, 2, 3, …: kept with the position, one sequence per partition and name."""


class Logic(Protocol):
    """The rules of a service. Everything here is synchronous and free of I/O."""

    def decide(self, view: StateView, record: Record, now: int) -> Sequence[Output]:
        """Pure. A record that raises goes to the dead letters and parks its conversation (its key).

        Also called with `record.topic == TIMER_TOPIC` for the keys that `due` named.
        """

    def encode_state(self, key: bytes, obj: Any) -> bytes:
        """The bytes to keep; at most a few hundred for a hot key."""

    def decode_state(self, key: bytes, data: bytes) -> Any:
        """The object again."""

    def control(self, record: Record) -> Control | None:
        """Asked only for a record of a parked conversation: is it an operator's command on the parking?"""

    def controlled(self, view: StateView, record: Record, done: Controlled, now: int) -> Sequence[Output]:
        """After an operator's command was carried out: the answer, the audit record."""

    def due(self, partition: int, now: int, limit: int) -> Sequence[bytes]:
        """Keys with an overdue timer, at most `limit`. Called between batches, so it must be cheap."""

    def restored(self, partition: int, items: Iterable[tuple[bytes, bytes]]) -> None:
        """A partition was restored: build indexes (timers) from its keys and bytes."""

    def committed(self, partition: int, changed: Mapping[bytes, Any | None]) -> None:
        """A transaction was committed: bring the indexes up to date."""

    def released(self, partition: int) -> None:
        """The partition went to another worker: forget its indexes."""
