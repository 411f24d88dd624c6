"""What must hold at the edges of the whole way: repeats, forgeries, a broker that is gone, receipts in disorder."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.e2e.whole.stack import AgentClient, Demo, post_webhook, text_message, until, webhook


def test_a_webhook_repeated_in_parallel_makes_one_message(demo: Demo, agent: AgentClient) -> None:
    payload = webhook(
        "819100000001", "五人目", messages=[text_message("819100000001", "wamid.FIVE", "一度だけ")]
    )
    with ThreadPoolExecutor(5) as pool:
        assert set(pool.map(lambda _: post_webhook(demo.webhook, payload), range(5))) == {200}
    assert post_webhook(demo.webhook, payload) == 200
    conversation = agent.conversation("五人目")["id"]
    after = text_message("819100000001", "wamid.SIX", "次の一通")
    assert post_webhook(demo.webhook, webhook("819100000001", "五人目", messages=[after])) == 200
    texts = until(
        lambda: (
            [m["fallback"] for m in agent.messages(conversation)]
            if len(agent.messages(conversation)) > 1
            else None
        )
    )
    assert texts == ["一度だけ", "次の一通"]


def _ends(bootstrap: str) -> dict[TopicPartition, int]:
    """End offsets of every topic that webhooks could reach."""

    async def read() -> dict[TopicPartition, int]:
        consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
        await consumer.start()
        try:
            names = ("cg.inbound", "cg.receipts", "cg.dead", "cg.contact-aliases", "cg.conversations")
            tps = [TopicPartition(name, p) for name in names for p in range(4)]
            found: dict[TopicPartition, int] = await consumer.end_offsets(tps)
            return found
        finally:
            await consumer.stop()

    return asyncio.run(read())


def test_a_wrong_signature_gets_401_and_reaches_no_topic(demo: Demo) -> None:
    def still() -> dict[TopicPartition, int] | None:
        before = _ends(demo.bootstrap)
        time.sleep(1.0)  # the scripted contacts must have fallen silent, else the comparison says nothing
        return before if _ends(demo.bootstrap) == before else None

    before = until(still)
    payload = webhook("819100000002", "偽物", messages=[text_message("819100000002", "wamid.FAKE", "x")])
    assert post_webhook(demo.webhook, payload, secret=b"not the secret") == 401
    assert _ends(demo.bootstrap) == before


def _java_of(demo: Demo) -> int:
    """Process id of the demo's own Kafka: a child of the demo that we started."""
    assert demo.process is not None
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue  # it ended while we looked
        if parent == demo.process.pid and b"kafka.Kafka" in command:
            return int(entry.name)
    raise AssertionError("the demo has no Kafka")


def test_without_kafka_the_webhook_gets_503_and_the_repeat_appears_once(
    demo: Demo, agent: AgentClient
) -> None:
    payload = webhook(
        "819100000003", "再送 太郎", messages=[text_message("819100000003", "wamid.RETRY", "届きました?")]
    )
    kafka = _java_of(demo)
    os.kill(kafka, signal.SIGSTOP)
    try:
        assert post_webhook(demo.webhook, payload) == 503
    finally:
        os.kill(kafka, signal.SIGCONT)
    until(lambda: post_webhook(demo.webhook, payload) == 200, 120)
    conversation = agent.conversation("再送 太郎")["id"]
    assert post_webhook(demo.webhook, payload) == 200
    after = text_message("819100000003", "wamid.AFTER", "その後")
    until(
        lambda: post_webhook(demo.webhook, webhook("819100000003", "再送 太郎", messages=[after])) == 200, 60
    )
    texts = until(
        lambda: (
            [m["fallback"] for m in agent.messages(conversation)]
            if len(agent.messages(conversation)) > 1
            else None
        )
    )
    assert texts == ["届きました?", "その後"]


def test_read_before_delivered_before_sent_shows_read_with_the_lower_rungs_implied(
    demo: Demo, agent: AgentClient
) -> None:
    phone = "819100000004"
    demo.writes(phone, "順番", "逆 順子", up_to="none")
    conversation = agent.conversation("逆 順子")["id"]
    agent.do(f"/conversations/{conversation}/accept")
    agent.do(f"/conversations/{conversation}/messages", content={"type": "text", "body": "はい"})
    sent = until(lambda: demo.accepted(phone))[0]

    def tell(status: str) -> None:
        one = {
            "id": sent["id"],
            "status": status,
            "timestamp": str(int(time.time())),
            "recipient_id": phone,
            "biz_opaque_callback_data": sent["body"]["biz_opaque_callback_data"],
        }
        assert post_webhook(demo.webhook, webhook(phone, "", statuses=[one])) == 200

    def rungs(wanted: list[str]) -> bool:
        status = agent.messages(conversation)[-1]["status"]
        found = [status["rungs"][rung]["state"] for rung in ("sent", "delivered", "read")]
        assert (status["shown"], found) == ("read", wanted)
        return True

    tell("read")
    until(lambda: rungs(["implied", "implied", "reached"]))
    tell("delivered")
    until(lambda: rungs(["implied", "reached", "reached"]))
    tell("sent")
    until(lambda: rungs(["reached", "reached", "reached"]))
