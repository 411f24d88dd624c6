"""Fixtures of the inbox's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.inbox.world import World, world


@pytest.fixture
async def inbox(kafka: str, redis_url: str, topic_prefix: str) -> AsyncIterator[World]:
    """A running inbox with a running conversation log."""
    async with world(kafka, redis_url, topic_prefix) as made:
        yield made
