"""One fault each: a slow restore, a refused batch, lost group offsets, a poison record."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from gateway.conversation_log.process import GROUP
from gateway.core import commands as k
from gateway.core.commands import CommandResult
from gateway.core.directory import Account, DirectoryEntry, entry_key
from gateway.core.events import ConversationEvent
from gateway.wire.framing import encode
from tests.conversation_log.harness import Bench, bench
from tests.core.build import ANN, CHANNEL, TENANT
from tests.faults.audit import audit, read_topics
from tests.faults.fleet import Fleet, fleet
from tests.faults.progress import all_decided, configure
from tests.faults.test_random_faults import seed
from tests.faults.traffic import ASK, Feeder, Sent, asked, conversation, wrote
from tests.helpers import LONG_RUN, eventually

SIZE = 5 if LONG_RUN else 1
SESSION = 6 if LONG_RUN else 3
SHORT = {"session_ms": SESSION * 1000, "heartbeat_ms": SESSION * 200, "rebalance_ms": SESSION * 1500}


async def exited(workers: Fleet, code: int, count: int, seconds: float = 60.0) -> None:
    """So many processes have ended like this."""
    await eventually(lambda: workers.exits[f"exit {code}"] >= count, seconds, every=0.2)


async def test_a_restore_of_five_times_the_session(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Workers that restore stay in the group, and one may die or join meanwhile."""
    chosen = seed()
    async with bench(kafka, topic_prefix) as b:
        feeder = Feeder(b, chosen, 60)
        slow = {"slow_restore": 5 * SESSION, "changes": SHORT}
        async with fleet(b, tmp_path, "w0", "w1", **slow) as workers, feeder.answering():
            if LONG_RUN:
                await feeder.feed(1_000, 100)
                await all_decided(b, 300, feeder)
                # Both restored while they stayed in the group.
                assert not workers.exits
            begun = len(feeder.acknowledged)
            await feeder.feed(begun + 200 * SIZE, 100)
            workers.signal("w0", signal.SIGKILL)
            workers.start("w2")
            await feeder.feed(begun + 400 * SIZE, 100)
            await all_decided(b, 300, feeder)
            assert workers.exits == {"exit -9": 1}
        await audit(b, feeder.acknowledged)


async def test_a_batch_that_the_broker_refuses(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Nothing of its transaction is seen, the worker ends with 75, and later everything is there once."""
    chosen = seed()
    async with bench(kafka, topic_prefix) as b:
        feeder, outbound = Feeder(b, chosen, 40), b.catalogue.outbound(CHANNEL)
        async with fleet(b, tmp_path, "w0", "w1") as workers, feeder.answering():
            await feeder.feed(200 * SIZE, 100)
            await all_decided(b, 60, feeder)
            before = await read_topics(b)
            await configure(b, outbound, {"max.message.bytes": "100"})
            name = conversation(1_000)[1]
            await feeder.put(Sent(wrote(1_000_001, 1_000)))
            await feeder.put(Sent(asked(1, name, ANN, k.Assign("ann")), ASK))
            await all_decided(b, 60)
            # Refused: its request is too large for the topic as it is now.
            await feeder.put(Sent(asked(2, name, ANN, k.SendMessage(wrote(0, 0).content)), ASK))  # type: ignore[arg-type]
            await exited(workers, 75, 2)
            during = await read_topics(b)
            assert len(during.events) == len(before.events) + 3
            assert len(during.results) == len(before.results) + 1
            assert sum(during.behind.values()) == 1
            await configure(b, outbound, {})
            await feeder.feed(400 * SIZE, 100)
            await all_decided(b, 90, feeder)
            assert set(workers.exits) == {"exit 75"}
        after = await audit(b, feeder.acknowledged)
        assert [ev.happening.message_id for _, ev in after.events if ev.cause == asked_id(name, 2)] != []  # type: ignore[union-attr]


def asked_id(name: str, n: int) -> str:
    return asked(n, name, ANN, k.End()).command_id


async def test_group_offsets_that_are_gone(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """They were never asked: the log goes on from `@position`."""
    chosen = seed()
    async with bench(kafka, topic_prefix) as b:
        feeder = Feeder(b, chosen, 40)
        async with fleet(b, tmp_path, "w0", changes={"group_commit_seconds": 0.2}) as workers:
            async with feeder.answering():
                await feeder.feed(200 * SIZE, 100)
                await all_decided(b, 60, feeder)
                workers.leave("w0")
                await workers.gone()
                assert await offsets(kafka, topic_prefix + GROUP)
                await delete_group(kafka, topic_prefix + GROUP)
                await feeder.feed(300 * SIZE, 200)
                workers.start("w0")
                await feeder.feed(400 * SIZE, 100)
                await all_decided(b, 60, feeder)
            assert workers.exits == {"exit 0": 1}
        await audit(b, feeder.acknowledged)


async def offsets(kafka: str, group: str) -> dict[object, object]:
    client = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await client.start()
    try:
        return dict(await client.list_consumer_group_offsets(group))
    finally:
        await client.close()


async def delete_group(kafka: str, group: str) -> None:
    """The group, and with it its offsets: as if they had expired."""
    client = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await client.start()
    try:
        request = DeleteGroupsRequest([group])
        coordinator = await client.find_coordinator(group)
        answer = await client._send_request(request, coordinator)
        assert answer.results == [(group, 0)], answer
    finally:
        await client.close()
    assert not await offsets(kafka, group)


async def test_poison_in_the_middle_of_the_traffic(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Two conversations are parked, the others go on; an operator mends one and discards the other's record.

    The parked records survive a kill.
    """
    chosen = seed()
    async with bench(kafka, topic_prefix) as b:
        feeder = Feeder(b, chosen, 40)
        broken, unknown = conversation(2_000)[1], conversation(2_001)[1]
        async with fleet(b, tmp_path, "w0", "w1") as workers, feeder.answering():
            feeding = asyncio.create_task(feeder.feed(500 * SIZE, 100))
            await feeder.put(Sent(wrote(2_000_001, 2_000)))
            await b.producer.send(b.catalogue.inbound, broken.encode(), b"not avro")
            # An account that is not in the directory (yet).
            await feeder.put(Sent(wrote(2_000_002, 2_001, account_id="later")))
            for n in range(10):
                await feeder.put(Sent(wrote(2_000_010 + n, 2_000)))
                await feeder.put(Sent(wrote(2_000_030 + n, 2_001, account_id="later")))
            workers.signal(random.Random(chosen).choice(("w0", "w1")), signal.SIGKILL)
            await feeding
            await all_decided(b, 60, feeder)
            assert await seen(b, broken) == [2_000_001]
            assert await seen(b, unknown) == []
            assert await operate(feeder, broken, k.RetryParked()) == (False, "still_parked")
            assert await operate(feeder, unknown, k.RetryParked()) == (False, "still_parked")
            assert await operate(feeder, broken, k.DiscardParked()) == (True, None)
            assert await operate(feeder, broken, k.RetryParked()) == (True, None)
            account = Account("later", TENANT, CHANNEL, "support", "Later")
            entry = encode(DirectoryEntry(account, 1))
            await b.producer.send(b.catalogue.directory, entry_key(account).encode(), entry)

            async def mended() -> bool:
                return await operate(feeder, unknown, k.RetryParked()) == (True, None)

            await eventually(mended, 30, every=0.5)
            await feeder.feed(600 * SIZE, 100)
            await all_decided(b, 60, feeder)
            assert workers.exits == {"exit -9": 1}
        topics = await audit(b, feeder.acknowledged)
        assert await seen(b, broken) == [2_000_001, *range(2_000_010, 2_000_020)]
        assert await seen(b, unknown) == [2_000_002, *range(2_000_030, 2_000_040)]
        assert topics.undecodable == 1
        assert {letter.origin_key.decode() for letter in topics.dead} == {broken, unknown}
        assert {letter.reason for letter in topics.dead} == {"poison"}


async def seen(b: Bench, name: str) -> list[int]:
    """The numbers of the messages of a conversation in the log."""
    events: list[ConversationEvent] = [ev for _, ev in (await read_topics(b)).events]
    provider_ids = [
        getattr(ev.happening, "provider_message_id", None) for ev in events if ev.conversation_id == name
    ]
    return [int(provider_id.removeprefix("in")) for provider_id in provider_ids if provider_id]


async def operate(feeder: Feeder, name: str, action: k.Action) -> tuple[bool, str | None]:
    """An operator's command, and what came of it."""
    given = asked(5_000_000 + len(feeder.acknowledged), name, ANN, action)
    await feeder.put(Sent(given, ASK))

    async def answer() -> CommandResult | None:
        found = (await read_topics(feeder.bench)).results
        return next((result for result in found if result.command_id == given.command_id), None)

    result = await eventually(answer, 30, every=0.3)
    assert result is not None
    return result.accepted, result.code
