"""`gateway doctor`: what is wrong or doubtful in a deployment, each with what to do (PRODUCT O18)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.bus.admin import plan, read_existing, wanted_topics
from gateway.bus.catalogue import Catalogue
from gateway.bus.replica import Replica, ReplicaBehind
from gateway.core.checklist import OUTSIDE_HOURS, Finding, Severity, check_directory
from gateway.core.directory import Account, Directory, DirectoryEntry
from gateway.core.events import AutomaticDecision, ConversationEvent
from gateway.core.messages import ConnectorHealth, HealthState
from gateway.doctor_schemas import check_schemas
from gateway.settings import SecretError, Settings, resolve_secret
from gateway.tail import read_topic
from gateway.wire.errors import WireError
from gateway.wire.framing import decode

Resolve = Callable[[str], str]
REDIS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. `code` is stable; `about` is what it concerns; `text` says what to do."""

    severity: Severity
    code: str
    about: str
    text: str


async def examine(
    settings: Settings,
    catalogue: Catalogue,
    *,
    language: str = "en",
    history: bool = False,
    resolve: Resolve = resolve_secret,
) -> AsyncIterator[Check]:
    """Every finding as it is made. `history` reads the whole log for what was never tried."""
    for check in await _redis(settings):
        yield check
    topics = await _topics(settings, catalogue)
    for check in topics:
        yield check
    if any(check.severity is Severity.PROBLEM for check in topics):
        return  # nothing more can be read
    for about, text in await check_schemas(settings, catalogue):
        yield Check(Severity.PROBLEM, "unreadable_records", about, text)
    try:
        directory = await _directory(settings, catalogue)
        health = await _health(settings, catalogue)
    except (WireError, ReplicaBehind) as error:
        yield Check(Severity.PROBLEM, "directory_unreadable", catalogue.directory, str(error))
        return
    tried = await tried_outside_hours(settings, catalogue) if history else None
    for finding in check_directory(directory, tried):
        yield _of(finding, language)
    for check in (*check_secrets(directory, resolve), *check_health(directory, health)):
        yield check


def _of(finding: Finding, language: str) -> Check:
    return Check(finding.severity, finding.code, finding.entity, finding.text[language])


async def _redis(settings: Settings) -> list[Check]:
    if settings.redis_url is None:
        text = "REDIS_URL is not set: the inbox needs a Redis (`gateway up` brings one of its own)."
        return [Check(Severity.WARNING, "redis_unset", "Redis", text)]
    client = Redis.from_url(
        settings.redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        text = f"It does not answer ({type(error).__name__}): start it, or correct REDIS_URL. Messages still flow."
        return [Check(Severity.PROBLEM, "redis_unreachable", "Redis", text)]
    finally:
        await client.aclose()
    return []


async def _topics(settings: Settings, catalogue: Catalogue) -> list[Check]:
    wanted = wanted_topics(catalogue)
    bootstrap = settings.kafka_bootstrap_servers or ""
    try:
        changes = plan(await read_existing(bootstrap, wanted), wanted)
    except (KafkaError, TimeoutError, OSError) as error:
        text = f"No broker answers at {bootstrap} ({type(error).__name__}): start it, or correct KAFKA_BOOTSTRAP_SERVERS."
        return [Check(Severity.PROBLEM, "broker_unreachable", "Kafka", text)]
    found = []
    for change in changes:
        text = change.reason if change.kind == "refuse" else f"{change.reason}: run `gateway topics apply`."
        severity = Severity.WARNING if change.kind == "configure" else Severity.PROBLEM
        found.append(Check(severity, f"topic_{change.kind}", change.topic, text))
    return found


async def _replica(settings: Settings, topic: str) -> Mapping[bytes, bytes]:
    replica = Replica(settings.kafka_bootstrap_servers or "", topic)
    await replica.start()
    try:
        await replica.caught_up()
        return dict(replica.data)
    finally:
        await replica.stop()


async def _directory(settings: Settings, catalogue: Catalogue) -> Directory:
    directory = Directory()
    for value in (await _replica(settings, catalogue.directory)).values():
        directory = directory.with_entity(decode(value, DirectoryEntry).entity)
    return directory


async def _health(settings: Settings, catalogue: Catalogue) -> dict[tuple[str, str], ConnectorHealth]:
    values = (await _replica(settings, catalogue.health)).values()
    found = [decode(value, ConnectorHealth) for value in values]
    return {(health.channel, health.account_id): health for health in found}


async def tried_outside_hours(settings: Settings, catalogue: Catalogue) -> set[str]:
    """Departments of which the log holds a decision of the rows for outside hours. Reads the whole log."""
    tried = set()
    bootstrap = settings.kafka_bootstrap_servers or ""
    async for record in read_topic(bootstrap, catalogue, catalogue.conversations, True, False):
        event = decode(record.value, ConversationEvent)
        decision = event.happening
        if (
            isinstance(decision, AutomaticDecision)
            and decision.rule == "offline"
            and decision.row in OUTSIDE_HOURS
        ):
            tried.add(event.department_id)
    return tried


def check_secrets(directory: Directory, resolve: Resolve) -> Iterable[Check]:
    """References that cannot be resolved in this environment; the services' own may be another."""
    for account in directory.accounts.values():
        for name, references in account.credentials.items():
            for reference in references.split(","):
                yield from _secret(resolve, f"account:{account.id}", name, reference.strip())
    for bot in directory.bots.values():
        if bot.secret is not None:
            yield from _secret(resolve, f"bot:{bot.id}", "secret", bot.secret)


def _secret(resolve: Resolve, about: str, name: str, reference: str) -> Iterable[Check]:
    try:
        resolve(reference)
    except SecretError as error:
        yield Check(Severity.PROBLEM, "secret_unresolved", about, f"{name}, as seen from here: {error}")


def check_health(directory: Directory, health: Mapping[tuple[str, str], ConnectorHealth]) -> Iterable[Check]:
    """What the connectors say of the accounts."""
    for account in directory.accounts.values():
        yield from _account(account, health.get((account.channel, account.id)))


def _account(account: Account, health: ConnectorHealth | None) -> Iterable[Check]:
    about = f"account:{account.id}"
    if health is None:
        text = f"No connector has ever said how it is: run `gateway run connector {account.channel}`."
        yield Check(Severity.WARNING, "account_unseen", about, text)
    elif health.state is not HealthState.HEALTHY:
        severity = Severity.PROBLEM if health.state is HealthState.STOPPED else Severity.WARNING
        yield Check(severity, f"account_{health.state}", about, f"{health.code}: {health.detail}")


async def doctor(
    settings: Settings,
    catalogue: Catalogue,
    *,
    language: str,
    json_lines: bool,
    history: bool,
    say: Callable[[str], None] = print,
) -> int:
    """Print the findings; returns 1 when one of them is a problem."""
    found = []
    async for check in examine(settings, catalogue, language=language, history=history):
        found.append(check)
        line = json.dumps(asdict(check), ensure_ascii=False)
        say(line if json_lines else f"{check.severity:8} {check.code}  {check.about}\n         {check.text}")
    problems = sum(check.severity is Severity.PROBLEM for check in found)
    if not json_lines:
        say(f"{problems} problems, {len(found) - problems} other findings.")
    return 1 if problems else 0
