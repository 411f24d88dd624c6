"""The simulator's HTTP side: the Cloud API's routes and the control routes."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from connectors.whatsapp.simulator import control
from connectors.whatsapp.simulator.api_error import ApiError
from connectors.whatsapp.simulator.config import Config, Injected
from connectors.whatsapp.simulator.world import Accepted, Simulator

Json = dict[str, Any]


def make_app(config: Config | None = None, simulator: Simulator | None = None) -> Starlette:
    """The app; its `state.simulator` drives it from Python.

    Mounted into another app, its lifespan does not run: the outer one has to await `simulator.close()`.
    """
    world = simulator or Simulator(config or Config())

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await world.close()

    app = Starlette(
        routes=[
            Mount("/_control", routes=control.routes(world)),
            Route("/{version}/{phone_number_id}/messages", _guarded(world, _messages), methods=["POST"]),
            Route(
                "/{version}/{phone_number_id}/block_users",
                _guarded(world, _block_users),
                methods=["GET", "POST", "DELETE"],
            ),
        ],
        lifespan=lifespan,
    )
    app.state.simulator = world
    return app


def _guarded(world: Simulator, handle: Any) -> Any:
    """Checks token and number, and turns errors into Graph's answers."""

    async def endpoint(request: Request) -> Response:
        try:
            token = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(token, f"Bearer {world.config.access_token}".encode()):
                world.refused_tokens += 1
                raise ApiError(190, "Error validating access token")
            if request.path_params["phone_number_id"] not in world.numbers:
                raise ApiError(33, "This phone number id does not exist")
            answer: Response = await handle(world, request)
        except ApiError as error:
            return JSONResponse(error.body(f"sim-{world.requests}"), error.status)
        return answer

    return endpoint


async def _json(request: Request) -> Json:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise ApiError(100, "The body is not JSON") from None
    if not isinstance(body, dict):
        raise ApiError(100, "The body is not an object")
    return body


async def _messages(world: Simulator, request: Request) -> Response:
    world.requests += 1
    body = await _json(request)
    if "status" in body:
        return _mark_read(world, body)
    fault, retry_after = world.faults.popleft() if world.faults else (None, 0)
    match fault:
        case Injected.ERROR:
            raise ApiError(131000)
        case Injected.BARE_ERROR:
            return Response("<html>Bad Gateway</html>", 502, media_type="text/html")
        case Injected.RATE:
            error = ApiError(4, "Application request limit reached")
            return JSONResponse(error.body("sim"), 429, {"retry-after": str(retry_after)})
        case Injected.DROP:
            return await _drop(request)
    message = world.accept(request.path_params["phone_number_id"], body)
    if fault is Injected.LOSE_ANSWER:
        return await _drop(request)
    if fault is Injected.LATE_ANSWER:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(world.closed.wait(), world.config.hold)
    return JSONResponse(_answer(world, message))


def _answer(world: Simulator, message: Accepted) -> Json:
    person, body = world.person(message.phone), message.body
    contact: Json = {"input": body.get("to") or body.get("recipient")}
    if "to" in body:
        contact["wa_id"] = person.phone
    state = {"message_status": "accepted"} if body.get("type") == "template" else {}
    return {
        "messaging_product": "whatsapp",
        "contacts": [contact | {"user_id": person.user_id}],
        "messages": [{"id": message.id, **state}],
    }


def _mark_read(world: Simulator, body: Json) -> Response:
    if body["status"] != "read" or not body.get("message_id"):
        raise ApiError(131009, "status")
    world.read.append(str(body["message_id"]))
    return JSONResponse({"success": True})


async def _drop(request: Request) -> Response:
    """Closes the connection without an answer (uvicorn only)."""
    cycle = getattr(request.receive, "__self__", None)
    if cycle is None or not hasattr(cycle, "transport"):
        raise RuntimeError("the server does not let us close its connection")
    cycle.transport.abort()
    await asyncio.sleep(0)
    return Response(status_code=204)


async def _block_users(world: Simulator, request: Request) -> Response:
    if request.method == "GET":
        blocked = [{"wa_id": p.phone} for p in world.people.values() if p.blocked]
        return JSONResponse({"data": blocked})
    body = await _json(request)
    key = "added_users" if request.method == "POST" else "removed_users"
    users = body.get("block_users")
    if not isinstance(users, list) or not users:
        raise ApiError(131008, "Parameter block_users is missing")
    done: list[Json] = []
    for user in users:
        person = world.person(str(user.get("user", "")))
        wrote_lately = person.wrote_at is not None and world.now() < person.wrote_at + world.config.window
        if request.method == "POST" and not wrote_lately:
            raise ApiError(131047, "Only users who wrote within the last 24 hours can be blocked")
        person.blocked = request.method == "POST"
        done.append({"input": user["user"], "wa_id": person.phone})
    return JSONResponse({"messaging_product": "whatsapp", "block_users": {key: done}})
