"""`gateway bench`: brings the servers, measures the rows one after the other, prints."""

from __future__ import annotations

import json
import logging
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import uvloop
from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from gateway.bench import log, processor, projection, restore, timers, webhook, whole
from gateway.bench.place import CannotMeasure, Place
from gateway.bench.report import Failed, Row, lines, machine
from gateway.bus.admin import TopicProblem
from gateway.bus.producer import BrokerUnavailable
from gateway.embedded.kafka import EmbeddedKafka
from gateway.embedded.process import EmbeddedError
from gateway.embedded.redis import EmbeddedRedis
from gateway.settings import Settings

ROWS: dict[str, Callable[[Place], Awaitable[Row]]] = {
    "webhook": webhook.measure,
    "log": log.measure,
    "processor": processor.measure,
    "whole": whole.measure,
    "restore": restore.measure,
    "projection": projection.measure,
    "timers": timers.measure,
}
_BEGUN = perf_counter()
NO_FIGURE = (
    CannotMeasure,
    KafkaError,
    RedisError,
    TopicProblem,
    BrokerUnavailable,
    EmbeddedError,
    OSError,
    TimeoutError,
)


def bench(settings: Settings, rows: Sequence[str], *, json_lines: bool = False, scale: float = 1.0) -> int:
    """Measures the named rows, or all; `scale` below 1 for a quick look whose figures mean nothing.

    Returns 0 also when a target is missed, 1 when a row could not be measured, 2 for an unknown row.
    """
    unknown = [name for name in rows if name not in ROWS]
    if unknown:
        _say(f"no such row: {', '.join(unknown)}; there are {', '.join(ROWS)}")
        return 2
    return uvloop.run(_bench(settings, rows or list(ROWS), json_lines, scale))


async def _bench(settings: Settings, names: Sequence[str], json_lines: bool, scale: float) -> int:
    async with AsyncExitStack() as stack:
        stack.enter_context(_quiet_client())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        try:
            place, kafka = await _place(settings, folder, stack, scale)
        except EmbeddedError as error:
            _say(f"gateway: {error}")
            return 1
        _print(machine(kafka), json_lines)
        failed = False
        for name in names:
            found = await _measured(name, place)
            failed |= isinstance(found, Failed)
            _print(found, json_lines)
    _say("bench: done")
    return int(failed)


async def _measured(name: str, place: Place) -> Row | Failed:
    _say(f"{name}: begins")
    try:
        return await ROWS[name](place)
    except NO_FIGURE as error:
        return Failed(name, f"{type(error).__name__}: {error}")


async def _place(settings: Settings, folder: Path, stack: AsyncExitStack, scale: float) -> tuple[Place, str]:
    """The servers of the variables, or our own in `folder`; and Kafka's version for the report."""
    bootstrap, redis_url, kafka = settings.kafka_bootstrap_servers, settings.redis_url, "of your own"
    if bootstrap is None:
        _say("bench: starting a Kafka")
        server = EmbeddedKafka(
            folder / "kafka",
            settings.cache_dir,
            heap=settings.kafka_heap,
            java_home=settings.java_home,
            progress=_say,
        )
        bootstrap = (await stack.enter_async_context(server)).bootstrap_servers
        kafka = f"{_kafka_version()}, embedded, heap {settings.kafka_heap}"
    if redis_url is None:
        redis_url = (await stack.enter_async_context(EmbeddedRedis(folder / "redis"))).url
    return Place(settings, bootstrap, redis_url, folder, _say, scale), kafka


@contextmanager
def _quiet_client() -> Iterator[None]:
    # Topics are new here, so every first write is told "not the leader yet" and repeated, line after line.
    logger = logging.getLogger("aiokafka")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


def _kafka_version() -> str:
    lock = Path(__file__).parent.parent / "embedded" / "kafka.lock"
    found = re.search(r"^org\.apache\.kafka:kafka_[\d.]+:([\d.]+)", lock.read_text(), re.MULTILINE)
    return found[1] if found else "unknown"


def _say(line: str) -> None:
    print(f"[{perf_counter() - _BEGUN:4.0f} s] {line}", file=sys.stderr, flush=True)  # noqa: T201 (progress; the figures go to stdout)


def _print(found: Row | Failed | dict[str, Any], json_lines: bool) -> None:
    if isinstance(found, dict):
        text = [json.dumps(found)] if json_lines else [f"{k}: {v}" for k, v in found.items() if k != "kind"]
    else:
        text = [json.dumps(found.as_json())] if json_lines else ["", *lines(found)]
    print("\n".join(text), flush=True)  # noqa: T201


__all__ = ["ROWS", "bench"]
