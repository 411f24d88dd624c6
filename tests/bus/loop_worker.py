"""A tiny worker of the transactional loop: counts records per key. Run as a process by the tests.

Usage: loop_worker.py '{"bootstrap": ..., "prefix": ..., ...}' (any field of LoopSettings may be given).
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from gateway.bus.batch import BatchRules  # noqa: E402
from gateway.bus.dead_letters import DeadLetterInfo  # noqa: E402
from gateway.bus.parking import DeadLimits  # noqa: E402
from gateway.bus.partition_loop import LoopSettings, PartitionLoop  # noqa: E402
from gateway.bus.partitioner import partition_for  # noqa: E402
from gateway.bus.records import TIMER_TOPIC, Control, Controlled, Output, Record, StateView  # noqa: E402


def encode_dead_letter(info: DeadLetterInfo) -> bytes:
    fields = {
        "id": info.id,
        "topic": info.origin_topic,
        "offset": info.origin_offset,
        "reason": info.reason,
        "error": info.error,
        "value": info.value.decode(errors="replace"),
    }
    return json.dumps(fields).encode()


class Counting:
    """Each record's output is `<value>|<how many of its key so far>|<ticket>`.

    Values that begin with `poison` raise, unless a record `heal` of the key came first; a record
    `control:<what>` is an operator's command.
    """

    def __init__(self, out: str, partitions: int = 1) -> None:
        self.out = out
        self.partitions = partitions
        self.restored_keys: set[bytes] = set()
        self.overdue: list[bytes] = []

    def decide(self, view: StateView, record: Record, now: int) -> Sequence[Output]:
        state = view.get(record.key) or (0, False)
        if record.topic == TIMER_TOPIC:
            view.put(record.key, (state[0] + 100, state[1]))
            return [Output(self.out, record.key, b"timer|%d" % state[0])]
        if record.value == b"heal":
            view.put(record.key, (state[0], True))
            return []
        view.put(record.key, (state[0] + 1, state[1]))
        if record.value.startswith(b"poison") and not state[1]:
            raise ValueError("poison")
        if record.value == b"huge":
            return [Output(self.out, record.key, b"x" * 2_000_000)]
        ticket = view.counter("ticket") if record.value.startswith(b"ticket") else 0
        return [
            Output(self.out, record.key, b"%b|%d|%d" % (record.value, state[0] + 1, ticket), record.headers)
        ]

    def encode_state(self, key: bytes, obj: Any) -> bytes:
        if obj[0] >= 13_000:
            raise ValueError("cannot be encoded")
        return b"%d %d" % obj

    def decode_state(self, key: bytes, data: bytes) -> Any:
        count, healed = data.split()
        return int(count), healed == b"1"

    def control(self, record: Record) -> Control | None:
        what = (
            record.value.removeprefix(b"control:").decode() if record.value.startswith(b"control:") else None
        )
        return what if what in ("retry", "discard", "discard_all") else None  # type: ignore[return-value]

    def controlled(self, view: StateView, record: Record, done: Controlled, now: int) -> Sequence[Output]:
        if done.action == "discard":
            count, _ = view.get(record.key) or (0, False)
            view.put(record.key, (count, False))
        text = b"%b %d %d %d" % (done.action.encode(), done.replayed, done.discarded, done.left)
        return [Output(self.out, record.key, text)]

    def due(self, partition: int, now: int, limit: int) -> Sequence[bytes]:
        found = [key for key in self.overdue if partition_for(key, self.partitions) == partition]
        self.overdue = [key for key in self.overdue if key not in found[:limit]]
        return found[:limit]

    def restored(self, partition: int, items: Iterable[tuple[bytes, bytes]]) -> None:
        self.restored_keys.update(key for key, _ in items)

    def committed(self, partition: int, changed: Mapping[bytes, Any | None]) -> None:
        pass

    def released(self, partition: int) -> None:
        pass


def settings(bootstrap: str, prefix: str, **changed: Any) -> LoopSettings:
    limits = DeadLimits(**changed.pop("limits", {}))
    rules = BatchRules(f"{prefix}dead", encode_dead_letter, limits, **changed.pop("rules", {}))
    values: dict[str, Any] = {
        "group": f"{prefix}log",
        "instance": "one",
        "inputs": (f"{prefix}in", f"{prefix}rc", f"{prefix}cm"),
        "state_topic": f"{prefix}state",
        "outputs": (f"{prefix}out", f"{prefix}dead"),
        "session_ms": 6_000,
        "heartbeat_ms": 1_000,
        "rebalance_ms": 8_000,
    } | changed
    return LoopSettings(bootstrap, rules=rules, **values)


async def main(given: dict[str, Any]) -> None:
    slow = given.pop("slow_restore", 0.0)
    config = settings(**given)
    if slow:
        _slow_down(slow)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await PartitionLoop(config, Counting(f"{given['prefix']}out")).run(stop)


def _slow_down(seconds: float) -> None:
    """A restore that takes longer than the session."""
    from gateway.bus.partition import Partition

    index = Partition.index

    async def slow_index(self: Partition) -> None:
        await asyncio.sleep(seconds)
        await index(self)

    Partition.index = slow_index  # type: ignore[method-assign]


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(json.loads(sys.argv[1])))
    # What a library left running must not hold the process after a polite stop.
    sys.stdout.flush()
