"""The simulator on a port of 127.0.0.1, inside the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from connectors.whatsapp.simulator.app import make_app
from connectors.whatsapp.simulator.config import Config
from connectors.whatsapp.simulator.world import Simulator


@dataclass(frozen=True, slots=True)
class Served:
    """A running simulator; `base` is what goes into the account's `api_base`."""

    base: str
    simulator: Simulator


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the process that we are a guest of."""
        yield


@contextlib.asynccontextmanager
async def serve(config: Config | None = None, port: int = 0) -> AsyncIterator[Served]:
    """Runs the simulator under `/whatsapp` until the block ends; port 0 takes a free one."""
    inner = make_app(config)
    app = Starlette(routes=[Mount("/whatsapp", inner)])
    simulator: Simulator = inner.state.simulator
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = _Server(
            uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        )
        running = asyncio.create_task(server.serve([listener]))
        try:
            yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}/whatsapp", simulator)
        finally:
            await simulator.close()
            server.should_exit = True
            await running
