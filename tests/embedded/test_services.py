"""The embedded Kafka and Redis on their own: records, restart, and what is said when they cannot run."""

from __future__ import annotations

import asyncio
import os
import shutil
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from gateway.embedded import jars, process
from gateway.embedded.jars import Jar, class_path, locked_jars
from gateway.embedded.java import Java, StartupCache, find_java
from gateway.embedded.kafka import EmbeddedKafka
from gateway.embedded.process import DirectoryLock, EmbeddedError, PortTakenError
from gateway.embedded.redis import EmbeddedRedis, redis_binary
from gateway.settings import Settings
from tests.helpers import eventually

CACHE = Settings().cache_dir


async def create_topic(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(topic, 1, 1)])
        assert [error[1] for error in answer.topic_errors] == [0]
    finally:
        await admin.close()


async def produce(bootstrap: str, topic: str, value: bytes, transactional_id: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id)
    async with producer, producer.transaction():
        await producer.send_and_wait(topic, value)


async def first_record(bootstrap: str, topic: str) -> bytes:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    async with consumer:
        return bytes((await consumer.getone()).value)


async def test_kafka_takes_and_gives_a_record(kafka: str, topic_prefix: str) -> None:
    await create_topic(kafka, topic_prefix + "x")
    await produce(kafka, topic_prefix + "x", b"hello", topic_prefix + "p")
    assert await first_record(kafka, topic_prefix + "x") == b"hello"


async def test_redis_answers(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        assert await client.ping()


async def test_a_restart_on_the_same_data_keeps_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One cluster id in 64 begins with a dash, and Kafka's tool must not take it for an option.
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID("f8" + "0" * 30))
    async with EmbeddedKafka(tmp_path, CACHE) as first:
        await create_topic(first.bootstrap_servers, "kept")
        await produce(first.bootstrap_servers, "kept", b"still here", "p")
    assert not process.listening(first.port)
    port = process.free_port()
    async with EmbeddedKafka(tmp_path, CACHE, port=port) as second:
        assert second.bootstrap_servers == f"127.0.0.1:{port}"
        assert await second.healthy()
        assert await first_record(second.bootstrap_servers, "kept") == b"still here"
    assert not await second.healthy()


@pytest.mark.parametrize("service", ["Kafka", "Redis"])
async def test_a_taken_port_is_named(tmp_path: Path, service: str) -> None:
    taken = await asyncio.start_server(lambda _reader, _writer: None, process.HOST, 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        server = (
            EmbeddedKafka(tmp_path, CACHE, port=port)
            if service == "Kafka"
            else EmbeddedRedis(tmp_path, port=port)
        )
        with pytest.raises(
            PortTakenError, match=rf"Port {port} on 127.0.0.1, wanted for {service}, is taken"
        ):
            await server.start()
    assert server.process is None


async def test_java_that_cannot_start_shows_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="Invalid maximum heap size"):
        await EmbeddedKafka(tmp_path, CACHE, heap="1z").start()
    # The directory is free again.
    DirectoryLock(tmp_path, "Kafka").release()


def test_a_wrong_java_home_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="GATEWAY_JAVA_HOME"):
        find_java(tmp_path)


@pytest.mark.parametrize(("version", "supported"), [(25, True), (24, False), (None, False)])
def test_the_startup_cache_is_recorded_once_then_read(
    tmp_path: Path, version: int | None, supported: bool
) -> None:
    java = Java(Path("java"), version)
    first = StartupCache(java, tmp_path)
    assert any("AOTCacheOutput" in argument for argument in first.arguments()) == supported
    first.recording.touch()
    first.finish()
    assert f"-XX:AOTCache={first.file}" in StartupCache(java, tmp_path).arguments() or not supported


def test_no_redis_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match="REDIS_URL"):
        redis_binary()


def test_a_directory_has_one_owner(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path, "Kafka")
    with pytest.raises(EmbeddedError, match=rf"Another Kafka \(process {os.getpid()}\) uses {tmp_path}"):
        DirectoryLock(tmp_path, "Kafka")
    lock.release()
    DirectoryLock(tmp_path, "Kafka").release()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way out is closed: the proxy that requests goes through refuses the connection."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


async def test_a_filled_cache_needs_no_network(kafka: str, offline: None) -> None:
    assert kafka  # the session's Kafka has filled the cache
    lines: list[str] = []
    paths = (await class_path(CACHE, lines.append)).split(":")
    assert all(Path(path).exists() for path in paths)
    assert lines == []


async def test_a_failed_download_says_what_to_do(tmp_path: Path, offline: None) -> None:
    lines: list[str] = []
    with pytest.raises(EmbeddedError, match=r"Cannot download .*HTTPS_PROXY.*KAFKA_BOOTSTRAP_SERVERS"):
        await class_path(tmp_path, lines.append)
    assert lines[0].startswith(f"Downloading Apache Kafka once: {len(locked_jars())} jars, 45 MB")
    # Downloads that were on their way end by themselves and leave nothing either.
    await eventually(lambda: not list((tmp_path / "maven").iterdir()))


async def test_only_the_missing_jar_is_downloaded_and_its_hash_is_checked(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kafka
    shutil.copytree(CACHE / "maven", tmp_path / "maven")
    small = min(locked_jars(), key=lambda jar: jar.size)
    path = small.path_in(tmp_path / "maven")
    path.write_bytes(path.read_bytes()[:100])  # cut off
    lines: list[str] = []
    await class_path(tmp_path, lines.append)
    assert [line.strip().split()[0] for line in lines[1:]] == ["1/1"]
    assert path.stat().st_size == small.size

    altered = Jar(small.coordinate, small.size, "0" * 64)
    path.unlink()
    monkeypatch.setattr(jars, "locked_jars", lambda: [altered])
    with pytest.raises(EmbeddedError, match="does not match its lock"):
        await class_path(tmp_path, lines.append)
    assert not path.exists()
