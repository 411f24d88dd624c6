"""`gateway doctor` on a real Kafka and Redis: what is wrong is found, each with a stable code; then nothing is."""

from __future__ import annotations

import json

from gateway.bus.admin import apply_catalogue
from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import Producer
from gateway.core.actors import Actor, ActorKind, Owner, OwnerKind
from gateway.core.checklist import Severity
from gateway.core.directory import Directory, Entity
from gateway.core.events import AutomaticDecision, ConversationEvent
from gateway.core.messages import ConnectorHealth, HealthState
from gateway.directory.apply import apply_directory
from gateway.directory.file import parse_directory
from gateway.doctor import Check, check_health, check_secrets, doctor, examine
from gateway.settings import SecretError, Settings
from gateway.wire.framing import encode

FILE = """\
tenants:
  - id: acme
    departments:
      - id: support
        name: Support
        hours: {zone: Asia/Tokyo, week: {monday: "09:00-18:00"}}
        offline_message: {enabled: true, text: "We got it. https://example.org"}
    agents:
      - {id: ann, name: Ann, email: ann@example.org, departments: [support]}
    accounts:
      - {id: wa, channel: whatsapp, department: support, credentials: {token: "env:WA_TOKEN, env:OLD"}}
    bots:
      - {id: far, name: Far, kind: webhook, url: "https://bot.example.org/", secret: "env:BOT"}
"""
ENTITIES: list[Entity] = list(parse_directory(FILE, year=2026).entities)


def directory() -> Directory:
    """What the file says."""
    made = Directory()
    for entity in ENTITIES:
        made = made.with_entity(entity)
    return made


def resolve(reference: str) -> str:
    """Only two secrets are there."""
    if reference not in ("env:WA_TOKEN", "env:BOT"):
        raise SecretError(f"The secret {reference} is not set.")
    return "secret"


def codes(checks: list[Check]) -> list[tuple[str, str, str]]:
    """Severity, code and what it is about."""
    return [(check.severity.value, check.code, check.about) for check in checks]


def test_secrets_are_looked_for_by_their_references() -> None:
    [check] = check_secrets(directory(), resolve)
    assert (check.code, check.about, check.text) == (
        "secret_unresolved",
        "account:wa",
        "token, as seen from here: The secret env:OLD is not set.",
    )


def test_health_of_the_accounts() -> None:
    assert [c.code for c in check_health(directory(), {})] == ["account_unseen"]
    for state, severity in (
        (HealthState.STOPPED, Severity.PROBLEM),
        (HealthState.DEGRADED, Severity.WARNING),
        (HealthState.HEALTHY, None),
    ):
        health = ConnectorHealth("acme", "whatsapp", "wa", state, "why", "what to do", 1)
        found = list(check_health(directory(), {("whatsapp", "wa"): health}))
        assert [(c.severity, c.code) for c in found] == ([(severity, f"account_{state}")] if severity else [])


async def test_an_empty_broker_then_a_good_deployment(kafka: str, redis_url: str, topic_prefix: str) -> None:
    settings = Settings(kafka_bootstrap_servers=kafka, redis_url=redis_url, topic_prefix=topic_prefix)
    catalogue = Catalogue(topic_prefix, ("whatsapp",), 2)

    async def found(history: bool = False) -> list[tuple[str, str, str]]:
        return codes([c async for c in examine(settings, catalogue, history=history, resolve=lambda _: "x")])

    missing = await found()
    assert {code for _, code, _ in missing} == {"topic_create"}
    assert len(missing) == len(catalogue.topics)

    await apply_catalogue(kafka, catalogue)
    assert await apply_directory(kafka, catalogue, ENTITIES, say=lambda _: None) == len(ENTITIES)
    assert await found() == [("warning", "account_unseen", "account:wa")]
    assert ("hint", "never_tried_outside_hours", "department:support") in await found(history=True)

    producer = Producer(kafka)
    await producer.start()
    health = ConnectorHealth("acme", "whatsapp", "wa", HealthState.HEALTHY, "ok", "", 1)
    await producer.send(catalogue.health, b"wa", encode(health))
    await producer.send(catalogue.conversations, b"c", encode(DECIDED))
    assert await found(history=True) == []

    await producer.send(catalogue.receipts, b"c", b"\xc3\x01 of a newer version")
    await producer.stop()
    assert await found() == [("problem", "unreadable_records", catalogue.receipts)]


DECIDED = ConversationEvent(
    "e", "c", "acme", "whatsapp", "wa", 1, 1, 1, Actor(ActorKind.RULE, "offline", "x"), "cause", True, 0, "support",
    Owner(OwnerKind.QUEUE, "support", "Support"), 1, False, AutomaticDecision("offline", "O5", "sent", "e", 1, {}),
)  # fmt: skip


async def test_nothing_answers() -> None:
    settings = Settings(kafka_bootstrap_servers="127.0.0.1:1", redis_url="redis://127.0.0.1:1")
    said: list[str] = []
    catalogue = Catalogue("x.", (), 1)
    code = await doctor(settings, catalogue, language="en", json_lines=True, history=False, say=said.append)
    assert code == 1
    assert [json.loads(line)["code"] for line in said] == ["redis_unreachable", "broker_unreachable"]
