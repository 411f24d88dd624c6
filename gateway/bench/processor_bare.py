"""The bare loop of row `processor`: a Faust agent that writes one table entry per event."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path
from typing import Any

from gateway.bench.worker import Given, main
from gateway.bus.faust_transport import make_app


async def work(given: Given) -> Given:
    """Works until it is stopped."""
    logging.basicConfig(level=logging.WARNING)
    count = given["partitions"]
    with tempfile.TemporaryDirectory() as folder:
        app = make_app(
            given["app"],
            given["bootstrap"],
            partitions=count,
            data_dir=Path(folder),
            loop=asyncio.get_running_loop(),
        )
        table: Any = app.Table(given["table"], partitions=count, key_type=bytes, value_type=bytes)

        @app.agent(app.topic(given["topic"], partitions=count))
        async def write(stream: Any) -> None:
            async for event in stream.events():
                table[event.message.key] = event.value

        await app.start()
        await asyncio.Event().wait()
    return {}


if __name__ == "__main__":
    main(work)
