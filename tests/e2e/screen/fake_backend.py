"""An inbox backend in memory that speaks the HTTP contract, for fast screen tests and odd states.

Runs in a thread of the test process; tests script it through its methods (all thread-safe enough:
they run on the server's loop). It decides only as much as the screen needs to see.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).parents[3] / "gateway" / "inbox" / "static"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; media-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
Json = dict[str, Any]

PROFILE: Json = {
    "channel": "whatsapp",
    "name": "WhatsApp",
    "content": ["text", "image", "video", "audio", "file", "location", "buttons", "list", "template"],
    "rungs": [
        {"rung": "sent", "told": "webhook", "may_be_hidden": False, "overdue_after": 60_000},
        {"rung": "delivered", "told": "webhook", "may_be_hidden": False, "overdue_after": None},
        {"rung": "read", "told": "webhook", "may_be_hidden": True, "overdue_after": None},
    ],
    "limits": [{"name": "text", "value": 4096, "unit": "code_points", "source": "", "read_on": ""}],
    "media": [],
    "window": {"duration": 86_400_000, "outside": ["template"], "source": "", "read_on": ""},
    "reply_to": True,
    "typing_shown": False,
    "mark_read": True,
    "block": True,
}
LINE_PROFILE: Json = {
    **PROFILE,
    "channel": "line",
    "name": "LINE",
    "content": ["text", "image", "video", "audio", "sticker", "location", "buttons", "carousel"],
    "rungs": [
        {"rung": "sent", "told": "send_answer", "may_be_hidden": False, "overdue_after": None},
        {"rung": "delivered", "told": "never", "may_be_hidden": False, "overdue_after": None},
        {"rung": "read", "told": "never", "may_be_hidden": False, "overdue_after": None},
    ],
    "window": None,
}


def now() -> int:
    return int(time.time() * 1000)


def rung(state: str, at: int | None = None, hidden: bool = False) -> Json:
    return {"state": state, "at": at, "may_be_hidden": hidden}


def status(shown: str, at: int | None = None, **over: Any) -> Json:
    """A Status as a channel that tells everything would give it."""
    at = at or now()
    order = ["sent", "delivered", "read"]
    reached = order.index(shown) if shown in order else -1
    rungs = {
        name: rung("reached" if n <= reached else "not_yet", at if n <= reached else None, name == "read")
        for n, name in enumerate(order)
    }
    base = {"shown": shown, "rungs": rungs, "problem": None, "overdue": [], "parts": 1, "resend": None}
    return {**base, **over}


@dataclass
class Conversation:
    """A conversation with its items."""

    summary: Json
    items: list[Json] = field(default_factory=list)


class FakeBackend:
    """State, script and server in one."""

    def __init__(self) -> None:
        self.me: Json = {
            "id": "agent-sato",
            "name": "佐藤 美咲",
            "email": "sato@example.com",
            "locale": "",  # none: the browser's language counts
            "role": "agent",
            "departments": [{"id": "tokyo", "name": "サポート東京"}],
            "presence": "online",
        }
        self.agents: list[Json] = [
            {"id": "agent-sato", "name": "佐藤 美咲", "departments": ["tokyo"]},
            {"id": "agent-suzuki", "name": "鈴木 健", "departments": ["tokyo"]},
        ]
        self.conversations: dict[str, Conversation] = {}
        self.events: list[tuple[str, Json]] = []
        self.horizon = 0
        """Events before this index are gone: resuming from earlier gives `resync`."""
        self.refusals: dict[tuple[str, str], Json] = {}
        self.down = False
        self.no_profile = False
        self.later: set[str] = set()
        """Actions answered with 202 (the result comes by GET /commands)."""
        self.silent_items = False
        self.answer_after_event = 0.0
        self.base = ""
        self.requests: list[tuple[str, str, Json | None]] = []
        self.sessions: set[str] = set()
        self.csrf = uuid.uuid4().hex
        self.results: dict[str, Json] = {}
        self.seen_commands: dict[str, Json] = {}
        self._streams: set[asyncio.Queue[int | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- script ------------------------------------------------------------------------------------

    def add(self, cid: str, name: str, **over: Any) -> Conversation:
        """A new open conversation in the queue of tokyo."""
        at = over.pop("at", now())
        summary: Json = {
            "id": cid, "channel": "whatsapp", "account_id": "wa-tokyo", "account_name": "WhatsApp 東京",
            "department_id": "tokyo", "department_name": "サポート東京",
            "contact": {"name": name, "address": "+81 90-0000-5678", "username": None},
            "status": "open", "owner": {"kind": "queue", "id": "tokyo", "name": "サポート東京"},
            "epoch": 1, "episode": 1, "seq": 0, "blocked": False, "attention": False,
            "last": None, "last_at": at, "waiting_since": at, "window_closes": at + 86_400_000,
            "unread": 0, "capabilities_ref": "wa-tokyo",
        }  # fmt: skip
        conversation = Conversation({**summary, **over})
        self.conversations[cid] = conversation
        return conversation

    def message(self, cid: str, sender: str, content: str | Json, /, **over: Any) -> Json:
        """Appends a message; `sender` is `contact`, `agent`, `bot`, `automatic`, `operator` or `note`."""
        c = self.conversations[cid].summary
        body: Json = {"type": "text", "body": content} if isinstance(content, str) else content
        who = {
            "contact": {"id": "contact", "name": c["contact"]["name"]},
            "bot": {"id": "bot", "name": "ご案内ボット"},
        }
        item: Json = {
            "kind": "message", "id": str(uuid.uuid4()), "at": now(), "from": sender,
            "sender": who.get(sender, {"id": self.me["id"], "name": self.me["name"]}), "channel": c["channel"],
            "content": body, "fallback": body.get("body") or f"[{body.get('kind', body['type'])}]",
            "reply_to": None, "status": status("queued") if sender in ("agent", "bot", "automatic") else None,
            "edited_at": None, "unsent_at": None, "history": [], "reactions": [], "attempts": 1,
        }  # fmt: skip
        item.update(over)
        self._append(cid, item)
        c["last"] = {"text": item["fallback"], "at": item["at"], "from": sender}
        c["last_at"] = item["at"]
        if sender == "contact":
            c["unread"] += 1
            c["waiting_since"] = c["waiting_since"] or item["at"]
        elif sender == "agent":
            c["waiting_since"] = None
        self._publish(cid, item)
        return item

    def system(
        self, cid: str, code: str, /, by: Json | None = None, at: int | None = None, **params: Any
    ) -> Json:
        """Appends a system line."""
        me = {"kind": "agent", "id": self.me["id"], "name": self.me["name"]}
        item = {
            "kind": "system", "id": str(uuid.uuid4()), "at": at or now(), "code": code, "by": by or me, "params": params,
        }  # fmt: skip
        self._append(cid, item)
        self._publish(cid, item)
        return item

    def _append(self, cid: str, item: Json) -> None:
        conversation = self.conversations[cid]
        conversation.summary["seq"] += 1
        item["seq"] = conversation.summary["seq"]
        conversation.items.append(item)

    def change(self, cid: str, item_id: str, **over: Any) -> None:
        """Changes an item (a receipt, an edit, …)."""
        item = next(i for i in self.conversations[cid].items if i["id"] == item_id)
        item.update(over)
        self.conversations[cid].summary["seq"] += 1
        self._publish(cid, item)

    def alter(self, cid: str, **over: Any) -> None:
        """Changes a conversation's summary."""
        summary = self.conversations[cid].summary
        summary.update(over)
        summary["seq"] += 1
        self._publish(cid, None)

    def gone(self, cid: str) -> None:
        """Moves a conversation to a department the agent is not in."""
        self.conversations[cid].summary["department_id"] = "osaka"
        self.events.append(("gone", {"id": cid}))
        end = len(self.events)
        self._call(lambda: [queue.put_nowait(end) for queue in self._streams])

    def refuse(
        self, action: str, code: str, offer: str | None = None, cid: str = "*", http: int = 409
    ) -> None:
        """The next such action is refused."""
        problem = {"type": f"urn:gateway:{code}", "title": code, "status": http, "detail": code, "code": code}
        self.refusals[cid, action] = {**problem, **({"offer": offer} if offer else {})}

    def drop_streams(self) -> None:
        """Breaks every live stream, as a restart would."""
        self._call(lambda: [queue.put_nowait(None) for queue in self._streams])

    def expire_sessions(self) -> None:
        """Ends all sessions on the server's side."""
        self.sessions.clear()
        self.drop_streams()

    def wrote(self, method: str, path: str) -> list[Json | None]:
        """Bodies of the requests whose path ends so."""
        return [body for m, p, body in self.requests if m == method and p.endswith(path)]

    # --- events ------------------------------------------------------------------------------------

    def _publish(self, cid: str, item: Json | None) -> None:
        if item is not None and not self.silent_items:
            self.events.append(("item", json.loads(json.dumps({"conversation_id": cid, "item": item}))))
        self.events.append(("conversation", json.loads(json.dumps(self.conversations[cid].summary))))
        end = len(self.events)
        self._call(lambda: [queue.put_nowait(end) for queue in self._streams])

    def _call(self, run: Callable[[], object]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(run)

    def resync(self) -> None:
        """Tells every stream that it is too far behind."""
        self.events.append(("resync", {}))
        end = len(self.events)
        self._call(lambda: [queue.put_nowait(end) for queue in self._streams])

    async def _stream(self, start: int | None) -> AsyncIterator[str]:
        queue: asyncio.Queue[int | None] = asyncio.Queue()
        self._streams.add(queue)
        try:
            position = len(self.events) if start is None else start
            yield f": hello\nid: {_event_id(position)}\n\n"
            if position < self.horizon:
                position = len(self.events)
                yield f"event: resync\nid: {_event_id(position)}\ndata: {{}}\n\n"
            while True:
                for name, data in self.events[position:]:
                    position += 1
                    yield f"event: {name}\nid: {_event_id(position)}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"
                try:
                    if await asyncio.wait_for(queue.get(), 5) is None:
                        return
                except TimeoutError:
                    yield ": heartbeat\n\n"
        finally:
            self._streams.discard(queue)

    # --- HTTP --------------------------------------------------------------------------------------

    def app(self) -> Starlette:
        """The ASGI application: API and static files under the strict policy."""
        v1 = "/api/v1"
        routes = [
            Route(f"{v1}/session", self.sign_in, methods=["POST"]),
            Route(f"{v1}/session", self.session, methods=["GET"]),
            Route(f"{v1}/session", self.sign_out, methods=["DELETE"]),
            Route(f"{v1}/presence", self.presence, methods=["PUT"]),
            Route(f"{v1}/agents", self.list_agents),
            Route(f"{v1}/accounts/{{id}}/capabilities", self.capabilities),
            Route(f"{v1}/conversations", self.list_conversations),
            Route(f"{v1}/conversations/{{id}}", self.one),
            Route(f"{v1}/conversations/{{id}}/messages", self.messages, methods=["GET"]),
            Route(f"{v1}/conversations/{{id}}/messages/{{message}}/resend", self.resend, methods=["POST"]),
            Route(f"{v1}/conversations/{{id}}/{{action}}", self.act, methods=["POST"]),
            Route(f"{v1}/commands/{{id}}", self.command),
            Route(f"{v1}/events", self.live),
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ]
        app = Starlette(routes=routes)
        app.add_middleware(BaseHTTPMiddleware, dispatch=self._guard)
        return app

    async def _guard(self, request: Request, go: RequestResponseEndpoint) -> Response:
        path = request.url.path
        if not path.startswith("/api/"):
            response = await go(request)
            response.headers["Content-Security-Policy"] = CSP
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response
        body = await request.body()
        self.requests.append((request.method, path, json.loads(body) if body else None))
        if self.down:
            return _problem(503, "unavailable")
        if path != "/api/v1/session" and request.cookies.get("gateway_session") not in self.sessions:
            return _problem(401, "unauthenticated")
        writes = request.method != "GET" and not (request.method == "POST" and path == "/api/v1/session")
        if writes and request.headers.get("X-CSRF-Token") != self.csrf:
            return _problem(403, "csrf")
        return await go(request)

    async def sign_in(self, request: Request) -> Response:
        form = await request.json()
        if form["email"] != self.me["email"] or form["password"] != "demo":
            return _problem(401, "unauthenticated")
        token = uuid.uuid4().hex
        self.sessions.add(token)
        response = JSONResponse({"agent": self.me, "csrf": self.csrf})
        response.set_cookie("gateway_session", token, httponly=True, samesite="lax")
        return response

    async def session(self, request: Request) -> Response:
        if request.cookies.get("gateway_session") not in self.sessions:
            return _problem(401, "unauthenticated")
        return JSONResponse({"agent": self.me, "csrf": self.csrf})

    async def sign_out(self, request: Request) -> Response:
        self.sessions.discard(request.cookies.get("gateway_session", ""))
        return Response(status_code=204)

    async def presence(self, request: Request) -> Response:
        self.me["presence"] = (await request.json())["state"]
        return JSONResponse({"state": self.me["presence"]})

    async def list_agents(self, request: Request) -> Response:
        return JSONResponse({"agents": self.agents})

    async def capabilities(self, request: Request) -> Response:
        if self.no_profile:
            return _problem(404, "not_found")
        return JSONResponse(LINE_PROFILE if request.path_params["id"].startswith("line") else PROFILE)

    def _in_view(self, c: Json, view: str) -> bool:
        mine = c["owner"]["kind"] == "agent" and c["owner"]["id"] == self.me["id"]
        active = c["status"] == "open" and not c["blocked"]
        return {
            "mine": active and mine,
            "unassigned": active and c["owner"]["kind"] == "queue",
            "all": active,
            "completed": c["status"] == "completed" and not c["blocked"],
            "blocked": c["blocked"],
            "attention": c["attention"],
        }[view]

    async def list_conversations(self, request: Request) -> Response:
        view = request.query_params.get("view", "mine")
        every = [c.summary for c in self.conversations.values() if c.summary["department_id"] == "tokyo"]
        shown = sorted((c for c in every if self._in_view(c, view)), key=lambda c: -c["last_at"])
        if view == "unassigned":
            shown.sort(key=lambda c: c["waiting_since"] or c["last_at"])
        start = int(request.query_params.get("cursor", "0"))
        end = start + int(request.query_params.get("limit", "50"))
        names = ("mine", "unassigned", "all", "completed", "blocked", "attention")
        counts = {name: sum(self._in_view(c, name) for c in every) for name in names}
        cursor = str(end) if end < len(shown) else None
        return JSONResponse({"conversations": shown[start:end], "cursor": cursor, "counts": counts})

    async def one(self, request: Request) -> Response:
        found = self.conversations.get(request.path_params["id"])
        if found is None or found.summary["department_id"] != "tokyo":
            return _problem(404, "not_found")
        return JSONResponse(found.summary)

    async def messages(self, request: Request) -> Response:
        found = self.conversations.get(request.path_params["id"])
        if found is None:
            return _problem(404, "not_found")
        query = request.query_params
        limit = int(query.get("limit", "50"))
        every = sorted(found.items, key=lambda item: item["seq"])
        if "after" in query:
            page = [i for i in every if i["seq"] > int(query["after"])][:limit]
        else:
            page = [i for i in every if i["seq"] < int(query.get("before", 10**12))][-limit:]
        return JSONResponse({
            "items": page,
            "has_before": bool(page and page[0]["seq"] > every[0]["seq"]),
            "has_after": bool(page and page[-1]["seq"] < every[-1]["seq"]),
            "seq": found.summary["seq"],
        })  # fmt: skip

    async def act(self, request: Request) -> Response:
        cid, action = request.path_params["id"], request.path_params["action"]
        body = await request.json()
        if action == "read":
            self.conversations[cid].summary["unread"] = 0
            self._publish(cid, None)
            return JSONResponse(
                {"command_id": body["client_id"], "accepted": True, "seq": 0, "message_id": None}
            )
        if body["client_id"] in self.seen_commands:
            return JSONResponse(self.seen_commands[body["client_id"]])
        refusal = self.refusals.pop((cid, action), None) or self.refusals.pop(("*", action), None)
        refusal = refusal or self._decide(cid, action, body)
        if refusal:
            return JSONResponse(refusal, status_code=refusal["status"], media_type="application/problem+json")
        message = self._apply(cid, action, body)
        answer = {
            "command_id": body["client_id"], "accepted": True,
            "seq": self.conversations[cid].summary["seq"], "message_id": message["id"] if message else None,
        }  # fmt: skip
        self.seen_commands[body["client_id"]] = answer
        if action in self.later:
            self.results[body["client_id"]] = answer
            return JSONResponse({"command_id": body["client_id"]}, status_code=202)
        if self.answer_after_event:
            await asyncio.sleep(self.answer_after_event)
        return JSONResponse(answer)

    def _decide(self, cid: str, action: str, body: Json) -> Json | None:
        c = self.conversations[cid].summary
        mine = c["owner"]["id"] == self.me["id"]
        code = None
        if action == "messages" and c["status"] == "open" and not mine:
            code = ("not_owner", "assign")
        if action == "end" and not mine:
            code = ("not_assigned", "assign")
        if action == "accept" and c["owner"]["kind"] != "queue":
            code = ("already_taken", None)
        if code is None:
            return None
        return {"type": "about:blank", "title": code[0], "status": 409, "detail": code[0], "code": code[0],
                **({"offer": code[1]} if code[1] else {})}  # fmt: skip

    def _apply(self, cid: str, action: str, body: Json) -> Json | None:
        c = self.conversations[cid].summary
        owner = {"kind": "agent", "id": self.me["id"], "name": self.me["name"]}
        message = None
        if action == "messages":
            if c["status"] == "completed":
                c.update(status="open", owner=owner, episode=c["episode"] + 1)
                self.system(cid, "reopened", how="reply")
            message = self.message(cid, "agent", body["content"])
            if body.get("complete"):
                c.update(status="completed", waiting_since=None)
                self.system(cid, "sent_and_completed")
        elif action == "accept":
            c.update(owner=owner, epoch=c["epoch"] + 1)
            self.system(cid, "accepted")
        elif action == "assign":
            to = next(a for a in self.agents if a["id"] == body["agent_id"])
            c.update(
                owner={"kind": "agent", "id": to["id"], "name": to["name"]},
                epoch=c["epoch"] + 1,
                status="open",
            )
            self.system(cid, "assigned", to=to["name"], self=to["id"] == self.me["id"])
        elif action == "end":
            c.update(status="completed", waiting_since=None)
            self.system(cid, "ended")
        elif action == "reopen":
            c.update(status="open", owner=owner, episode=c["episode"] + 1)
            self.system(cid, "reopened", how="by_hand")
        else:
            self._apply_rest(c, cid, action, body)
        return message

    def _apply_rest(self, c: Json, cid: str, action: str, body: Json) -> None:
        if action == "block":
            c.update(blocked=True, waiting_since=None)
            self.system(cid, "blocked")
            if c["status"] == "open":
                c.update(status="completed")
                self.system(cid, "ended", how="blocked")
        elif action == "unblock":
            c.update(blocked=False)
            self.system(cid, "unblocked")
        elif action == "transfer":
            department = next(d for d in self.me["departments"] if d["id"] == body["department_id"])
            queue = {"kind": "queue", "id": department["id"], "name": department["name"]}
            c.update(owner=queue, epoch=c["epoch"] + 1, department_id=department["id"])
            self.system(cid, "queued", to=queue, department=department["id"], how="queued")
        elif action == "ticket":
            number = 100 + len(self.requests)
            self.system(
                cid, "ticket", number=number, subject=body["subject"], message_id=body.get("message_id")
            )

    async def resend(self, request: Request) -> Response:
        cid, message = request.path_params["id"], request.path_params["message"]
        body = await request.json()
        refusal = self.refusals.pop(("*", "resend"), None)
        if refusal:
            return JSONResponse(refusal, status_code=refusal["status"], media_type="application/problem+json")
        item = next(i for i in self.conversations[cid].items if i["id"] == message)
        self.change(cid, message, status=status("queued"), attempts=item["attempts"] + 1)
        return JSONResponse(
            {"command_id": body["client_id"], "accepted": True, "seq": item["seq"], "message_id": message}
        )

    async def command(self, request: Request) -> Response:
        result = self.results.get(request.path_params["id"])
        return JSONResponse(result) if result else _problem(404, "not_found")

    async def live(self, request: Request) -> Response:
        last = request.headers.get("Last-Event-ID")
        start = json.loads(base64.urlsafe_b64decode(last))["0"] if last else None
        return StreamingResponse(
            self._stream(start), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    # --- server ------------------------------------------------------------------------------------

    def start(self) -> str:
        """Serves on a free port of this machine; returns the address."""
        config = uvicorn.Config(
            self.app(), host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)

        def run() -> None:
            self._loop = asyncio.new_event_loop()
            self._loop.run_until_complete(self._server.serve())

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "the fake backend did not start"
            time.sleep(0.01)
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """Ends all streams and the server."""
        self.drop_streams()
        self._server.should_exit = True
        self._thread.join(10)


def _event_id(position: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"0": position}).encode()).decode()


def _problem(code: int, name: str) -> JSONResponse:
    body = {"type": "about:blank", "title": name, "status": code, "detail": name, "code": name}
    return JSONResponse(body, status_code=code, media_type="application/problem+json")
