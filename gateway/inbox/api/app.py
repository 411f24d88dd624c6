"""The inbox's ASGI application."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway import metrics
from gateway.inbox.api import (
    directory_routes,
    event_routes,
    explain_routes,
    offline_routes,
    problems,
    read_routes,
    session_routes,
    write_routes,
)
from gateway.inbox.api.context import Inbox, json
from gateway.inbox.api.security import SecurityHeaders
from gateway.inbox.api.static_files import StaticFiles

STATIC = Path(__file__).resolve().parents[1] / "static"
BASE = "/api/v1"
MAX_BODY_BYTES = 1_000_000
"""As much as one record may hold."""


def make_app(parts: Inbox, static: Path = STATIC) -> FastAPI:
    """The application over the given parts. OpenAPI at /api/v1/openapi.json."""
    app = FastAPI(
        title="Channel gateway: inbox",
        version="1",
        openapi_url=f"{BASE}/openapi.json",
        docs_url=None,
        redoc_url=None,
        max_body_size=MAX_BODY_BYTES,
    )
    app.state.inbox = parts
    problems.install(app)
    for routes in (
        session_routes,
        read_routes,
        write_routes,
        event_routes,
        offline_routes,
        directory_routes,
        explain_routes,
    ):
        app.include_router(routes.router, prefix=BASE)
    app.router.routes += [
        Route("/healthz", _healthz),
        Route("/readyz", _readyz),
        Route("/metrics", _metrics),
        Route("/{path:path}", StaticFiles(static).respond, methods=["GET", "HEAD"]),
    ]
    app.add_middleware(SecurityHeaders)
    return app


async def _healthz(request: Request) -> Response:
    """The process lives; `degraded` names what it cannot reach. Never an error: a restart would not help."""
    health = await _health(request.app.state.inbox)
    missing = sorted(name for name, good in health.items() if not good)
    return json({"status": "degraded" if missing else "ok", "degraded": missing})


async def _readyz(request: Request) -> Response:
    """200 once the inbox can answer."""
    health = await _health(request.app.state.inbox)
    missing = sorted(name for name, good in health.items() if not good)
    return json({"ready": not missing, "missing": missing}, 503 if missing else 200)


async def _health(parts: Inbox) -> dict[str, bool]:
    try:
        rows = await parts.store.ready()
        redis = True
    except (RedisError, OSError):
        rows = redis = False
    return {"redis": redis, "projection": rows, "kafka": parts.producer.available}


async def _metrics(_request: Request) -> Response:
    text, kind = metrics.page()
    return Response(text, media_type=kind)
