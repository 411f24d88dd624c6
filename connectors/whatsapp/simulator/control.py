"""Routes under `/_control`: what tests and the demo can make happen from outside. JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from connectors.whatsapp.simulator.config import Injected
from connectors.whatsapp.simulator.world import Simulator

Json = dict[str, Any]
_Handler = Callable[[Simulator, Request, Json], Json]


def routes(world: Simulator) -> list[Route]:
    """The control routes of this simulator."""

    def route(path: str, method: str, handle: _Handler) -> Route:
        return Route(path, _endpoint(world, handle), methods=[method])

    return [
        route("/contacts/{phone}/messages", "POST", _write),
        route("/contacts/{phone}", "PUT", _set_person),
        route("/webhooks", "POST", _send_webhook),
        route("/webhooks", "GET", _webhooks),
        route("/messages", "GET", _messages),
        route("/faults", "POST", _inject),
        route("/clock", "PUT", _move_clock),
        route("/numbers/{phone_number_id}", "PUT", _set_number),
    ]


def _endpoint(world: Simulator, handle: _Handler) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def endpoint(request: Request) -> JSONResponse:
        try:
            raw = await request.body()
            return JSONResponse(handle(world, request, json.loads(raw) if raw else {}))
        except (KeyError, TypeError, ValueError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)

    return endpoint


def _write(world: Simulator, request: Request, body: Json) -> Json:
    """`{"text": …}` or `{"message": <element>}`, with optional `name`, `phone_number_id` and `copies`."""
    phone = request.path_params["phone"]
    if body.get("name"):
        world.person(phone).name = body["name"]
    element = body["text"] if "text" in body else body["message"]
    return {"id": world.writes(phone, element, body.get("phone_number_id"), body.get("copies", 1))}


def _set_person(world: Simulator, request: Request, body: Json) -> Json:
    """Any of `name`, `username`, `user_id`, `hides_phone`, `blocked`, and the fields of `Behaviour`."""
    person = world.person(request.path_params["phone"])
    for key in ("name", "username", "user_id", "hides_phone", "blocked"):
        if key in body:
            setattr(person, key, body.pop(key))
    person.behaviour = replace(person.behaviour, **body)
    return {"phone": person.phone, "user_id": person.user_id, "name": person.name}


def _send_webhook(world: Simulator, _: Request, body: Json) -> Json:
    """`{"payload": <webhook>}` goes out signed, with optional `phone_number_id`."""
    world.sends(body["payload"], body.get("phone_number_id"))
    return {}


def _webhooks(world: Simulator, _: Request, __: Json) -> Json:
    """Every webhook sent, and what each try was answered."""
    deliveries = [
        {"url": d.url, "payload": json.loads(d.body), "answers": d.answers} for d in world.hooks.deliveries
    ]
    return {"webhooks": deliveries}


def _messages(world: Simulator, _: Request, __: Json) -> Json:
    """What we sent and was accepted; `requests` counts all tries; `read` the ids we marked read."""
    accepted = [{"id": m.id, "phone": m.phone, "at": m.at, "body": m.body} for m in world.accepted]
    return {"messages": accepted, "requests": world.requests, "read": world.read}


def _inject(world: Simulator, _: Request, body: Json) -> Json:
    """`{"kind": …}` of `Injected`, with optional `count` and `retry_after` (seconds)."""
    world.inject(Injected(body["kind"]), body.get("count", 1), body.get("retry_after", 1))
    return {"waiting": len(world.faults)}


def _move_clock(world: Simulator, _: Request, body: Json) -> Json:
    """`{"offset": <milliseconds>}` from the real time."""
    world.offset = int(body["offset"])
    return {"now": world.now()}


def _set_number(world: Simulator, request: Request, body: Json) -> Json:
    """`{"callback_url": …}` of a business number."""
    identifier = request.path_params["phone_number_id"]
    world.numbers[identifier] = replace(world.numbers[identifier], **body)
    return {"callback_url": world.numbers[identifier].callback_url}
