"""Checks of what must not be told, and of the profile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from connectors.contract import Connector, HttpResponse
from connectors.testing.samples import RECEIVED, Samples, parse, webhook
from connectors.testing.send_checks import PRIVATE, drive
from gateway.core.capabilities import Limit, MediaLimit, Window
from gateway.core.content import Clear, Text, plain_text


def secrets_kept(connector: Connector, samples: Samples) -> list[str]:
    """No credential and no message text in reprs, exceptions, outcomes and reasons."""
    secrets = {secret for values in samples.account.secrets.values() for secret in values}
    told: list[tuple[str, str]] = [("the account", repr(samples.account))]
    answers = (*samples.errors, *samples.unlisted, HttpResponse(200, {}, b"?"))
    for answer in answers:
        requests, outcome = drive(connector, samples, Text(PRIVATE), lambda _, a=answer: a)  # type: ignore[misc]
        told += [("a request", repr(request)) for request in requests]
        told += [("an answer", repr(answer)), ("an outcome", repr(outcome))]
    wrong = _leaks(told, {*secrets, PRIVATE})
    for body in samples.webhooks:
        texts = {
            plain_text(e.content.content)
            for e in parse(connector, samples, body).events
            if isinstance(e.content, Clear)
        }
        wrong |= _leaks(_told_of(connector, samples, body), {t for t in texts if len(t) > 8} | secrets)
    return sorted(wrong)


def _told_of(connector: Connector, samples: Samples, body: bytes) -> Iterator[tuple[str, str]]:
    """What may reach a log of this webhook, also when it arrives damaged."""
    for part in (body, body[:-1], body + b"}", body.replace(b'"id"', b'"di"')):
        request = webhook(samples, part)
        yield "a webhook", repr(request)
        try:
            parsed = connector.parse(request, samples.account, RECEIVED)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not quote
            yield "an exception", f"{error!r} {error.__context__!r} {error.__cause__!r}"
        else:
            yield "a count", repr(parsed.ignored)
            yield "an unreadable fragment", repr(parsed.unreadable)


def _leaks(told: Iterable[tuple[str, str]], secrets: set[str]) -> set[str]:
    return {
        f"{where} tells a secret or message text" for where, text in told if any(s in text for s in secrets)
    }


def profile_sourced(connector: Connector, _: Samples) -> list[str]:
    """Every limit names the page it is from and the day it was read; the rest fits together."""
    profile, wrong = connector.profile, []
    sourced: list[Limit | MediaLimit | Window] = [*profile.limits, *profile.media]
    sourced += [profile.window] if profile.window else []
    for limit in sourced:
        try:
            date.fromisoformat(limit.read_on)
        except ValueError:
            wrong.append(f"{limit} has no day")
        if not limit.source:
            wrong.append(f"{limit} has no source")
    if profile.channel != connector.channel:
        wrong.append("the profile is another channel's")
    if "text" not in profile.content or profile.limit("text") is None:
        wrong.append("the profile has no text or no limit for it")
    if connector.max_body <= 0 or not connector.secrets:
        wrong.append("the connector names no largest body or no credentials")
    return wrong
