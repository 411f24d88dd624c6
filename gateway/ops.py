"""`/healthz`, `/readyz` and `/metrics` for services that serve nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway import metrics

STOP_SECONDS = 5.0


def ops_routes(ready: Callable[[], bool]) -> list[Route]:
    """The three routes; `ready` says whether the service does its work now."""

    def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    def readyz(request: Request) -> Response:
        return PlainTextResponse("ready\n") if ready() else PlainTextResponse("not ready\n", 503)

    def page(request: Request) -> Response:
        body, content_type = metrics.page()
        return Response(body, media_type=content_type)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", page)]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def] # the process's own handlers stay
        yield


@contextlib.asynccontextmanager
async def serving(app: object, host: str, port: int) -> AsyncIterator[uvicorn.Server]:
    """Serve an ASGI app while the block runs. Raises OSError when the port is taken."""
    config = uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, lifespan="off")  # type: ignore[arg-type]
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if task.done():
                task.result()
                raise OSError(f"port {port} on {host} cannot be used; is another process listening there?")
            await asyncio.sleep(0.01)
        yield server
    finally:
        server.should_exit = True
        with contextlib.suppress(TimeoutError, SystemExit):
            await asyncio.wait_for(task, STOP_SECONDS)


@contextlib.asynccontextmanager
async def serving_ops(host: str, port: int, ready: Callable[[], bool]) -> AsyncIterator[None]:
    """Serve only the three routes while the block runs. Raises OSError when the port is taken."""
    async with serving(Starlette(routes=ops_routes(ready)), host, port):
        yield
