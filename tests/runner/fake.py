"""A tiny channel and its provider, for tests of the runner alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from connectors.contract import (
    Alias,
    Answer,
    HttpRequest,
    Next,
    NoAnswer,
    OpenAccount,
    Parsed,
    Rates,
    Refused,
    Scope,
    Sending,
    SendOutcome,
    Unreadable,
    WebhookRequest,
)
from gateway.core import ids
from gateway.core.capabilities import CapabilityProfile, RungSupport, Told
from gateway.core.content import Clear, Text
from gateway.core.messages import Contact, InboundEvent, InboundKind, SendRequest
from gateway.core.receipts import Fault, Problem, Rung


@dataclass(frozen=True)
class FakeChannel:
    """`{"messages": [{"id", "from", "kind"?, "also"?, "text"}], "junk": n, "skip": n, "boom": true}`."""

    rates: Rates = Rates(account_per_second=1000, pair_every=1, pair_burst=100, retries=3, backoff=20)
    channel: str = "fake"
    profile: CapabilityProfile = CapabilityProfile(
        channel="fake",
        name="Fake",
        content=("text",),
        rungs=(
            RungSupport(Rung.SENT, Told.SEND_ANSWER),
            RungSupport(Rung.DELIVERED, Told.WEBHOOK, overdue_after=60_000),
        ),
        limits=(),
    )
    max_body: int = 10_000
    sent_by_answer: bool = True
    secrets: tuple[str, ...] = ("token",)
    secondary_kinds: tuple[str, ...] = ("nick",)

    def verify(self, request: WebhookRequest, account: OpenAccount) -> Answer | None:
        if request.method == "GET":
            return Answer(200, request.query.get("challenge", "").encode())
        if request.headers.get("x-token") not in account.secrets["token"]:
            raise Refused(401, "signature")
        return None

    def parse(self, request: WebhookRequest, account: OpenAccount, received_at: int) -> Parsed:
        body = json.loads(request.body)
        if body.get("boom"):
            raise RuntimeError("boom")
        own = account.account
        events = tuple(
            InboundEvent(
                event_id=ids.inbound_id(self.channel, own.id, m["id"]),
                conversation_id=ids.conversation_id(own.tenant, self.channel, own.id, m["from"]),
                tenant=own.tenant,
                channel=self.channel,
                account_id=own.id,
                kind=InboundKind.MESSAGE,
                contact=Contact(m["from"], m.get("kind", "phone")),
                occurred_at=received_at,
                received_at=received_at,
                content=Clear(Text(m["text"])),
                provider_message_id=m["id"],
            )
            for m in body.get("messages", ())
        )
        aliases = tuple(Alias(m["from"], m["also"]) for m in body.get("messages", ()) if "also" in m)
        unreadable = (Unreadable(b"{}", "junk"),) * body.get("junk", 0)
        skipped = {"skip": body["skip"]} if "skip" in body else {}
        return Parsed(events, (), aliases, unreadable, skipped)

    def send(self, request: SendRequest, account: OpenAccount) -> Sending:
        assert isinstance(request.content, Clear)
        assert isinstance(request.content.content, Text)
        text = request.content.content.body
        body = {"to": request.address, "text": text, "id": request.request_id}
        try:
            answer = yield HttpRequest(
                "POST", f"{account.account.api_base}/send", {}, json.dumps(body).encode(), timeout=5
            )
        except NoAnswer as none:
            return SendOutcome(Next.UNKNOWN if none.left else Next.RETRY)
        if text == "crash":
            raise RuntimeError("crash")
        if answer.status == 200:
            return SendOutcome(Next.DONE, json.loads(answer.body)["id"])
        problem = Problem(f"http_{answer.status}", "refused", Fault.CHANNEL, retry=False)
        if answer.status == 429:
            scope = Scope.ACCOUNT if answer.headers.get("x-scope") == "account" else Scope.CONVERSATION
            after = float(answer.headers.get("retry-after", "0")) * 1000
            return SendOutcome(Next.RETRY, problem=problem, retry_after=int(after) or None, scope=scope)
        if answer.status == 401:
            return SendOutcome(Next.RETRY, problem=problem, stop_account=True)
        return SendOutcome(Next.RETRY if answer.status >= 500 else Next.FAIL, problem=problem)


@dataclass
class Provider:
    """Answers sends. `plan` gives statuses per text, then 200; `hold` keeps the answer of a text back."""

    url: str = ""
    seen: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    plan: dict[str, list[web.Response]] = field(default_factory=dict)
    hold: dict[str, asyncio.Event] = field(default_factory=dict)

    def texts(self) -> list[str]:
        return [body["text"] for _, body in self.seen]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.seen.append((asyncio.get_running_loop().time(), body))
        if (held := self.hold.get(body["text"])) is not None:
            await held.wait()
        planned = self.plan.get(body["text"])
        if planned:
            return planned.pop(0)
        return web.json_response({"id": f"p-{body['id']}"})


@asynccontextmanager
async def provider() -> AsyncIterator[Provider]:
    found = Provider()
    app = web.Application()
    app.router.add_post("/send", found.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    found.url = f"http://127.0.0.1:{port}"
    try:
        yield found
    finally:
        for event in found.hold.values():
            event.set()
        await runner.cleanup()
