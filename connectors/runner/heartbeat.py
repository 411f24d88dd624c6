"""How old the last good heartbeat of a group member is."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer


class Heartbeat:
    """Watches one consumer. Older than half the session = others may own our partitions soon."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def good(self) -> None:
        """The group knows us now: a heartbeat was answered, or an assignment came."""
        self._last = asyncio.get_running_loop().time()

    def age(self) -> float:
        """Seconds since the sending of the last heartbeat that was answered well."""
        return asyncio.get_running_loop().time() - self._last

    def watch(self, consumer: AIOKafkaConsumer) -> None:
        """aiokafka keeps the time of the last good heartbeat to itself, so its sending is wrapped."""
        coordinator = consumer._coordinator  # noqa: SLF001
        send = coordinator._do_heartbeat  # noqa: SLF001

        async def noted() -> bool:
            sent = asyncio.get_running_loop().time()
            good: bool = await send()
            if good:
                self._last = sent
            return good

        coordinator._do_heartbeat = noted  # noqa: SLF001
