"""The HTTP application of the process: webhooks, `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from connectors.runner.webhook import PREFIX, Webhooks
from gateway import metrics

READY_CODES = {True: 200, False: 503}
STOP_SECONDS = 10


def application(webhooks: Webhooks, ready: Callable[[], Mapping[str, bool]]) -> ASGIApp:
    """`ready` names what the process needs and whether it has it."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_request: Request) -> Response:
        parts = dict(ready())
        return JSONResponse(parts, status_code=READY_CODES[all(parts.values())])

    async def metrics_page(_request: Request) -> Response:
        body, content_type = metrics.page()
        return Response(body, headers={"content-type": content_type})

    others = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics_page),
        ]
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await webhooks(scope, receive, send)
        else:
            await others(scope, receive, send)

    return app


class Server(uvicorn.Server):
    """uvicorn inside a process that minds the signals itself."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals alone."""
        yield


def make_server(app: ASGIApp) -> Server:
    """The server for `app`; give it a bound socket with `serve(sockets=[…])`."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        ws="none",
        backlog=2048,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=STOP_SECONDS,
        limit_concurrency=4000,
    )
    return Server(config)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on `host`; port 0 takes a free one. Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening
