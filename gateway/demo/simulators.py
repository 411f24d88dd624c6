"""The process of the simulated providers: every channel that has a simulator, on one port."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from connectors.whatsapp.simulator import Config, Number, make_app
from gateway.core.clock import system_clock
from gateway.ops import ops_routes, serving
from gateway.settings import Settings

NUMBERS = (
    ("305511998877665", "4930901820", "wa-demo"),
    ("305511998877666", "4930901821", "wa-sales"),
)
"""Phone number id, number, and channel account; the script's contacts write to the first."""


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve the simulators under `/<channel>` until `stop` is set."""
    webhooks = f"http://127.0.0.1:{settings.connectors_port}/webhooks"
    numbers = tuple(
        Number(identifier, phone, callback_url=f"{webhooks}/whatsapp/{account}")
        for identifier, phone, account in NUMBERS
    )
    # The seed names messages; a new one each time, so that no id of an earlier run comes again.
    whatsapp = make_app(Config(numbers=numbers, seed=system_clock()))
    mounts: list[BaseRoute] = [Mount("/whatsapp", whatsapp)]
    app = Starlette(routes=[*ops_routes(lambda: True), *mounts])
    async with AsyncExitStack() as stack:
        stack.push_async_callback(whatsapp.state.simulator.close)
        await stack.enter_async_context(serving(app, "127.0.0.1", settings.simulators_port))
        await stop.wait()
