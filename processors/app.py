"""Puts rules and Faust together: `run` serves one or several rules in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from connectors.registry import discover
from gateway.bus.admin import Wanted, apply, check_partition_counts, plan, read_existing
from gateway.bus.catalogue import COMPACTED, Catalogue
from gateway.bus.exits import Die, exit_process
from gateway.bus.faust_transport import App, make_app
from gateway.bus.producer import Producer
from gateway.bus.replica import Replica
from gateway.core.capabilities import CapabilityProfile
from gateway.core.clock import Clock, system_clock
from gateway.core.messages import ConnectorHealth, HealthState
from gateway.ops import serving_ops
from gateway.settings import Settings
from gateway.wire.errors import WireError
from gateway.wire.framing import decode
from processors.assignment import agent as assignment
from processors.completion import agent as completion
from processors.escalation import agent as escalation
from processors.known import Known
from processors.offline import agent as offline
from processors.ports import Ports
from processors.receipts import agent as receipts


class Rule(Protocol):
    """A rule's agent, made for an app that is not started yet."""

    recovered: bool


@dataclass(frozen=True, slots=True)
class Place:
    """What a rule is built with."""

    app: App
    catalogue: Catalogue
    profiles: Mapping[str, CapabilityProfile]
    ports: Ports
    health: Mapping[bytes, bytes]
    known: Known
    settings: Settings


def _receipts(place: Place) -> Rule:
    known = _silent_accounts(place.health)
    return receipts.ReceiptsAgent(place.app, place.catalogue, place.profiles, place.ports, known)


def _offline(place: Place) -> Rule:
    return offline.OfflineAgent(place.app, place.catalogue, place.known, place.ports)


def _escalation(place: Place) -> Rule:
    return escalation.EscalationAgent(place.app, place.catalogue, place.known, place.ports)


def _completion(place: Place) -> Rule:
    return completion.CompletionAgent(place.app, place.catalogue, place.ports, place.settings.completion_rate)


def _assignment(place: Place) -> Rule:
    return assignment.AssignmentAgent(place.app, place.catalogue, place.known, place.ports)


RULES: dict[str, Callable[[Place], Rule]] = {
    "receipts": _receipts,
    "offline": _offline,
    "completion": _completion,
    "escalation": _escalation,
    "assignment": _assignment,
}
TABLES: dict[str, tuple[str, ...]] = {
    "receipts": (receipts.TABLE,),
    "offline": (offline.TABLE,),
    "completion": (completion.TABLE,),
    "escalation": (escalation.TABLE,),
    "assignment": (assignment.TABLE,),
}


@dataclass(slots=True)
class Options:
    """What tests set."""

    clock: Clock = system_clock
    profiles: Mapping[str, CapabilityProfile] | None = None
    data_dir: Path | None = None
    die: Die = exit_process
    app_settings: dict[str, Any] = field(default_factory=dict)


def app_name(catalogue: Catalogue, rule: str) -> str:
    """Consumer group of the rule, and what its changelogs' names begin with."""
    return f"{catalogue.prefix}processor-{rule}"


def changelogs(catalogue: Catalogue, rules: Sequence[str] = tuple(RULES)) -> list[Wanted]:
    """The topics that keep the rules' tables; for `gateway topics apply`."""
    return [
        Wanted(f"{app_name(catalogue, rule)}-{table}-changelog", catalogue.partitions, COMPACTED)
        for rule in rules
        for table in TABLES[rule]
    ]


async def run(
    settings: Settings, rules: Sequence[str], stop: asyncio.Event, options: Options | None = None
) -> None:
    """Works until `stop` is set. Raises KeyError for an unknown rule, TopicProblem, KafkaError, OSError."""
    options = options or Options()
    bootstrap = settings.kafka_bootstrap_servers
    if bootstrap is None:
        raise ValueError("KAFKA_BOOTSTRAP_SERVERS is not set; `gateway up` brings its own Kafka.")
    profiles = options.profiles or {channel: c.profile for channel, c in discover().items()}
    catalogue = Catalogue(settings.topic_prefix, (), settings.conversation_partitions)
    await _check_topics(bootstrap, catalogue, rules)
    producer = Producer(bootstrap)
    health = Replica(bootstrap, catalogue.health)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(producer.stop)
        await producer.start()
        stack.push_async_callback(health.stop)
        await health.start()
        await health.caught_up()
        known = Known(bootstrap, catalogue, options.die)
        stack.push_async_callback(known.stop)
        await known.start()
        built: list[Rule] = []
        apps: list[App] = []
        for rule in rules:
            app = make_app(
                app_name(catalogue, rule),
                bootstrap,
                partitions=catalogue.partitions,
                data_dir=options.data_dir,
                die=options.die,
                loop=asyncio.get_running_loop(),
                **options.app_settings,
            )
            ports = Ports(rule, catalogue, producer, options.clock)
            built.append(RULES[rule](Place(app, catalogue, profiles, ports, health.data, known, settings)))
            apps.append(app)
        await stack.enter_async_context(
            serving_ops(settings.host, settings.processors_port, lambda: all(r.recovered for r in built))
        )
        for app in apps:
            stack.push_async_callback(app.stop)
            await app.start()
        await stop.wait()


async def _check_topics(bootstrap: str, catalogue: Catalogue, rules: Sequence[str]) -> None:
    """The changelogs are the rules' own and are made here if nobody has; all others must be there."""
    wanted = changelogs(catalogue, rules)
    await apply(bootstrap, plan(await read_existing(bootstrap, wanted), wanted))
    names = {
        catalogue.conversations,
        catalogue.commands,
        catalogue.dead,
        catalogue.health,
        catalogue.directory,
        catalogue.presence,
        catalogue.queue,
    }
    await check_partition_counts(
        bootstrap, {spec.name: catalogue.count(spec) for spec in catalogue.topics if spec.name in names}
    )


def _silent_accounts(health: Mapping[bytes, bytes]) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for key, value in health.items():
        if not key.endswith(b"/receipts"):
            continue
        try:
            told = decode(value, ConnectorHealth)
        except WireError:
            continue  # written anew when it changes
        if told.state is HealthState.DEGRADED:
            found.add((told.channel, told.account_id))
    return found
