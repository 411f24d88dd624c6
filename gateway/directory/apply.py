"""Applying a directory file: compare with the topic, show the difference, publish what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import Producer
from gateway.bus.replica import Replica
from gateway.core.directory import DirectoryEntry, Entity
from gateway.directory.changes import Change, diff, shown
from gateway.wire.framing import decode, encode


async def read_directory(bootstrap: str, catalogue: Catalogue) -> dict[str, DirectoryEntry]:
    """Every entry of `cg.directory` by its key. Raises ReplicaBehind, TopicProblem, WireError."""
    replica = Replica(bootstrap, catalogue.directory)
    await replica.start()
    try:
        await replica.caught_up()
        return {key.decode(): decode(value, DirectoryEntry) for key, value in replica.data.items()}
    finally:
        await replica.stop()


async def apply_directory(
    bootstrap: str,
    catalogue: Catalogue,
    wanted: Sequence[Entity],
    *,
    dry_run: bool = False,
    say: Callable[[str], None] = print,
    agree: Callable[[], bool] = lambda: True,
) -> int:
    """Make the directory what the file says; returns how many entries changed.

    The difference is shown first; nothing is published with `dry_run` or unless `agree` says so. Raises
    BrokerUnavailable, ForeignEntry.
    """
    known = await read_directory(bootstrap, catalogue)
    changes = diff({key: entry.entity for key, entry in known.items()}, wanted)
    for change in changes:
        for line in shown(change):
            say(line)
    if dry_run or not changes:
        return len(changes)
    if not agree():
        return 0
    await _publish(bootstrap, catalogue, known, changes)
    return len(changes)


async def _publish(
    bootstrap: str, catalogue: Catalogue, known: dict[str, DirectoryEntry], changes: Sequence[Change]
) -> None:
    producer = Producer(bootstrap)
    await producer.start()
    try:
        for change in changes:
            version = known[change.key].version + 1 if change.key in known else 1
            value = encode(DirectoryEntry(change.after, version)) if change.after is not None else None
            await producer.send(catalogue.directory, change.key.encode(), value)
    finally:
        await producer.stop()
