"""The conversation log on a real Kafka: events, requests, results, refusals, repeats, poison."""

from __future__ import annotations

import io
import json

import avro.io
import avro.schema

import schemas
from gateway.core import commands as k
from gateway.core.commands import CommandResult
from gateway.core.events import ConversationEvent
from gateway.core.messages import DeadLetter, SendRequest
from gateway.core.receipts import Rung, Shown
from tests.conversation_log.harness import bench
from tests.core.build import ANN, BOB, CONVERSATION, command, inbound, message, receipt, send

ASK = (("reply_to", b"me"),)


async def test_a_conversation_from_message_to_read(kafka: str, topic_prefix: str) -> None:
    async with bench(kafka, topic_prefix) as b, b.running():
        log, results = b.catalogue.conversations, b.catalogue.command_results
        # No order holds between topics, so each step waits for the one before.
        await b.feed(inbound(1), inbound(1))
        await b.count(log, 2)
        await b.feed(command(101, ANN, k.Assign("ann")), headers=ASK)
        await b.count(log, 3)
        await b.feed(send(1), headers=ASK)
        await b.count(log, 4)
        requests = await b.read(b.catalogue.outbound("testchannel"), SendRequest)
        assert [(r.message_id, r.address) for r in requests] == [(message(1), "4915223456789")]
        await b.feed(receipt(Rung.READ, message_id=message(1)))
        await b.feed(send(1), headers=ASK)
        await b.feed(command(2, BOB, k.End()), headers=ASK)
        await b.count(results, 4)
        answers = [(r.command_id, r.accepted, r.code) for r in await b.read(results, CommandResult)]
        assert answers == [
            ("cmd101", True, None),
            ("cmd1", True, None),
            ("cmd1", True, None),
            ("cmd2", False, "not_assigned"),
        ]
        await b.count(log, 5)
        events = await b.read(log, ConversationEvent)
        assert [type(event.happening).__name__ for event in events] == [
            "ConversationOpened",
            "MessageReceived",
            "OwnerChanged",
            "MessageQueued",
            "StatusChanged",
        ]
        assert [event.seq for event in events] == [1, 2, 3, 4, 5]
        assert events[-1].happening.shown is Shown.READ  # type: ignore[union-attr]


async def test_avro_python3_alone_decodes_every_record(kafka: str, topic_prefix: str) -> None:
    async with bench(kafka, topic_prefix) as b, b.running():
        log = b.catalogue.conversations
        await b.feed(inbound(1), inbound(2))
        await b.count(log, 3)
        await b.feed(command(101, ANN, k.Assign("ann")))
        await b.count(log, 4)
        await b.feed(send(1, "こんにちは 👋"))
        schema = avro.schema.parse((schemas.FOLDER / "ConversationEvent.avsc").read_text(encoding="utf-8"))
        reader = avro.io.DatumReader(schema)
        for number, record in enumerate(await b.count(log, 5), 1):
            assert record.value[:2] == b"\xc3\x01"
            datum = reader.read(avro.io.BinaryDecoder(io.BytesIO(record.value[10:])))
            assert (datum["seq"], datum["conversation_id"]) == (number, CONVERSATION)
            assert "👋" in json.dumps(datum, ensure_ascii=False) or number < 5
            headers = dict(record.headers)
            assert headers["ce_subject"] == CONVERSATION.encode()
            assert headers["ce_type"].startswith(b"gateway.v1.ConversationEvent.")


async def test_a_poison_record_parks_its_conversation_and_nothing_else(kafka: str, topic_prefix: str) -> None:
    async with bench(kafka, topic_prefix) as b, b.running():
        log = b.catalogue.conversations

        async def talked() -> set[str]:
            return {ev.conversation_id for ev in await b.read(log, ConversationEvent)}

        await b.producer.send(b.catalogue.inbound, CONVERSATION.encode(), b"not avro")
        await b.count(b.catalogue.dead, 1)
        letters = await b.read(b.catalogue.dead, DeadLetter)
        assert [(d.value, d.origin_topic) for d in letters] == [(b"not avro", b.catalogue.inbound)]
        await b.feed(inbound(1), inbound(2, conversation_id="another"))
        await b.count(log, 2)
        assert await talked() == {"another"}
        await b.feed(command(6, ANN, k.RetryParked()), headers=ASK)
        await b.feed(command(7, ANN, k.DiscardParked()), headers=ASK)
        await b.feed(command(8, ANN, k.RetryParked()), headers=ASK)
        await b.count(log, 4)
        assert await talked() == {"another", CONVERSATION}
        answers = await b.read(b.catalogue.command_results, CommandResult)
        assert [(a.command_id, a.accepted, a.code) for a in answers] == [
            ("cmd6", False, "still_parked"),
            ("cmd7", True, None),
            ("cmd8", True, None),
        ]


async def test_state_survives_a_restart(kafka: str, topic_prefix: str) -> None:
    async with bench(kafka, topic_prefix) as b:
        async with b.running():
            await b.feed(*(inbound(n) for n in range(100)))

            await b.count(b.catalogue.conversations, 101)
        async with b.running():
            await b.feed(inbound(5), inbound(200))

            await b.count(b.catalogue.conversations, 102)
        events = await b.read(b.catalogue.conversations, ConversationEvent)
        assert [event.seq for event in events] == list(range(1, 103))
