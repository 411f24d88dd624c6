"""Checks of receiving: who sent it, and what it says."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from connectors.contract import Connector, Parsed, Refused, WebhookRequest
from connectors.testing.mutations import mutated
from connectors.testing.samples import RECEIVED, Samples, parse, webhook

_ROUNDS = 400


def _refused(connector: Connector, request: WebhookRequest, samples: Samples) -> bool:
    try:
        connector.verify(request, samples.account)
    except Refused as refused:
        return refused.status in (401, 403)
    return False


def signature_missing(connector: Connector, samples: Samples) -> list[str]:
    """Without a signature it is refused with 401 or 403."""
    request = replace(webhook(samples, samples.webhooks[0]), headers={})
    return [] if _refused(connector, request, samples) else ["a webhook without signature is not refused"]


def signature_wrong(connector: Connector, samples: Samples) -> list[str]:
    """Another secret, an empty one, or a changed byte is refused."""
    body = samples.webhooks[0]
    genuine = webhook(samples, body)
    tries = {
        "signed with another secret": webhook(samples, body, "not-a-secret-of-ours"),
        "signed with an empty secret": webhook(samples, body, ""),
        "of another body": replace(genuine, body=body + b" "),
        "cut short": replace(genuine, headers={k: v[:-1] for k, v in genuine.headers.items()}),
    }
    return [
        f"a signature {name} is accepted" for name, r in tries.items() if not _refused(connector, r, samples)
    ]


def signature_of_raw_bytes(connector: Connector, samples: Samples) -> list[str]:
    """The signature is over the bytes as they came: the same JSON written in another way is refused."""
    wrong = []
    for body in samples.webhooks:
        again = _rewritten(body)
        if again is None or again == body:
            continue
        request = replace(webhook(samples, body), body=again)
        if not _refused(connector, request, samples):
            wrong.append("a body written again in other bytes is accepted with the old signature")
            break
    return wrong


def _rewritten(body: bytes) -> bytes | None:
    try:
        return json.dumps(json.loads(body), indent=1).encode()
    except ValueError:
        return None


def every_secret(connector: Connector, samples: Samples) -> list[str]:
    """Each of the account's secrets will do, so that one can be changed without losing a webhook."""
    secrets = samples.account.secrets[samples.signed_by]
    wrong = [] if len(secrets) > 1 else ["the samples' account has only one secret"]
    for number, secret in enumerate(secrets, 1):
        if _refused(connector, webhook(samples, samples.webhooks[0], secret), samples):
            wrong.append(f"secret number {number} of the account is not accepted")
    return wrong


def _ids(parsed: Parsed) -> list[tuple[str, str]]:
    events = [(event.event_id, event.conversation_id) for event in parsed.events]
    return events + [(receipt.receipt_id, receipt.conversation_id) for receipt in parsed.receipts]


def repeats_share_ids(connector: Connector, samples: Samples) -> list[str]:
    """A repeated webhook has the same ids, different ones within a webhook differ, and so do accounts'."""
    wrong = []
    for number, body in enumerate(samples.webhooks):
        first, later = (_ids(parse(connector, samples, body, at)) for at in (RECEIVED, RECEIVED + 60_000))
        if first != later:
            wrong.append(f"webhook {number} has other ids when it is repeated")
        if len({identifier for identifier, _ in first}) < len(first):
            wrong.append(f"webhook {number} gives one id to two things")
        account = replace(samples.account.account, id=samples.account.account.id + "-other")
        other = replace(samples, account=replace(samples.account, account=account))
        if set(first) & set(_ids(parse(connector, other, body))):
            wrong.append(f"webhook {number} has the same ids on another account")
    return wrong


def accounted_for(connector: Connector, samples: Samples) -> list[str]:
    """Every recorded webhook ends as something: an event, a receipt, or a counted omission."""
    wrong = []
    for number, body in enumerate(samples.webhooks):
        parsed = parse(connector, samples, body)
        if parsed.unreadable:
            wrong.append(f"webhook {number} is a recorded one and has an unreadable fragment")
        elif not (parsed.events or parsed.receipts or sum(parsed.ignored.values())):
            wrong.append(f"webhook {number} ends as nothing")
    return wrong


def survives_mutations(connector: Connector, samples: Samples) -> list[str]:
    """Whatever is changed in a recorded webhook, parsing raises nothing but Refused and gives clean text."""
    chance = random.Random(2291)  # noqa: S311 - the same mutations in every run
    wrong = set()
    for _ in range(_ROUNDS):
        body = mutated(chance.choice(samples.webhooks), chance)
        try:
            parsed = parse(connector, samples, body)
        except Refused:
            continue
        except Exception as error:  # noqa: BLE001 - this is what the check looks for
            wrong.add(f"parsing a changed webhook raises {type(error).__name__}")
            continue
        wrong |= {
            f"text that no record can hold: {value!a}" for value in _texts(parsed) if not _writable(value)
        }
    return sorted(wrong)


def _texts(value: Any) -> Iterator[str]:
    """Every text and number in a record, as text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        yield "\ud800"  # no record can hold it either
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _texts(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)


def _writable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
