"""A bot on Kafka in one file: it needs aiokafka, fastavro and the folder `schemas/`, and nothing of the gateway.

    KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 python examples/bot_kafka.py parcels

The argument is the bot's id in the directory (kind `kafka`). The contract is in docs/bots.md.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import fastavro
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

SCHEMAS = Path(__file__).parent.parent / "schemas"
PREFIX = os.environ.get("GATEWAY_TOPIC_PREFIX", "cg.")  # noqa: TID251 (not a part of the gateway)
MARKER = b"\xc3\x01"  # Avro single-object encoding: marker, 8 bytes of fingerprint, body
Record = dict[str, Any]


class Schema:
    """One record type of the gateway."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.parsed = fastavro.schema.load_schema(str(SCHEMAS / f"{name}.avsc"))
        fingerprint = fastavro.schema.fingerprint(
            fastavro.schema.to_parsing_canonical_form(self.parsed), "CRC-64-AVRO"
        )
        self.head = MARKER + bytes.fromhex(fingerprint)

    def decode(self, data: bytes) -> Record:
        """Raises ValueError for a record of another schema version: update `schemas/`."""
        if data[:10] != self.head:
            raise ValueError(f"not a {self.name} of this version")
        found: Any = fastavro.schemaless_reader(
            io.BytesIO(data[10:]), self.parsed, None, return_record_name=True
        )
        return dict(found)

    def encode(self, record: Record) -> bytes:
        body = io.BytesIO()
        fastavro.schemaless_writer(body, self.parsed, record)
        return self.head + body.getvalue()


EVENT, COMMAND, RESULT = Schema("ConversationEvent"), Schema("Command"), Schema("CommandResult")


class Bot:
    """Answers what is its turn, and proposes through `cg.commands`."""

    def __init__(self, bot_id: str, producer: AIOKafkaProducer) -> None:
        self.bot_id = bot_id
        self.producer = producer
        # In a real bot: something that survives a restart. Only needed to answer a refusal.
        self.turns: dict[str, Record] = {}

    async def event(self, event: Record) -> None:
        """One event of `cg.conversations`."""
        kind, happening = event["happening"]
        mine = (
            event["owner"]["kind"] == "bot" and event["owner"]["id"] == self.bot_id and not event["blocked"]
        )
        if not mine or kind == "gateway.v1.ConversationCompleted":
            self.turns.pop(event["conversation_id"], None)
        elif kind == "gateway.v1.MessageReceived" and happening["counted"]:
            self.turns[event["conversation_id"]] = event
            await self.answer(event, text_of(happening["content"]).strip().casefold())

    async def answer(self, event: Record, text: str) -> None:
        if text in ("person", "talk to a person"):
            await self.propose(event, 0, ("HandOver", {"reason": "bot_asked"}))
        elif text in ("bye", "that was all"):
            await self.propose(event, 0, send(say("Good-bye!"), complete=True))
        elif text in ("parcel", "where is my parcel?"):
            await self.propose(event, 0, send(say("It is on its way.")))
        else:
            # Three times in a row, and the rule `escalation` hands over.
            lost = text not in ("hello", "hi")
            await self.propose(event, 0, send(menu("What is it about?"), not_understood=lost))

    async def refused(self, result: Record) -> None:
        """One refusal of `cg.command-results` that was ours."""
        event = self.turns.get(result["conversation_id"])
        if event is not None and result["code"] == "nobody_available":
            await self.propose(event, 1, send(menu("Nobody is here just now. Can I help?")))

    async def propose(self, event: Record, number: int, action: tuple[str, Record]) -> None:
        """The id comes from the event: proposing again after a restart is harmless."""
        name, fields = action
        command_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.bot_id}/{event['event_id']}/{number}"))
        command = {
            "command_id": command_id,
            "conversation_id": event["conversation_id"],
            "tenant": event["tenant"],
            "actor": {"kind": "bot", "id": self.bot_id, "name": event["owner"]["name"]},
            "action": (f"gateway.v1.{name}", fields),
            "issued_at": time.time_ns() // 1_000_000,  # noqa: TID251 (not a part of the gateway)
            "cause": event["event_id"],
            "epoch": event["epoch"],
            "hops": event["hops"] + 1,
        }
        key = event["conversation_id"].encode()
        headers = [("reply_to", f"bot:{self.bot_id}".encode())]
        await self.producer.send_and_wait(
            PREFIX + "commands", COMMAND.encode(command), key=key, headers=headers
        )


def send(content: tuple[str, Record], **more: bool) -> tuple[str, Record]:
    """The action that sends content; `more` are its other fields."""
    clear = ("gateway.v1.Clear", {"content": content})
    return "SendMessage", {
        "content": clear,
        "reply_to": None,
        "complete": False,
        "not_understood": False,
        **more,
    }


def say(text: str) -> tuple[str, Record]:
    """Plain text."""
    return "gateway.v1.Text", {"body": text}


def menu(text: str) -> tuple[str, Record]:
    """A question with three buttons."""
    titles = {"parcel": "Where is my parcel?", "person": "Talk to a person", "bye": "That was all"}
    options = [{"id": key, "title": title} for key, title in titles.items()]
    return "gateway.v1.Choice", {"body": text, "options": options, "style": "buttons"}


def text_of(body: tuple[str, Record]) -> str:
    """What was written or picked; empty for all else."""
    if body[0] != "gateway.v1.Clear":
        return ""
    kind, content = body[1]["content"]
    return str(
        {"gateway.v1.Text": content.get("body"), "gateway.v1.Postback": content.get("id")}.get(kind) or ""
    )


async def run(bot_id: str, bootstrap: str) -> None:
    """Answers until cancelled."""
    events, results = PREFIX + "conversations", PREFIX + "command-results"
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        events,
        results,
        bootstrap_servers=bootstrap,
        group_id=f"{PREFIX}bot-{bot_id}",
        isolation_level="read_committed",  # the log writes in transactions
        enable_auto_commit=False,
        auto_offset_reset="latest",
    )
    await producer.start()
    await consumer.start()
    bot = Bot(bot_id, producer)
    try:
        async for record in consumer:
            if record.topic == events:
                await bot.event(EVENT.decode(record.value))
            elif dict(record.headers).get("reply_to") == f"bot:{bot_id}".encode():
                result = RESULT.decode(record.value)
                if not result["accepted"]:
                    await bot.refused(result)
            await consumer.commit()
    finally:
        await consumer.stop()
        await producer.stop()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], os.environ["KAFKA_BOOTSTRAP_SERVERS"]))  # noqa: TID251
