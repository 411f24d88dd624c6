"""The completion worker as a process of its own, to be killed. Usage: worker.py BOOTSTRAP PREFIX PARTITIONS RATE DIR"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from gateway.settings import Settings
from processors.app import Options, run

# A killed member is missed after the session's time; a minute is too long for a test.
QUICK = {"broker_session_timeout": 6.0, "broker_heartbeat_interval": 1.0, "broker_rebalance_timeout": 10.0}


async def main(bootstrap: str, prefix: str, partitions: str, rate: str, folder: str) -> None:
    settings = Settings(
        KAFKA_BOOTSTRAP_SERVERS=bootstrap,
        topic_prefix=prefix,
        partitions=int(partitions),
        processors_port=0,
        completion_rate=int(rate),
    )
    options = Options(data_dir=Path(folder), app_settings=dict(QUICK))
    await run(settings, ["completion"], asyncio.Event(), options)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
