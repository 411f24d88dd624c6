"""One worker of the real conversation log service, as a process that the fault tests may hurt.

Usage: log_worker.py '{"bootstrap": ..., "prefix": ..., "partitions": ..., "instance": ..., "changes": {...},
"slow_restore": seconds}'.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import uvloop  # noqa: E402

from gateway.bus.catalogue import Catalogue  # noqa: E402
from gateway.bus.partition import Partition  # noqa: E402
from gateway.conversation_log import process  # noqa: E402
from gateway.settings import Settings  # noqa: E402
from tests.core.build import CHANNEL  # noqa: E402


async def main(given: dict[str, Any]) -> None:
    if seconds := given.get("slow_restore"):
        _slow_down(seconds)
    settings = Settings(
        kafka_bootstrap_servers=given["bootstrap"],
        topic_prefix=given["prefix"],
        partitions=given["partitions"],
    )
    catalogue = Catalogue(given["prefix"], (CHANNEL,), given["partitions"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await process.run(settings, catalogue, stop, instance=given["instance"], changes=given["changes"])


def _slow_down(seconds: float) -> None:
    """As if each partition's state were large: its restore takes so long, and progresses."""
    index = Partition.index

    async def slow_index(self: Partition) -> None:
        for _ in range(10):
            await asyncio.sleep(seconds / 10)
            self._progressed(1)
        await index(self)

    Partition.index = slow_index  # type: ignore[method-assign]


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.argv[1])))
