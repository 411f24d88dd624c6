"""`gateway dead`: look at dead letters; retry or discard what is parked."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime

from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import Producer
from gateway.conversation_log.logic import REPLY_TO
from gateway.core.actors import Actor, ActorKind
from gateway.core.clock import system_clock
from gateway.core.commands import Command, CommandResult, DiscardParked, RetryParked
from gateway.core.messages import DeadLetter
from gateway.records_json import as_json
from gateway.tail import read_topic
from gateway.wire.framing import decode, encode

ANSWER_SECONDS = 30.0


async def list_dead(bootstrap: str, catalogue: Catalogue, json_lines: bool) -> None:
    """Print every dead letter that is kept; the bytes only as JSON."""
    async for record in read_topic(bootstrap, catalogue, catalogue.dead, True, False):
        letter = decode(record.value, DeadLetter)
        if json_lines:
            print(json.dumps(as_json(letter), ensure_ascii=False))  # noqa: T201
            continue
        at = datetime.fromtimestamp(letter.at / 1000, UTC).isoformat(timespec="seconds")
        origin = f"{letter.origin_topic}/{letter.origin_partition}@{letter.origin_offset}"
        key = letter.origin_key.decode(errors="replace")
        print(f"{at}  {letter.reason:12} {origin}  {key}  {letter.error}")  # noqa: T201


async def operate(bootstrap: str, catalogue: Catalogue, conversation: str, what: str) -> int:
    """Retry or discard; prints the answer and returns 0, or 1 when something is still parked."""
    asked = str(uuid.uuid4())
    action = RetryParked() if what == "retry" else DiscardParked()
    actor = Actor(ActorKind.OPERATOR, "cli", "gateway dead")
    command = Command(asked, conversation, "", actor, action, system_clock(), asked)
    producer = Producer(bootstrap)
    await producer.start()
    # From the start, so that no answer comes before the reading begins; the topic holds a day.
    answers = read_topic(bootstrap, catalogue, catalogue.command_results, True, True)
    waiting = asyncio.ensure_future(_answer(answers, asked))
    try:
        headers = [(REPLY_TO, b"cli")]
        await producer.send(catalogue.commands, conversation.encode(), encode(command), headers)
        result = await asyncio.wait_for(waiting, ANSWER_SECONDS)
    except TimeoutError:
        print("No answer: is the conversation log running?")  # noqa: T201
        return 1
    finally:
        await producer.stop()
    print(result.detail or result.code)  # noqa: T201
    return 0 if result.accepted else 1


async def _answer(records: object, asked: str) -> CommandResult:
    async for record in records:  # type: ignore[attr-defined]
        result = decode(record.value, CommandResult)
        if result.command_id == asked:
            return result
    raise RuntimeError("the topic of results ended")
