"""Every connector passes the kit, and every check of the kit catches a connector that is broken."""

from __future__ import annotations

import dataclasses
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest

from connectors import testing
from connectors._meta import webhook
from connectors.contract import (
    Answer,
    Connector,
    HttpRequest,
    Next,
    NoAnswer,
    OpenAccount,
    Parsed,
    Refused,
    Sending,
    SendOutcome,
    WebhookRequest,
)
from connectors.whatsapp import CONNECTOR, WhatsApp, inbound, outbound
from connectors.whatsapp.samples import SAMPLES
from gateway.core.content import Clear
from gateway.core.messages import SendRequest
from gateway.core.receipts import Fault, Problem

INSTALLED = testing.installed()


@pytest.mark.parametrize("channel", INSTALLED)
@pytest.mark.parametrize("check", testing.CHECKS)
def test_a_connector_passes(channel: str, check: str) -> None:
    connector, samples = INSTALLED[channel]
    assert testing.CHECKS[check](connector, samples) == []


def test_whatsapp_is_found() -> None:
    assert "whatsapp" in INSTALLED


def broken(**overrides: Any) -> Connector:
    return type(
        "Broken", (WhatsApp,), {k: staticmethod(v) if callable(v) else v for k, v in overrides.items()}
    )()


def signed(request: WebhookRequest, body: bytes, secrets: tuple[str, ...]) -> bool:
    given = request.headers.get(webhook.SIGNATURE_HEADER, "")
    return any(hmac.compare_digest(given, webhook.sign(body, secret)) for secret in secrets)


def lets_unsigned_in(request: WebhookRequest, account: OpenAccount) -> Answer | None:
    return webhook.verify(request, account) if request.headers else None


def looks_at_half_of_it(request: WebhookRequest, account: OpenAccount) -> None:
    half = [webhook.sign(request.body, s)[:-1] for s in account.secrets["app_secret"]]
    if request.headers.get(webhook.SIGNATURE_HEADER, "")[:70] not in half:
        raise Refused(401, "signature")


def signs_its_own_writing(request: WebhookRequest, account: OpenAccount) -> None:
    written = json.dumps(json.loads(request.body), separators=(",", ":")).encode()
    if not signed(request, written, account.secrets["app_secret"]):
        raise Refused(401, "signature")


def knows_one_secret(request: WebhookRequest, account: OpenAccount) -> None:
    if not signed(request, request.body, account.secrets["app_secret"][:1]):
        raise Refused(401, "signature")


def ids_with_the_time(request: WebhookRequest, account: OpenAccount, at: int) -> Parsed:
    parsed = inbound.parse(request, account, at)
    events = tuple(dataclasses.replace(e, event_id=f"{e.event_id}-{at}") for e in parsed.events)
    return dataclasses.replace(parsed, events=events)


def forgets_receipts(request: WebhookRequest, account: OpenAccount, at: int) -> Parsed:
    return dataclasses.replace(inbound.parse(request, account, at), receipts=())


def trusts_every_field(request: WebhookRequest, account: OpenAccount, at: int) -> Parsed:
    parsed = inbound.parse(request, account, at)
    for entry in json.loads(request.body)["entry"]:
        for change in entry["changes"]:
            _ = [message["from"] for message in change["value"].get("messages", [])]
    return parsed


def ended(change: Callable[[SendOutcome], SendOutcome]) -> Callable[[SendRequest, OpenAccount], Sending]:
    def send(request: SendRequest, account: OpenAccount) -> Sending:
        return change((yield from outbound.send(request, account)))

    return send


def without_code(outcome: SendOutcome) -> SendOutcome:
    if outcome.problem and outcome.problem.provider_code == "131026":
        return SendOutcome(Next.FAIL, problem=Problem("unknown_error", "?", Fault.CHANNEL, retry=False))
    return outcome


def takes_any_answer(request: SendRequest, account: OpenAccount) -> Sending:
    outcome = yield from outbound.send(request, account)
    return dataclasses.replace(outcome, next=Next.DONE) if outcome.next is Next.UNKNOWN else outcome


def tries_again(outcome: SendOutcome) -> SendOutcome:
    return dataclasses.replace(outcome, next=Next.RETRY) if outcome.next is Next.UNKNOWN else outcome


def never_waits(outcome: SendOutcome) -> SendOutcome:
    return dataclasses.replace(outcome, retry_after=None)


def sends_anything(request: SendRequest, account: OpenAccount) -> Sending:
    try:
        yield HttpRequest("POST", "https://graph.facebook.com/v25.0/1/messages", {})
    except NoAnswer as lost:
        return SendOutcome(Next.UNKNOWN if lost.left else Next.RETRY)
    return SendOutcome(Next.DONE, "wamid.X")


def quotes_the_message(request: SendRequest, account: OpenAccount) -> Sending:
    outcome = yield from outbound.send(request, account)
    assert isinstance(request.content, Clear)
    problem = Problem("invalid", f"could not send {request.content.content}", Fault.CONTENT, retry=False)
    return dataclasses.replace(outcome, problem=problem)


def no_source() -> Any:
    limits = tuple(
        dataclasses.replace(limit, source="", read_on="lately") for limit in CONNECTOR.profile.limits
    )
    return dataclasses.replace(CONNECTOR.profile, limits=limits)


BROKEN: dict[str, Connector] = {
    "signature_missing": broken(verify=lets_unsigned_in),
    "signature_wrong": broken(verify=looks_at_half_of_it),
    "signature_of_raw_bytes": broken(verify=signs_its_own_writing),
    "every_secret": broken(verify=knows_one_secret),
    "repeats_share_ids": broken(parse=ids_with_the_time),
    "accounted_for": broken(parse=forgets_receipts),
    "survives_mutations": broken(parse=trusts_every_field),
    "errors_mapped": broken(send=ended(without_code)),
    "answers_understood": broken(send=takes_any_answer),
    "lost_answers": broken(send=ended(tries_again)),
    "throttling": broken(send=ended(never_waits)),
    "contents_as_profiled": broken(send=sends_anything),
    "nothing_over_the_limit": broken(send=sends_anything),
    "secrets_kept": broken(send=quotes_the_message),
    "profile_sourced": broken(profile=no_source()),
}


def test_there_is_a_broken_connector_for_each_check() -> None:
    assert BROKEN.keys() == testing.CHECKS.keys()


@pytest.mark.parametrize("check", BROKEN)
def test_a_check_catches_a_broken_connector(check: str) -> None:
    assert testing.CHECKS[check](BROKEN[check], SAMPLES) != []


def test_run_gives_every_check() -> None:
    assert testing.run(CONNECTOR, SAMPLES) == {name: [] for name in testing.CHECKS}
