"""One lane per conversation: its requests go one after the other, and no lane holds another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from connectors.runner.holding import Holding, InHand
from connectors.runner.sender import Sender, TurnLost

CALLING_SECONDS = 0.5

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Lanes:
    """Settles what is in hand. `current` gives the holding that a partition has now."""

    def __init__(self, sender: Sender, spawn: Spawn, current: Callable[[int], Holding | None]) -> None:
        self._sender = sender
        self._spawn = spawn
        self._current = current

    def add(self, holding: Holding, key: bytes, item: InHand) -> None:
        """The next request of the conversation."""
        lane = holding.lanes.get(key)
        if lane is not None:
            lane.append(item)
            return
        holding.lanes[key] = deque([item])
        holding.tasks[key] = self._spawn(self._run(holding, key))

    def release(self, holdings: Iterable[Holding]) -> set[asyncio.Task[None]]:
        """What waits is dropped. What is on its way goes on, and is returned: nobody else gets the partition
        before we let go."""
        on_the_way: set[asyncio.Task[None]] = set()
        for holding in holdings:
            holding.lost = True
            for key, task in holding.tasks.items():
                if holding.lanes[key][0].request.request_id in self._sender.calling:
                    on_the_way.add(task)
                else:
                    task.cancel()
        return on_the_way

    async def _run(self, holding: Holding, key: bytes) -> None:
        lane = holding.lanes[key]
        while lane:
            try:
                await self._settle(holding, lane[0])
            except TurnLost:
                return
            if holding.lost:
                return
            lane.popleft()
        del holding.lanes[key], holding.tasks[key]

    async def _settle(self, holding: Holding, item: InHand) -> None:
        request = item.request
        if request.request_id in holding.skip:
            while request.request_id in self._sender.calling:
                await asyncio.sleep(CALLING_SECONDS)  # on its way since before the partition changed
            holding.finish(item.offset)
            return
        in_ledger = await self._sender.settle(request, item.offset, holding)
        if in_ledger:
            self._note_outcome(holding, item)
        holding.finish(item.offset)
        self._sender.done(request)

    def _note_outcome(self, holding: Holding, item: InHand) -> None:
        """In the ledger; also for the holding we have now, if the partition came back meanwhile."""
        request_id = item.request.request_id
        holding.open.finished[request_id] = item.offset
        self._spawn(holding.settled(item.request, item.offset))
        successor = self._current(holding.number)
        if successor is not None and successor is not holding:
            successor.skip |= {request_id}
            successor.open.finished[request_id] = item.offset
