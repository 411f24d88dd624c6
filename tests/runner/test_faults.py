"""Workers killed, stopped and frozen while they send: nothing is sent twice, nothing is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.messages import Receipt, SendRequest
from gateway.core.receipts import Rung, Verdict
from tests.helpers import eventually
from tests.runner.fake import Provider, provider
from tests.runner.harness import Bench, account, bench, request

WORKER = Path(__file__).with_name("worker.py")
SESSION = 4.0


@contextlib.contextmanager
def worker(
    here: Bench, origin: str, directory: Path, per_second: int = 60
) -> Iterator[subprocess.Popen[bytes]]:
    given = {
        "bootstrap": here.bootstrap,
        "prefix": here.catalogue.prefix,
        "origin": origin,
        "session": SESSION,
        "per_second": per_second,
    }
    with (directory / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps(given)], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


async def all_settled(here: Bench, asked: list[SendRequest], timeout: float = 90) -> dict[str, list[Receipt]]:
    """The receipts per request id, once every request has one."""

    async def there() -> dict[str, list[Receipt]] | None:
        found: dict[str, list[Receipt]] = {q.message_id: [] for q in asked}
        for receipt in await here.read(here.catalogue.receipts, Receipt):
            found[receipt.message_id or ""].append(receipt)
        return found if all(found.values()) else None

    return await eventually(there, timeout=timeout, every=0.5)


def check(asked: list[SendRequest], found: dict[str, list[Receipt]], other_side: Provider) -> None:
    sent = Counter(other_side.texts())
    assert max(sent.values()) == 1, "sent twice"
    for q in asked:
        receipts = found[q.message_id]
        if q.content.content.body not in sent:  # type: ignore[union-attr]
            # Started, but killed before the call: never told as sent.
            assert {r.verdict for r in receipts} == {Verdict.UNKNOWN}
        assert {r.rung or r.verdict for r in receipts} <= {Rung.SENT, Verdict.UNKNOWN}


@pytest.fixture
async def here(kafka: str, topic_prefix: str) -> Bench:
    return await bench(kafka, topic_prefix)


async def test_kills_and_polite_stops(here: Bench, tmp_path: Path) -> None:
    dice = random.Random(7)
    async with provider() as other_side:
        await here.put(account(api_base=other_side.url))
        asked = [request(f"m{n}", f"{n % 50}") for n in range(400)]
        await here.ask(*asked)
        for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            before = len(other_side.seen)
            with worker(here, other_side.url, tmp_path) as process:
                await eventually(lambda n=before: len(other_side.seen) > n + 30, timeout=40)
                await asyncio.sleep(dice.random() / 2)
                process.send_signal(how)
                await asyncio.to_thread(process.wait, 40)
                if how is signal.SIGTERM:
                    assert process.returncode == 0, (tmp_path / "worker.log").read_text()[-2000:]
        with worker(here, other_side.url, tmp_path, per_second=1000):
            found = await all_settled(here, asked)
            await eventually(lambda: _empty(here), timeout=30)
        check(asked, found, other_side)
        unknown = [q for q in asked if any(r.verdict for r in found[q.message_id])]
        assert len(unknown) <= 2 * 20, "a kill makes only what was on its way unknown"


async def _empty(here: Bench) -> bool:
    return not await here.ledger()


async def test_a_frozen_worker_sends_nothing_that_another_took_over(here: Bench, tmp_path: Path) -> None:
    async with provider() as other_side:
        await here.put(account(api_base=other_side.url))
        asked = [request(f"m{n}", f"{n % 50}") for n in range(500)]
        await here.ask(*asked)
        with worker(here, other_side.url, tmp_path, per_second=40) as frozen:
            await eventually(lambda: len(other_side.seen) > 20, timeout=40)
            frozen.send_signal(signal.SIGSTOP)
            with worker(here, other_side.url, tmp_path, per_second=40):
                before = len(other_side.seen)
                await eventually(lambda: len(other_side.seen) > before + 60, timeout=60)
                frozen.send_signal(signal.SIGCONT)
                found = await all_settled(here, asked)
        check(asked, found, other_side)
