"""The topic catalogue, the plan, and applying it on the real Kafka."""

from __future__ import annotations

import pytest
from aiokafka.errors import KafkaError

from gateway.bus.admin import (
    Change,
    Existing,
    TopicProblem,
    Wanted,
    apply,
    apply_catalogue,
    check_partition_counts,
    count_problems,
    partition_counts,
    plan,
    read_existing,
    wait_for_broker,
)
from gateway.bus.catalogue import Catalogue
from gateway.bus.partitioner import partition_for
from tests.helpers import eventually

from .kit import put, read_until

CATALOGUE = Catalogue(prefix="x.", channels=("line", "telegram"), partitions=4)

# DESIGN section 3: name, key, cleanup, retention in days (None = for good, or compacted).
TABLE = [
    ("inbound", "conversation", "delete", 14),
    ("receipts", "conversation", "delete", 14),
    ("commands", "conversation", "delete", 14),
    ("command-results", "conversation", "delete", 1),
    ("conversations", "conversation", "delete", -1),
    ("conversation-state", "conversation", "compact", None),
    ("queue", "department", "delete", 14),
    ("dead", "origin", "delete", 30),
    ("outbound.line", "conversation", "delete", 14),
    ("outbound-ledger.line", "message_part", "compact", None),
    ("outbound.telegram", "conversation", "delete", 14),
    ("outbound-ledger.telegram", "message_part", "compact", None),
    ("content-keys", "key_id", "compact", None),
    ("directory", "entity", "compact", None),
    ("presence", "agent", "compact", None),
    ("agent-cursors", "agent_conversation", "compact", None),
    ("bot-memory", "conversation", "compact", None),
    ("capabilities", "account", "compact", None),
    ("health", "account", "compact", None),
    ("contact-aliases", "alias", "compact", None),
]


def test_the_catalogue_is_the_table_of_the_design() -> None:
    shown = []
    for spec in CATALOGUE.topics:
        days = spec.configs.get("retention.ms")
        shown.append(
            (
                spec.name.removeprefix("x."),
                spec.key,
                spec.configs["cleanup.policy"],
                None if days is None else int(days) if days == "-1" else int(days) // 86_400_000,
            )
        )
    assert shown == TABLE


def test_every_property_names_a_topic_of_the_catalogue() -> None:
    names = {spec.name for spec in CATALOGUE.topics}
    properties = [
        n
        for n, v in vars(Catalogue).items()
        if isinstance(v, property) and n not in ("topics", "copartitioned")
    ]
    assert {getattr(CATALOGUE, name) for name in properties} <= names
    assert {CATALOGUE.outbound("line"), CATALOGUE.outbound_ledger("line")} <= names
    assert len(properties) + 2 * len(CATALOGUE.channels) == len(names)


def test_conversation_topics_share_one_count() -> None:
    for name in ("inbound", "receipts", "commands", "conversations", "conversation-state", "outbound.line"):
        assert CATALOGUE.count(CATALOGUE.spec(f"x.{name}")) == 4
    assert "x.directory" not in CATALOGUE.copartitioned


@pytest.mark.parametrize(
    ("existing", "wanted", "kinds"),
    [
        (None, Wanted("t", 4, {}), ["create"]),
        (Existing(4, {"a": "1"}), Wanted("t", 4, {"a": "1"}), []),
        (Existing(4, {"a": "1"}), Wanted("t", 4, {"a": "2"}), ["configure"]),
        (Existing(4, {}), Wanted("t", 4, {"a": "2"}), ["configure"]),
        (Existing(4, {}), Wanted("t", 5, {}), ["refuse"]),
        (Existing(4, {}), Wanted("t", 5, {}, fixed=False), ["grow"]),
        (Existing(4, {}), Wanted("t", 3, {}, fixed=False), ["refuse"]),
        (Existing(4, {}), Wanted("t", 5, {"a": "1"}, fixed=False), ["grow", "configure"]),
    ],
)
def test_plan(existing: Existing | None, wanted: Wanted, kinds: list[str]) -> None:
    changes = plan({"t": existing} if existing else {}, [wanted])
    assert [c.kind for c in changes] == kinds


def test_count_problems_name_each_topic() -> None:
    problems = count_problems({"a": 4, "b": 5}, {"a": 4, "b": 4, "c": 4})
    assert len(problems) == 2
    assert problems[0].startswith("b has 5 partitions, not 4")
    assert "gateway topics apply" in problems[1]


async def test_apply_creates_everything_once(kafka: str, topic_prefix: str) -> None:
    catalogue = Catalogue(prefix=topic_prefix, channels=("line",), partitions=3)
    extra = [Wanted(f"{topic_prefix}app-table-changelog", 3, {"cleanup.policy": "compact"})]
    done = await apply_catalogue(kafka, catalogue, extra)
    assert {c.kind for c in done} == {"create"}
    assert len(done) == len(catalogue.topics) + 1
    assert await apply_catalogue(kafka, catalogue, extra) == []
    await check_partition_counts(kafka, dict.fromkeys([*catalogue.copartitioned, extra[0].name], 3))
    with pytest.raises(TopicProblem, match=f"{topic_prefix}inbound has 3 partitions, not 4"):
        await apply_catalogue(kafka, Catalogue(prefix=topic_prefix, partitions=4))
    with pytest.raises(TopicProblem, match="does not exist"):
        await check_partition_counts(kafka, {f"{topic_prefix}nothing": 3})


async def test_apply_changes_settings_and_grows_what_may_grow(kafka: str, topic_prefix: str) -> None:
    name = f"{topic_prefix}t"
    await apply(kafka, plan({}, [Wanted(name, 1, {"retention.ms": "1000", "cleanup.policy": "delete"})]))
    wanted = [Wanted(name, 2, {"retention.ms": "2000", "cleanup.policy": "delete"}, fixed=False)]
    changes = plan(await read_existing(kafka, wanted), wanted)
    assert [c.kind for c in changes] == ["grow", "configure"]
    await apply(kafka, changes)

    async def as_wanted() -> bool:
        return plan(await read_existing(kafka, wanted), wanted) == []

    await eventually(as_wanted)
    assert await partition_counts(kafka, [name]) == {name: 2}


async def test_creating_twice_at_once_is_harmless(kafka: str, topic_prefix: str) -> None:
    change = [Change("create", f"{topic_prefix}t", "", 1, {})]
    await apply(kafka, change)
    await apply(kafka, change)


# From Kafka's own UtilsTest (org.apache.kafka.common.utils.UtilsTest.testMurmur2), as signed 32-bit numbers.
JAVA_MURMUR2 = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("key", "murmur"), JAVA_MURMUR2)
@pytest.mark.parametrize("count", [1, 4, 12])
def test_partition_as_the_java_client(key: bytes, murmur: int, count: int) -> None:
    assert partition_for(key, count) == (murmur & 0x7FFFFFFF) % count


async def test_partition_for_says_where_the_producer_writes(kafka: str, topic_prefix: str) -> None:
    name = f"{topic_prefix}t"
    await apply(kafka, plan({}, [Wanted(name, 5, {})]))
    await put(kafka, name, *[(b"key %d" % i, b"") for i in range(30)])
    for record in await read_until(kafka, name, lambda r: len(r) == 30):
        assert record.partition == partition_for(record.key, 5)


async def test_waiting_for_a_broker_ends_in_time() -> None:
    with pytest.raises(KafkaError):
        await wait_for_broker("127.0.0.1:1", 0.6)
