"""The simulator answers as the provider does, and the connector understands it: both over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.contract import (
    HttpResponse,
    Next,
    NoAnswer,
    OpenAccount,
    Parsed,
    Refused,
    SendOutcome,
    WebhookRequest,
)
from connectors.whatsapp import CONNECTOR
from connectors.whatsapp.simulator import (
    Behaviour,
    Config,
    FakeFile,
    Injected,
    Number,
    Served,
    TemplateEntry,
    serve,
)
from connectors.whatsapp.simulator.hooks import encode
from connectors.whatsapp.simulator.serve import _Server
from gateway.core.content import Choice, Media, MediaKind, MediaRef, MediaState, Option, Template, Text
from gateway.core.content import TemplateParameter as Parameter
from gateway.core.directory import Account
from gateway.core.messages import SendRequest
from tests.connectors.whatsapp.shapes import NUMBER, PHONE, RECEIVED, cases, part
from tests.connectors.whatsapp.test_outbound import BODIES
from tests.helpers import eventually

FAST = Behaviour(delay=0.0)


@dataclasses.dataclass
class World:
    """The simulator, an account of it, and what our side parsed of its webhooks."""

    served: Served
    account: OpenAccount
    parsed: list[Parsed]
    refuse: list[int]
    session: aiohttp.ClientSession

    @property
    def simulator(self) -> Any:
        return self.served.simulator

    async def send(self, request: SendRequest, account: OpenAccount | None = None) -> SendOutcome:
        sending = CONNECTOR.send(request, account or self.account)
        step: Any = None
        try:
            while True:
                request_ = next(sending) if step is None else sending.send(step)
                try:
                    async with self.session.request(
                        request_.method, request_.url, data=request_.body, headers=request_.headers
                    ) as got:
                        headers = {k.lower(): v for k, v in got.headers.items()}
                        step = HttpResponse(got.status, headers, await got.read())
                except aiohttp.ClientConnectorError:
                    sending.throw(NoAnswer(left=False))
                except (aiohttp.ClientError, TimeoutError):
                    sending.throw(NoAnswer(left=True))
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    def rungs(self) -> list[str]:
        return [str(r.rung or r.verdict) for p in self.parsed for r in p.receipts]

    def texts(self) -> list[str]:
        return [e.content.content.body for p in self.parsed for e in p.events]  # type: ignore[union-attr]


@contextlib.asynccontextmanager
async def world(**changes: Any) -> AsyncIterator[World]:
    """Simulator and a callback of ours that verifies and parses, both on ports of 127.0.0.1."""
    parsed: list[Parsed] = []
    refuse: list[int] = []
    changes = {"behaviour": FAST, "retry_delays": (0.01, 0.02, 0.04), **changes}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        callback = f"http://127.0.0.1:{listener.getsockname()[1]}/webhooks/whatsapp/wa-1"
        config = Config(numbers=(Number(NUMBER, "4930901820", callback_url=callback),), **changes)
        async with serve(config) as served, aiohttp.ClientSession() as session:
            account = account_of(served, config)

            async def hook(request: Request) -> Response:
                if refuse:
                    return Response(status_code=refuse.pop(0))
                raw = WebhookRequest(request.method, dict(request.headers), {}, await request.body())
                try:
                    CONNECTOR.verify(raw, account)
                except Refused as refused:
                    return Response(status_code=refused.status)
                parsed.append(CONNECTOR.parse(raw, account, RECEIVED))
                return Response()

            app = Starlette(routes=[Route("/webhooks/whatsapp/wa-1", hook, methods=["POST"])])
            server = _Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
            running = asyncio.create_task(server.serve([listener]))
            yield World(served, account, parsed, refuse, session)
            server.should_exit = True
            await running


def account_of(served: Served, config: Config) -> OpenAccount:
    settings = {"phone_number_id": NUMBER}
    account = Account("wa-1", "acme", "whatsapp", "support", api_base=served.base, settings=settings)
    secrets = {"access_token": (config.access_token,), "app_secret": ("old", config.app_secret)}
    return OpenAccount(account, secrets)


async def test_there_and_back() -> None:
    async with world() as w:
        wamid = w.simulator.writes(PHONE, "Grüße 👋 a/b")
        await eventually(lambda: w.texts() == ["Grüße 👋 a/b"])
        outcome = await w.send(part(Text("Hello"), reply_to=wamid))
        assert outcome.next is Next.DONE
        await eventually(lambda: w.rungs() == ["sent", "delivered", "read"])
        receipts = [r for p in w.parsed for r in p.receipts]
        assert {r.provider_message_id for r in receipts} == {outcome.provider_message_id}
        assert {r.message_id for r in receipts} == {part(Text("")).message_id}
        assert {r.occurred_at // 1000 - receipts[0].occurred_at // 1000 for r in receipts} == {0, 1, 2}
        await w.simulator.hooks.settled()


async def test_every_payload_of_the_fact_sheet_through_the_wire() -> None:
    async with world() as w:
        for case in cases("webhooks"):
            before = len(w.parsed)
            w.simulator.sends(case["webhook"])
            await eventually(lambda before=before: len(w.parsed) == before + 1)
            expect = case["expect"]
            assert [f"{e.kind}:{e.provider_message_id}" for e in w.parsed[-1].events] == expect.get(
                "events", []
            )
        for file in ("messages", "media", "answers", "events"):
            for case in cases(file):
                element = {k: v for k, v in case["element"].items() if k not in ("from", "from_user_id")}
                before = len(w.parsed)
                w.simulator.writes(PHONE, element)
                await eventually(lambda before=before: len(w.parsed) == before + 1)
                assert w.parsed[-1].unreadable == ()
                assert len(w.parsed[-1].events) == 1
        await w.simulator.hooks.settled()


async def test_it_takes_what_the_connector_sends() -> None:
    async with world(templates=(TemplateEntry("order_update", "de", 2),)) as w:
        w.simulator.person(PHONE).wrote_at = w.simulator.now()
        for name, content, wanted in BODIES:
            assert (await w.send(part(content))).next is Next.DONE, name
            body = w.simulator.accepted[-1].body
            assert body | wanted == body, name


def media(url: str, mime: str = "image/png") -> Media:
    return Media(MediaKind.IMAGE, MediaRef(MediaState.READY, mime, url=url))


REFUSED: list[tuple[str, Any, dict[str, Any], int]] = [
    ("own number", Text("x"), {"address": "4930901820"}, 131021),
    ("not on WhatsApp", Text("x"), {"address": "49152220000"}, 131026),
    ("nobody's user id", Text("x"), {"address": "DE.1", "address_kind": "user_id"}, 131026),
    ("no such template", Template("nope", "de"), {}, 132001),
    ("template in another language", Template("order_update", "fr"), {}, 132001),
    ("too few values", Template("order_update", "de", (Parameter("body", "x"),)), {}, 132000),
    ("file that is no image", media("https://cdn.example.org/really.gif"), {}, 131053),
    ("file too large", media("https://cdn.example.org/huge.png"), {}, 131053),
    ("file that is not what it is called", media("https://cdn.example.org/odd.png"), {}, 131053),
    ("no http address", media("ftp://cdn.example.org/a.png"), {}, 131053),
    ("number that is none", Text("x"), {"address": "12"}, 131009),
]


async def test_it_refuses_what_the_provider_refuses() -> None:
    files = {
        "https://cdn.example.org/huge.png": FakeFile("image/png", 6_000_000),
        "https://cdn.example.org/odd.png": FakeFile("text/html"),
    }
    async with world(files=files) as w:
        for phone in (PHONE, "49152220000"):
            w.simulator.person(phone).wrote_at = w.simulator.now()
        for name, content, changes, code in REFUSED:
            outcome = await w.send(part(content, **changes))
            assert outcome.next is Next.FAIL, name
            assert outcome.problem is not None, name
            assert outcome.problem.provider_code == str(code), name
        assert not w.simulator.accepted


TEXT = {"messaging_product": "whatsapp", "to": "+" + PHONE, "type": "text", "text": {"body": "x"}}


def interactive(kind: str, action: dict[str, Any], body: str = "b") -> dict[str, Any]:
    part_ = {"type": kind, "body": {"text": body}, "action": action}
    return {**TEXT, "type": "interactive", "interactive": part_} | {"text": ...}


RAW: list[tuple[str, dict[str, Any], int]] = [
    ("product", {**TEXT, "messaging_product": "sms"}, 100),
    ("unknown parameter", {**TEXT, "colour": "red"}, 100),
    ("unknown parameter inside", {**TEXT, "text": {"body": "x", "colour": "red"}}, 100),
    ("too long", {**TEXT, "text": {"body": "x" * 4097}}, 100),
    ("opaque too long", {**TEXT, "biz_opaque_callback_data": "x" * 513}, 100),
    ("no recipient", {k: v for k, v in TEXT.items() if k != "to"}, 131008),
    ("no text", {**TEXT, "text": {}}, 131008),
    ("no object", {k: v for k, v in TEXT.items() if k != "text"}, 131008),
    ("recipient type", {**TEXT, "recipient_type": "crowd"}, 131009),
    ("type of tomorrow", {**TEXT, "type": "hologram"}, 131051),
    ("four buttons", interactive("button", {"buttons": [{"reply": {"id": str(n), "title": str(n)}} for n in range(4)]}), 131009),
    ("same titles", interactive("button", {"buttons": [{"reply": {"id": str(n), "title": "t"}} for n in range(2)]}), 131009),
    ("eleven rows", interactive("list", {"button": "b", "sections": [{"title": s, "rows": [{"id": f"{s}{n}", "title": "t"} for n in range(6)]} for s in "ab"]}), 131009),
    ("long title", interactive("button", {"buttons": [{"reply": {"id": "1", "title": "x" * 21}}]}), 131009),
]  # fmt: skip


async def test_raw_bodies() -> None:
    async with world() as w:
        w.simulator.person(PHONE).wrote_at = w.simulator.now()
        headers = {"authorization": "Bearer sim-access-token"}
        url = f"{w.served.base}/v25.0/{NUMBER}/messages"
        for name, given, code in RAW:
            body = {k: v for k, v in given.items() if v is not ...}
            async with w.session.post(url, json=body, headers=headers) as answer:
                told = await answer.json()
                assert (answer.status, told["error"]["code"]) == (400, code), name


async def test_token_and_number() -> None:
    async with world() as w:
        wrong = dataclasses.replace(w.account, secrets={"access_token": ("wrong",)})
        outcome = await w.send(part(Text("x")), wrong)
        assert (outcome.stop_account, outcome.problem and outcome.problem.provider_code) == (True, "190")
        account = dataclasses.replace(w.account.account, settings={"phone_number_id": "404"})
        outcome = await w.send(part(Text("x")), dataclasses.replace(w.account, account=account))
        assert (outcome.stop_account, outcome.problem and outcome.problem.provider_code) == (True, "33")


async def test_the_window() -> None:
    async with world() as w:
        outcome = await w.send(part(Text("x")))
        assert outcome.problem is not None
        assert outcome.problem.code == "window_closed"
        assert (await w.send(part(Template("hello_world", "en_US")))).next is Next.DONE
        w.simulator.writes(PHONE, "hi")
        assert (await w.send(part(Text("x")))).next is Next.DONE
        w.simulator.offset = 24 * 3_600_000
        outcome = await w.send(part(Text("x")))
        assert outcome.problem is not None
        assert outcome.problem.code == "window_closed"


async def test_the_window_may_show_late() -> None:
    async with world(late_window=True) as w:
        assert (await w.send(part(Text("x")))).next is Next.DONE
        await eventually(lambda: w.rungs() == ["failed"])
        [receipt] = w.parsed[-1].receipts
        assert receipt.problem is not None
        assert (receipt.problem.code, receipt.message_id) == ("window_closed", part(Text("")).message_id)


async def test_rates() -> None:
    async with world(pair_burst=2, per_second=3) as w:
        w.simulator.clock = lambda: 1_795_257_600_000
        for phone in (PHONE, "491", "49152221111"):
            w.simulator.person(phone).wrote_at = w.simulator.now()
        outcomes = [await w.send(part(Text("x"))) for _ in range(3)]
        assert [o.next for o in outcomes] == [Next.DONE, Next.DONE, Next.RETRY]
        assert outcomes[2].problem is not None
        assert (outcomes[2].problem.provider_code, outcomes[2].scope) == ("131056", "conversation")
        other = part(Text("x"), address="49152221111")
        assert [(await w.send(other)).next for _ in range(2)] == [Next.DONE, Next.RETRY]
        w.simulator.offset = 12_000
        assert (await w.send(part(Text("x")))).next is Next.DONE


async def test_a_blocked_contact_and_blocking() -> None:
    async with world() as w:
        url = f"{w.served.base}/v25.0/{NUMBER}/block_users"
        headers = {"authorization": "Bearer sim-access-token"}
        body = {"messaging_product": "whatsapp", "block_users": [{"user": "+" + PHONE}]}
        async with w.session.post(url, json=body, headers=headers) as answer:
            assert (await answer.json())["error"]["code"] == 131047
        w.simulator.writes(PHONE, "hi")
        async with w.session.post(url, json=body, headers=headers) as answer:
            added = (await answer.json())["block_users"]["added_users"]
            assert added == [{"input": "+" + PHONE, "wa_id": PHONE}]
        outcome = await w.send(part(Text("x")))
        assert outcome.problem is not None
        assert outcome.problem.code == "undeliverable"
        async with w.session.delete(url, json=body, headers=headers) as answer:
            assert answer.status == 200
        assert (await w.send(part(Text("x")))).next is Next.DONE


async def test_shuffled_doubled_or_no_statuses() -> None:
    async with world() as w:
        w.simulator.writes(PHONE, "hi")
        person = w.simulator.person(PHONE)
        person.behaviour = Behaviour(order="shuffled", copies=2, delay=0.0)
        await w.send(part(Text("x")))
        await eventually(lambda: len(w.rungs()) == 6)
        assert sorted(w.rungs()) == sorted(["sent", "delivered", "read"] * 2)
        assert w.rungs() != ["sent", "sent", "delivered", "delivered", "read", "read"]
        assert len({r.receipt_id for p in w.parsed for r in p.receipts}) == 3
        person.behaviour = Behaviour(up_to="none")
        await w.send(part(Text("x")))
        await w.simulator.hooks.settled()
        assert len(w.rungs()) == 6


async def test_a_hidden_read_receipt_and_a_late_failure() -> None:
    async with world() as w:
        w.simulator.writes(PHONE, "hi")
        w.simulator.person(PHONE).behaviour = Behaviour(up_to="delivered", delay=0.0)
        await w.send(part(Text("x")))
        await w.simulator.hooks.settled()
        assert w.rungs() == ["sent", "delivered"]
        w.simulator.person(PHONE).behaviour = Behaviour(fails_with=131049, delay=0.0)
        await w.send(part(Text("x")))
        await w.simulator.hooks.settled()
        assert w.rungs()[2:] == ["sent", "failed"]


async def test_a_webhook_is_repeated_until_it_is_answered_200() -> None:
    async with world() as w:
        w.refuse += [503, 500]
        w.simulator.writes(PHONE, "hi")
        await w.simulator.hooks.settled()
        assert w.texts() == ["hi"]
        assert [d.answers for d in w.simulator.hooks.deliveries] == [[503, 500, 200]]


async def test_a_user_without_a_visible_number() -> None:
    async with world() as w:
        person = w.simulator.person(PHONE)
        person.hides_phone = True
        w.simulator.writes(PHONE, "hi")
        await eventually(lambda: w.texts() == ["hi"])
        contact = w.parsed[0].events[0].contact
        assert (contact.address, contact.address_kind) == (person.user_id, "user_id")
        answer = part(Text("x"), address=contact.address, address_kind=contact.address_kind)
        assert (await w.send(answer)).next is Next.DONE
        await eventually(lambda: w.rungs() == ["sent", "delivered", "read"])


@pytest.mark.parametrize(
    ("fault", "wanted", "accepted"),
    [
        (Injected.ERROR, Next.RETRY, 0),
        (Injected.BARE_ERROR, Next.UNKNOWN, 0),
        (Injected.RATE, Next.RETRY, 0),
        (Injected.DROP, Next.UNKNOWN, 0),
        (Injected.LOSE_ANSWER, Next.UNKNOWN, 1),
    ],
)
async def test_faults(fault: Injected, wanted: Next, accepted: int) -> None:
    async with world() as w:
        w.simulator.writes(PHONE, "hi")
        w.simulator.inject(fault, retry_after=7)
        outcome = await w.send(part(Text("x")))
        assert outcome.next is wanted
        assert len(w.simulator.accepted) == accepted
        assert fault is not Injected.RATE or outcome.retry_after == 7000
        assert (await w.send(part(Text("x")))).next is Next.DONE


async def test_an_answer_that_comes_too_late() -> None:
    async with world(hold=0.2) as w:
        w.simulator.writes(PHONE, "hi")
        w.simulator.inject(Injected.LATE_ANSWER)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(w.send(part(Text("x"))), 0.05)
        assert len(w.simulator.accepted) == 1


async def test_nobody_listens() -> None:
    async with world() as w:
        account = dataclasses.replace(w.account.account, api_base="http://127.0.0.1:1")
        outcome = await w.send(part(Text("x")), dataclasses.replace(w.account, account=account))
        assert outcome.next is Next.RETRY


async def test_the_control_routes() -> None:
    async with world() as w:
        base = f"{w.served.base}/_control"

        async def ask(method: str, path: str, body: Any = None) -> Any:
            async with w.session.request(method, base + path, json=body) as answer:
                return answer.status, await answer.json()

        status, told = await ask(
            "POST", f"/contacts/{PHONE}/messages", {"text": "hi", "name": "Lena", "copies": 3}
        )
        await eventually(lambda: w.texts() == ["hi"] * 3)
        assert (status, {e.provider_message_id for p in w.parsed for e in p.events}) == (200, {told["id"]})
        assert w.parsed[0].events[0].contact.name == "Lena"
        await ask("POST", f"/contacts/{PHONE}/messages", {"message": {"type": "request_welcome"}})
        await eventually(lambda: len(w.parsed) == 4)
        _, person = await ask("PUT", f"/contacts/{PHONE}", {"up_to": "sent", "delay": 0, "username": "lena"})
        assert person["name"] == "Lena"
        await ask("POST", "/faults", {"kind": "error", "count": 1})
        assert [(await w.send(part(Text("x")))).next for _ in range(2)] == [Next.RETRY, Next.DONE]
        await eventually(lambda: w.rungs() == ["sent"])
        _, told = await ask("GET", "/messages")
        assert (told["requests"], [m["body"]["text"]["body"] for m in told["messages"]]) == (2, ["x"])
        _, told = await ask("GET", "/webhooks")
        assert [hook["answers"] for hook in told["webhooks"]] == [[200]] * 5
        _, told = await ask("PUT", "/clock", {"offset": 1000})
        assert told["now"] > 0
        _, told = await ask("PUT", f"/numbers/{NUMBER}", {"callback_url": ""})
        assert told == {"callback_url": ""}
        for path, body in (
            ("/faults", {"kind": "?"}),
            ("/webhooks", {}),
            (f"/contacts/{PHONE}/messages", {}),
        ):
            assert (await ask("POST", path, body))[0] == 400


async def test_marking_read() -> None:
    async with world() as w:
        wamid = w.simulator.writes(PHONE, "hi")
        body = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
        headers = {"authorization": "Bearer sim-access-token"}
        async with w.session.post(
            f"{w.served.base}/v25.0/{NUMBER}/messages", json=body, headers=headers
        ) as answer:
            assert await answer.json() == {"success": True}
        assert w.simulator.read == [wamid]


def test_its_bytes_are_metas_bytes() -> None:
    assert encode({"text": "Grüße a/b"}) == rb'{"text":"Gr\u00fc\u00dfe a\/b"}'
    assert json.loads(encode({"a": "/"})) == {"a": "/"}


async def test_the_same_message_twice_is_two_messages() -> None:
    async with world() as w:
        w.simulator.writes(PHONE, "hi")
        first, second = [await w.send(part(Choice("b", (Option("1", "t"),)))) for _ in range(2)]
        assert first.provider_message_id != second.provider_message_id
        assert len(w.simulator.accepted) == 2
