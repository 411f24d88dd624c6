"""Checks of sending: answers, kinds of content, limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from connectors.contract import Connector, HttpRequest, HttpResponse, Next, NoAnswer, SendOutcome
from connectors.testing.contents import contents, overlong
from connectors.testing.samples import Samples
from gateway.core.content import Clear, Content, Text

PRIVATE = "the cat sat on parcel 2291"
"""Message text that no repr, reason or exception may hold."""

_Step = Callable[[HttpRequest], HttpResponse | NoAnswer]


def drive(
    connector: Connector, samples: Samples, content: Content, answer: _Step
) -> tuple[list[HttpRequest], SendOutcome]:
    """Runs one send: what was requested, and how it ended. `answer` is the provider, or no answer."""
    request = replace(samples.request, content=Clear(content))
    sending, requests = connector.send(request, samples.account), list[HttpRequest]()
    try:
        asked = next(sending)
        while True:
            requests.append(asked)
            given = answer(asked)
            asked = sending.throw(given) if isinstance(given, NoAnswer) else sending.send(given)
    except StopIteration as stop:
        return requests, stop.value


def _text_outcome(connector: Connector, samples: Samples, answer: HttpResponse | NoAnswer) -> SendOutcome:
    return drive(connector, samples, Text(PRIVATE), lambda _: answer)[1]


def errors_mapped(connector: Connector, samples: Samples) -> list[str]:
    """Each listed error has a problem of its own; an unlisted one has one too and passes for no success."""
    wrong = []
    for number, answer in enumerate((*samples.errors, *samples.unlisted)):
        outcome = _text_outcome(connector, samples, answer)
        listed, problem = number < len(samples.errors), outcome.problem
        if outcome.next is Next.DONE or problem is None:
            wrong.append(f"error {number} ({answer.status}) has no problem")
        elif not (problem.code and problem.detail):
            wrong.append(f"error {number} ({answer.status}) has a problem without code or words")
        elif listed and problem.code == "unknown_error":
            wrong.append(f"error {number} ({answer.status}) is listed but not known")
        if outcome.stop_account and outcome.next is Next.DONE:
            wrong.append(f"error {number} stops the account and is a success")
    return wrong


def answers_understood(connector: Connector, samples: Samples) -> list[str]:
    """Any status with any body ends a send without an exception, and only the happy answer is a success."""
    wrong = []
    for status in (200, 204, 301, 400, 401, 403, 404, 413, 418, 429, 500, 502, 503, 504, 599):
        for body in (b"", b"null", b"[]", b'{"error":[]}', b'{"messages":{}}', b"\xff<html>", b'"x"'):
            try:
                outcome = _text_outcome(connector, samples, HttpResponse(status, {}, body))
            except Exception as error:  # noqa: BLE001 - this is what the check looks for
                wrong.append(f"{status} with the body {body!r} raises {type(error).__name__}")
                continue
            if status >= 300 and outcome.next is Next.DONE:
                wrong.append(f"{status} passes for a success")
    if drive(connector, samples, Text("x"), samples.happy)[1].next is not Next.DONE:
        wrong.append("the happy answer is no success")
    return wrong


def lost_answers(connector: Connector, samples: Samples) -> list[str]:
    """A request that may have arrived is never repeated by itself; one that certainly did not is."""
    wrong = []
    if _text_outcome(connector, samples, NoAnswer(left=True)).next is not Next.UNKNOWN:
        wrong.append("a send that may have arrived does not end as unknown")
    if _text_outcome(connector, samples, NoAnswer(left=False)).next is not Next.RETRY:
        wrong.append("a send that did not leave is not tried again")
    return wrong


def throttling(connector: Connector, samples: Samples) -> list[str]:
    """429 is tried again, after the time that Retry-After asks for."""
    outcome = _text_outcome(connector, samples, HttpResponse(429, {"retry-after": "7"}, b""))
    if outcome.next is not Next.RETRY:
        return ["429 is not tried again"]
    return [] if outcome.retry_after == 7000 else [f"Retry-After: 7 gives {outcome.retry_after} ms"]


def contents_as_profiled(connector: Connector, samples: Samples) -> list[str]:
    """Each kind of content is sent if the profile lists it, and else refused before any request."""
    wrong = []
    for kind, content in contents(connector.profile):
        requests, outcome = drive(connector, samples, content, samples.happy)
        offered = kind in connector.profile.content
        if offered and outcome.next is not Next.DONE:
            wrong.append(f"{kind} is in the profile but {outcome.problem.code if outcome.problem else '?'}")
        if not offered and (requests or outcome.next is not Next.FAIL):
            wrong.append(f"{kind} is not in the profile but is sent")
        if any(not request.url.startswith(("https://", "http://127.0.0.1")) for request in requests):
            wrong.append(f"{kind} is sent without TLS")
    return wrong


def nothing_over_the_limit(connector: Connector, samples: Samples) -> list[str]:
    """What is longer than a limit of the profile fails before any request; what just fits goes out."""
    wrong = []
    for name, fits, too_long in overlong(connector.profile):
        requests, outcome = drive(connector, samples, too_long, samples.happy)
        if requests or outcome.next is not Next.FAIL:
            wrong.append(f"more than the limit {name} is sent")
        if drive(connector, samples, fits, samples.happy)[1].next is not Next.DONE:
            wrong.append(f"exactly the limit {name} is not sent")
    return wrong
