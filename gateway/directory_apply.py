"""Applying a directory file: compare with the topic, show the difference, publish what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import Producer
from gateway.bus.replica import Replica
from gateway.core.directory import DirectoryEntry, Entity
from gateway.directory_file import diff
from gateway.wire.framing import decode, encode

_SIGNS = {"add": "+", "change": "~", "remove": "-"}


async def read_directory(bootstrap: str, catalogue: Catalogue) -> dict[str, DirectoryEntry]:
    """Every entry of `cg.directory` by its key."""
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
) -> int:
    """Make the directory what the file says; returns how many entries changed. Raises BrokerUnavailable."""
    known = await read_directory(bootstrap, catalogue)
    changes = diff({key: entry.entity for key, entry in known.items()}, wanted)
    for what, key, _ in changes:
        say(f"{_SIGNS[what]} {key.replace(':', ' ', 1)}")
    if dry_run or not changes:
        return len(changes)
    producer = Producer(bootstrap)
    await producer.start()
    try:
        for _, key, entity in changes:
            version = known[key].version + 1 if key in known else 1
            value = encode(DirectoryEntry(entity, version)) if entity is not None else None
            await producer.send(catalogue.directory, key.encode(), value)
    finally:
        await producer.stop()
    return len(changes)
