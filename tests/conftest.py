"""Fixtures for all tests: one real Kafka and one real Redis for the whole run. A missing part is a failure."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator

import pytest

from gateway.embedded.kafka import EmbeddedKafka
from gateway.embedded.redis import EmbeddedRedis
from gateway.settings import Settings


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap servers of a running Kafka: the one of KAFKA_BOOTSTRAP_SERVERS, else an embedded one."""
    if external := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield external
        return
    server = EmbeddedKafka(tmp_path_factory.mktemp("kafka"), Settings().cache_dir, progress=print)
    asyncio.run(server.start())
    yield server.bootstrap_servers
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running Redis: the one of REDIS_URL, else an embedded one. Use keys with `topic_prefix` in them."""
    if external := os.environ.get("REDIS_URL"):
        yield external
        return
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    asyncio.run(server.start())
    yield server.url
    asyncio.run(server.stop())


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics, groups, transactional ids and Redis keys that no other test has; ends with a dot."""
    return f"t{uuid.uuid4().hex[:12]}."
