"""The connector process with the fake channel, as a process that can be killed and frozen.

Usage: worker.py '{"bootstrap": ..., "prefix": ..., "origin": ..., "session": ..., "per_second": ...}'
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from connectors.contract import Rates  # noqa: E402
from connectors.runner import Options, run  # noqa: E402
from gateway.settings import Settings  # noqa: E402
from tests.runner.fake import FakeChannel  # noqa: E402


async def main() -> None:
    given = json.loads(sys.argv[1])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    rates = Rates(given["per_second"], pair_every=1, pair_burst=100, retries=3, backoff=20)
    settings = Settings(
        KAFKA_BOOTSTRAP_SERVERS=given["bootstrap"],
        topic_prefix=given["prefix"],
        partitions=2,
        connectors_port=0,
    )
    options = Options(
        resolve=lambda _reference: "s3cret",
        allowed_origins=(given["origin"],),
        session=given["session"],
    )
    await run(settings, [FakeChannel(rates=rates)], stop, options)


asyncio.run(main())
