"""The OpenAPI document is true: real answers fit its models, and every path of the specification is there."""

from __future__ import annotations

from typing import Any

from gateway.inbox.api import models as m
from gateway.inbox.projection.present import conversation_json, item_json
from tests.helpers import eventually
from tests.inbox.test_api import arrived
from tests.inbox.test_project import CASES, KNOWN, PROFILE, talk
from tests.inbox.world import World, text

PATHS = {
    "/session": {"post", "get", "delete"},
    "/presence": {"put"},
    "/agents": {"get"},
    "/accounts": {"get"},
    "/accounts/{account_id}/capabilities": {"get"},
    "/conversations": {"get"},
    "/conversations/{conversation_id}": {"get"},
    "/conversations/{conversation_id}/messages": {"get", "post"},
    "/conversations/{conversation_id}/messages/{message_id}/resend": {"post"},
    "/conversations/{conversation_id}/explain": {"get"},
    "/departments/{department_id}/offline-message": {"get", "put"},
    "/departments/{department_id}/offline-message/preview": {"post"},
    "/departments/{department_id}/offline-message/simulate": {"post"},
    "/departments/{department_id}": {"get", "put"},
    "/tickets/{number}": {"get"},
    "/commands/{command_id}": {"get"},
    "/events": {"get"},
    **{
        f"/conversations/{{conversation_id}}/{act}": {"post"}
        for act in (
            "assign", "accept", "complete", "end", "reopen", "block", "unblock", "transfer", "note", "read", "ticket",
        )
    },
}  # fmt: skip


async def test_real_answers_fit_the_models(inbox: World) -> None:
    ann = await inbox.client("ann@example.org")
    c = await inbox.contact("1", 1, "hello")
    await arrived(ann, c, 1)
    m.CommandOut.model_validate((await ann.post(f"/conversations/{c}/accept"))[1])
    await ann.post(f"/conversations/{c}/messages", content=text("hi"))
    page: Any = await eventually(lambda: ann.get(f"/conversations/{c}/messages"))
    m.Messages.model_validate(page)
    m.Conversations.model_validate(await ann.get("/conversations"))
    m.Conversation.model_validate(await ann.get(f"/conversations/{c}"))
    m.SessionOut.model_validate(await ann.get("/session"))
    m.Agents.model_validate(await ann.get("/agents"))
    m.Accounts.model_validate(await ann.get("/accounts"))
    m.Problem.model_validate((await ann.call("GET", "/nowhere"))[1])
    document = await ann.get("/openapi.json")
    found = {path.removeprefix("/api/v1"): set(methods) for path, methods in document["paths"].items()}
    assert found == PATHS


def test_every_case_fits_the_models() -> None:
    for given, _, _ in CASES.values():
        rows = talk(*given)
        assert rows.summary is not None
        m.Conversation.model_validate(conversation_json(rows.summary, 0, KNOWN))
        for item in rows.items.values():
            shown = item_json(item, PROFILE)
            (m.System if shown["kind"] == "system" else m.Message).model_validate(shown)
