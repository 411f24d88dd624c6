"""A Faust app for the tests of our transport, with ours or the stock one. Run as a process.

Usage: faust_worker.py '{"bootstrap": ..., "name": ..., "topic": ..., "kind": "ours"|"stock", "what": ...}'
Prints one JSON object per line.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import faust  # noqa: E402

from gateway.bus.faust_transport import App, make_app  # noqa: E402


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True, file=sys.__stdout__)  # Faust turns stdout into its log


def build(given: dict[str, Any]) -> faust.App:
    app = make_app(
        given["name"],
        given["bootstrap"],
        partitions=1,
        data_dir=Path(tempfile.mkdtemp()),
        broker_commit_interval=0.5,
    )
    if given["kind"] == "stock":
        # The same settings, the stock transport.
        app._new_transport = lambda: faust.App._new_transport(app)
        app._new_producer_transport = lambda: faust.App._new_producer_transport(app)
    return app


def count(app: faust.App, given: dict[str, Any]) -> None:
    """Says every value it sees; at the value `commit` it commits, and catches what that raises."""
    topic = app.topic(given["topic"], partitions=1)
    flush = FailOnce(app)

    @app.agent(topic)
    async def see(stream: Any) -> None:
        async for event in stream.events():
            say(seen=event.value.decode(), offset=event.message.offset)
            if event.value == b"commit":
                flush.now = True
                try:
                    await app.consumer.commit()
                except RuntimeError:
                    say(caught=True)


class FailOnce:
    """A flush that raises when told to, as when a delivery failed."""

    def __init__(self, app: faust.App) -> None:
        self._flush = app.producer.flush
        self.now = False
        app.producer.flush = self

    async def __call__(self) -> None:
        if self.now:
            self.now = False
            raise RuntimeError("made by the test")
        await self._flush()


def slow_buffer(app: faust.App) -> None:
    """Every buffered record takes 0.3 s to be handed to aiokafka, as on a slow network."""
    buffer = app.producer.buffer
    send = buffer._send_pending

    async def slow(fut: Any) -> None:
        await asyncio.sleep(0.3)
        await send(fut)

    buffer._send_pending = slow


async def flush(app: faust.App, given: dict[str, Any]) -> None:
    """Five changelog-like records, then a flush: how many are delivered when it returns?"""
    app.producer_only = True
    if given["what"] == "flush":
        slow_buffer(app)
    await app.start()
    topic = app.topic(given["topic"], partitions=1)
    size = 10 if given["what"] == "flush" else 5_000
    sent = [topic.send_soon(key=b"k", value=b"x" * size) for _ in range(5)]
    try:
        await app.producer.flush()
        say(flushed=sum(1 for s in sent if s.done() and not s.exception()), of=len(sent))
    except Exception as error:
        say(error=type(error).__name__)
    sys.stdout.flush()
    import os

    os._exit(0)


def main(given: dict[str, Any]) -> None:
    logging.basicConfig(level=logging.WARNING)
    app = build(given)
    assert isinstance(app, App)
    if given["what"] in ("flush", "flush_refused"):
        asyncio.get_event_loop().run_until_complete(flush(app, given))
        return
    count(app, given)
    faust.Worker(app, loglevel="warning", loop=asyncio.get_event_loop()).execute_from_commandline()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
