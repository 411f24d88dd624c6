"""Our Faust transport and the stock one, side by side on the real Kafka: each mend, and what happens without it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from gateway.bus import faust_transport
from gateway.bus.faust_transport import WrongVersion, check_versions, make_app
from tests.helpers import eventually

from .kit import create, put, writer

WORKER = Path(__file__).with_name("faust_worker.py")
KINDS = pytest.mark.parametrize("kind", ["ours", "stock"])


class FaustWorker:
    def __init__(self, directory: Path, **given: str) -> None:
        self.out = directory / "out"
        self.err = directory / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, str(WORKER), json.dumps(given)], stdout=out, stderr=err
            )

    def said(self, word: str) -> list[Any]:
        lines = [json.loads(line) for line in self.out.read_text().splitlines() if line.startswith("{")]
        return [line[word] for line in lines if word in line]


@contextlib.contextmanager
def faust_worker(directory: Path, **given: str) -> Iterator[FaustWorker]:
    worker = FaustWorker(directory, **given)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait(10)


async def committed(bootstrap: str, group: str) -> int | None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        offsets = await client.list_consumer_group_offsets(group)
    finally:
        await client.close()
    return next((o.offset for o in offsets.values()), None)


@KINDS
async def test_aborted_records_and_the_commit_on_a_transactional_topic(
    kafka: str, topic_prefix: str, tmp_path: Path, kind: str
) -> None:
    """Mends 1 and 2: read_committed; the commit passes over transaction markers."""
    topic = f"{topic_prefix}in"
    await create(kafka, {topic: 1})
    async with writer(kafka, transactional_id=f"{topic_prefix}w") as producer:
        for i in range(60):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, key=b"k", value=b"aborted" if i == 3 else b"committed")
            await (producer.abort_transaction() if i == 3 else producer.commit_transaction())
    group = f"{topic_prefix}app"
    with faust_worker(tmp_path, bootstrap=kafka, name=group, topic=topic, kind=kind, what="see") as worker:
        await eventually(lambda: worker.said("seen").count("committed") == 59, timeout=40)
        # Offsets: a record and a marker in turn, so the last record is 118.
        await eventually(lambda: commits(kafka, group), timeout=20)
        if kind == "ours":
            assert "aborted" not in worker.said("seen")
            await eventually(lambda: committed_is(kafka, group, 119), timeout=3)
        else:
            assert "aborted" in worker.said("seen")
            with pytest.raises(AssertionError):
                await eventually(lambda: committed_is(kafka, group, 119), timeout=3)


async def commits(bootstrap: str, group: str) -> bool:
    return await committed(bootstrap, group) is not None


async def committed_is(bootstrap: str, group: str, offset: int) -> bool:
    found = await committed(bootstrap, group)
    assert found == offset
    return True


@KINDS
async def test_a_flush_waits_for_slow_deliveries(
    kafka: str, topic_prefix: str, tmp_path: Path, kind: str
) -> None:
    """Mend 3: offsets are committed only after the changelog records are acknowledged."""
    topic = f"{topic_prefix}in"
    await create(kafka, {topic: 1})
    with faust_worker(
        tmp_path, bootstrap=kafka, name=f"{topic_prefix}a", topic=topic, kind=kind, what="flush"
    ) as worker:
        await eventually(lambda: worker.said("flushed"), timeout=30)
        assert worker.said("flushed") == ([5] if kind == "ours" else [0])


@KINDS
async def test_a_flush_raises_when_a_delivery_failed(
    kafka: str, topic_prefix: str, tmp_path: Path, kind: str
) -> None:
    """Mend 3: a refused changelog record must not be followed by a commit."""
    topic = f"{topic_prefix}in"
    await create(kafka, {topic: 1}, {topic: {"max.message.bytes": "2000"}})
    with faust_worker(
        tmp_path, bootstrap=kafka, name=f"{topic_prefix}a", topic=topic, kind=kind, what="flush_refused"
    ) as worker:
        await eventually(lambda: worker.said("flushed") or worker.said("error"), timeout=30)
        assert worker.said("error") == (["ProducerSendError"] if kind == "ours" else [])


@KINDS
async def test_a_commit_that_raises(kafka: str, topic_prefix: str, tmp_path: Path, kind: str) -> None:
    """Mend 4: it ends the process. The stock one goes on and never commits that partition again."""
    topic, group = f"{topic_prefix}in", f"{topic_prefix}app"
    await create(kafka, {topic: 1})
    await put(kafka, topic, (b"k", b"0"), (b"k", b"1"))
    with faust_worker(tmp_path, bootstrap=kafka, name=group, topic=topic, kind=kind, what="see") as worker:
        await eventually(lambda: committed_is(kafka, group, 2), timeout=40)
        async with writer(kafka, linger_ms=200) as producer:
            for value in (b"2", b"3", b"commit"):
                await producer.send(topic, key=b"k", value=value)
        if kind == "ours":
            await eventually(lambda: worker.process.poll() is not None, timeout=20)
            assert worker.process.returncode == 75
            assert "the commit failed" in worker.err.read_text()
            return
        await eventually(lambda: worker.said("caught"), timeout=20)
        await put(kafka, topic, (b"k", b"later"))
        await eventually(lambda: "later" in worker.said("seen"), timeout=10)
        with pytest.raises(AssertionError):
            await eventually(lambda: committed_is(kafka, group, 6), timeout=3)
        assert worker.process.poll() is None


def test_a_safe_app_has_no_open_port_and_patches_nothing(tmp_path: Path) -> None:
    import faust

    app = make_app("safe", "127.0.0.1:1", partitions=4, data_dir=tmp_path)
    assert not app.conf.web_enabled
    assert app.conf.topic_disable_leader
    assert not app.conf.topic_allow_declare
    assert app.conf.stream_wait_empty
    assert app.conf.processing_guarantee.value == "at_least_once"
    assert isinstance(app.transport, faust_transport.Transport)
    other = faust.App("other", broker="kafka://127.0.0.1:1", datadir=str(tmp_path))
    assert type(other.transport).__module__ == "faust.transport.drivers.aiokafka"


def test_other_versions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_versions()
    monkeypatch.setitem(faust_transport.PINS, "aiokafka", "0.0.1")
    with pytest.raises(WrongVersion, match=r"aiokafka is .*; the Faust transport is made for 0\.0\.1"):
        check_versions()
