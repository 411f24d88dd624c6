"""Creates and checks topics: a pure plan, then apply; and the check that every service makes at its start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from gateway.bus.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SECONDS = 30.0
RETRY_SECONDS = 0.5


class TopicProblem(Exception):
    """The topics on the broker are not as they must be; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One topic as it should be; `fixed` = its partition count may never be changed while it holds records."""

    name: str
    partitions: int
    configs: Mapping[str, str]
    fixed: bool = True


@dataclass(frozen=True, slots=True)
class Existing:
    """One topic as the broker has it; `configs` holds the settings that were asked for."""

    partitions: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a plan. `refuse` = cannot be done while running; `reason` says why."""

    kind: Literal["create", "grow", "configure", "refuse"]
    topic: str
    reason: str
    partitions: int = 0
    configs: Mapping[str, str] | None = None


def wanted_topics(catalogue: Catalogue, extra: Iterable[Wanted] = ()) -> list[Wanted]:
    """Every topic of the catalogue, and the caller's own (for example Faust's changelogs)."""
    own = [Wanted(s.name, catalogue.count(s), s.configs, fixed=s.copartitioned) for s in catalogue.topics]
    return [*own, *extra]


def plan(existing: Mapping[str, Existing], wanted: Iterable[Wanted]) -> list[Change]:
    """What must be done so that `existing` becomes `wanted`. Topics that nobody wants are left alone."""
    changes: list[Change] = []
    for topic in wanted:
        found = existing.get(topic.name)
        if found is None:
            changes.append(Change("create", topic.name, "does not exist", topic.partitions, topic.configs))
            continue
        changes.extend(_differences(topic, found))
    return changes


def _differences(topic: Wanted, found: Existing) -> Iterable[Change]:
    if found.partitions != topic.partitions:
        yield _count_change(topic, found.partitions)
    # Kafka replaces a topic's settings as a whole, so a change carries all of them.
    different = sorted(k for k, v in topic.configs.items() if found.configs.get(k) != v)
    if different:
        shown = ", ".join(f"{k}: {found.configs.get(k)} -> {topic.configs[k]}" for k in different)
        yield Change("configure", topic.name, shown, configs=topic.configs)


def _count_change(topic: Wanted, found: int) -> Change:
    if topic.fixed or found > topic.partitions:
        return Change(
            "refuse", topic.name, _count_reason(topic.name, found, topic.partitions), topic.partitions
        )
    return Change("grow", topic.name, f"{found} -> {topic.partitions} partitions", topic.partitions)


def _count_reason(name: str, found: int, wanted: int) -> str:
    return (
        f"{name} has {found} partitions, not {wanted}: a conversation would change its partition and its order "
        "and state would be lost. Set the partition count to what the topics have, or copy them offline."
    )


def count_problems(counts: Mapping[str, int], wanted: Mapping[str, int]) -> list[str]:
    """One line per topic that is missing or has another partition count than `wanted`."""
    problems = []
    for name, count in wanted.items():
        if name not in counts:
            problems.append(f"{name} does not exist. Run `gateway topics apply`.")
        elif counts[name] != count:
            problems.append(_count_reason(name, counts[name], count))
    return problems


@asynccontextmanager
async def admin_client(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client, closed on leaving. Raises KafkaError when no broker answers."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(SECONDS * 1000))
    try:
        async with asyncio.timeout(SECONDS):
            await client.start()
        yield client
    finally:
        await client.close()


async def wait_for_broker(bootstrap: str, seconds: float) -> None:
    """Returns when a broker answers, so that services may be started before Kafka is up.

    Raises KafkaError when none does in time.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            async with admin_client(bootstrap):
                return
        except KafkaError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(RETRY_SECONDS)


async def partition_counts(bootstrap: str, names: Iterable[str]) -> dict[str, int]:
    """The partition counts of those of the topics that exist."""
    async with admin_client(bootstrap) as client:
        return await _counts(client, list(names))


async def _counts(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    found = await client.describe_topics(names)
    return {t["topic"]: len(t["partitions"]) for t in found if t["error_code"] == 0}


async def check_partition_counts(bootstrap: str, wanted: Mapping[str, int]) -> None:
    """Raises TopicProblem, naming every topic of `wanted` that is missing or has another partition count."""
    problems = count_problems(await partition_counts(bootstrap, wanted), wanted)
    if problems:
        raise TopicProblem("\n".join(problems))


async def read_existing(bootstrap: str, wanted: Sequence[Wanted]) -> dict[str, Existing]:
    """What the broker has of the wanted topics, with the settings that the plan compares."""
    async with admin_client(bootstrap) as client:
        counts = await _counts(client, [t.name for t in wanted])
        asked = [
            ConfigResource(ConfigResourceType.TOPIC, t.name, dict.fromkeys(t.configs, ""))
            for t in wanted
            if t.name in counts
        ]
        answers = await client.describe_configs(asked) if asked else []
    configs = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for answer in answers
        for resource in answer.resources
    }
    return {name: Existing(count, configs.get(name, {})) for name, count in counts.items()}


async def apply(bootstrap: str, changes: Sequence[Change], *, replication: int = 1) -> None:
    """Carries the plan out. Doing it twice, or twice at once, is harmless.

    Raises TopicProblem before anything is changed when the plan holds a refusal, KafkaError when the broker refuses.
    """
    refused = [c.reason for c in changes if c.kind == "refuse"]
    if refused:
        raise TopicProblem("\n".join(refused))
    async with admin_client(bootstrap) as client:
        await _create(client, [c for c in changes if c.kind == "create"], replication)
        grown = {c.topic: NewPartitions(c.partitions) for c in changes if c.kind == "grow"}
        if grown:
            await client.create_partitions(grown)
        configured = [
            ConfigResource(ConfigResourceType.TOPIC, c.topic, dict(c.configs or {}))
            for c in changes
            if c.kind == "configure"
        ]
        for answer in await client.alter_configs(configured) if configured else []:
            for code, message, _, name in answer.resources:
                _raise_for(code, f"settings of {name}: {message}")
        await _wait_until_known(client, {c.topic for c in changes if c.kind == "create"})


async def _create(client: AIOKafkaAdminClient, changes: Sequence[Change], replication: int) -> None:
    if not changes:
        return
    answer = await client.create_topics(
        [NewTopic(c.topic, c.partitions, replication, topic_configs=dict(c.configs or {})) for c in changes]
    )
    for name, code, message in answer.topic_errors:
        # Another process may have created it between our plan and now.
        if code != TopicAlreadyExistsError.errno:
            _raise_for(code, f"creating {name}: {message}")


def _raise_for(code: int, what: str) -> None:
    if code:
        raise for_code(code)(what)


async def _wait_until_known(client: AIOKafkaAdminClient, names: set[str]) -> None:
    """A broker answers for a new topic only a moment after it said that it was created."""
    async with asyncio.timeout(SECONDS):
        while names and set(await _led(client, sorted(names))) != names:
            await asyncio.sleep(0.05)


async def _led(client: AIOKafkaAdminClient, names: list[str]) -> list[str]:
    found = await client.describe_topics(names)
    return [
        t["topic"] for t in found if t["error_code"] == 0 and all(p["leader"] >= 0 for p in t["partitions"])
    ]


async def apply_catalogue(
    bootstrap: str, catalogue: Catalogue, extra: Iterable[Wanted] = (), *, replication: int = 1
) -> list[Change]:
    """Plans and applies the whole catalogue; returns what was done. Raises as `apply`."""
    wanted = wanted_topics(catalogue, extra)
    changes = plan(await read_existing(bootstrap, wanted), wanted)
    await apply(bootstrap, changes, replication=replication)
    return changes


__all__ = [
    "Change",
    "Existing",
    "KafkaError",
    "TopicProblem",
    "Wanted",
    "apply",
    "apply_catalogue",
    "check_partition_counts",
    "count_problems",
    "partition_counts",
    "plan",
    "read_existing",
    "wait_for_broker",
    "wanted_topics",
]
