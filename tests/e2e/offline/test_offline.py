"""The offline message end to end: the contact gets it or not, and explain says why (PRODUCT O)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gateway.core import commands as k
from gateway.core.actors import Actor, ActorKind, OwnerKind
from gateway.core.clock import system_clock
from gateway.core.events import ConversationCompleted, ConversationEvent, MessageQueued, TimersChanged
from gateway.core.hours import next_opening
from gateway.core.hours_text import describe_instant
from gateway.embedded.redis import EmbeddedRedis
from gateway.inbox.leases import Timing
from gateway.inbox.process import Where, running
from tests.e2e.offline.world import BOT, CLOSED, HOUR, OPEN, Case, World, soon_open, without, world
from tests.helpers import eventually

O1 = Case("o1", CLOSED, bot=True)
O2 = Case("o2", OPEN, bot=True)
O3 = Case("o3", OPEN, bot=True, online=True)
O4 = Case("o4", CLOSED, bot=True)
O5 = Case("o5", CLOSED)
O5_ONLINE = Case("o5n", CLOSED, online=True)
O6 = Case("o6", OPEN)
O7 = Case("o7", OPEN, online=True)
O8 = Case("o8", None)
O8_BY_PRESENCE = without(Case("o8p", None), by_presence_without_hours=True)
O9 = Case("o9", CLOSED)
REACTION = Case("re", CLOSED)
OFF = without(Case("off", CLOSED), enabled=False)
TICKET = without(Case("tik", CLOSED), ticket_first=True, text="Ticket ${Ticket.Number}.")
LATE_SOMEBODY = Case("bs", soon_open)
LATE_NOBODY = Case("bn", soon_open)
SEEN = Case("se", OPEN)
BLIND_OPEN = Case("uo", OPEN)
BLIND_CLOSED = Case("uc", CLOSED)
CASES = [
    *(O1, O2, O3, O4, O5, O5_ONLINE, O6, O7, O8, O8_BY_PRESENCE, O9),
    *(REACTION, OFF, TICKET, LATE_SOMEBODY, LATE_NOBODY, SEEN, BLIND_OPEN, BLIND_CLOSED),
]
HAND_OVER = k.HandOver(k.HandOverReason.BOT_ASKED)
INBOX = "@inbox-1"


def merged(case: Case, now: int) -> str:
    """The text as it must arrive; without a next opening its sentence is left out."""
    opens = next_opening(case.hours, now) if case.hours else None
    text = "Hello Lena, Acme has your message."
    return text if opens is None else f"{text} Back {describe_instant(opens, 'UTC', 'en')}."


async def test_who_gets_the_offline_message_and_why(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    async with world(kafka, topic_prefix, tmp_path, CASES) as here:
        await here.presence(INBOX, 3 * 3600)
        await backlog(here)
        here.clock.offset = HOUR
        async with here.rule():
            await here.told({LATE_SOMEBODY: ["O7 not_sent"], LATE_NOBODY: ["O6 sent"]})
            here.clock.offset = 0
            await rows(here)
            await redis_stops(here)
        await as_people_see_it(here, kafka, topic_prefix)


async def backlog(here: World) -> None:
    """Both write before the opening, while the rule is down; it comes to them an hour later."""
    for case in (LATE_SOMEBODY, LATE_NOBODY):
        here.writes(case)
        await here.happened(case, "MessageReceived")
    await here.presence(LATE_SOMEBODY.agent, 3 * 3600)


async def rows(here: World) -> None:
    """Every row of the table, all at once."""
    for case in CASES:
        if case.online:
            await here.presence(case.agent, 3600)
    first = [O1, O2, O3, O4, O5, O5_ONLINE, O6, O7, O8, O8_BY_PRESENCE, O9, OFF, TICKET]
    for case in first:
        here.writes(case)
    here.writes(REACTION, {"type": "reaction", "reaction": {"message_id": "wamid.OLD", "emoji": "👍"}})
    for case in (O1, O2, O3):
        await here.happened(case, "MessageReceived")
        await here.does(case, BOT, HAND_OVER)
    await here.told({O9: ["O5 sent"]})
    await here.does(O9, Actor(ActorKind.AGENT, O9.agent), k.Assign(O9.agent))
    await here.happened(O9, "OwnerChanged")
    here.writes(O9, "Hello again")
    await here.happened(REACTION, "ReactionChanged")
    acts = await here.told(
        {
            O1: ["O4 not_sent", "O1 sent"],
            O2: ["O4 not_sent", "O2 sent"],
            O3: ["O4 not_sent", "O3 not_sent"],
            O4: ["O4 not_sent"],
            O5: ["O5 sent"],
            O5_ONLINE: ["O5 sent"],
            O6: ["O6 sent"],
            O7: ["O7 not_sent"],
            O8: ["O8 not_sent"],
            O8_BY_PRESENCE: ["O6 sent"],
            O9: ["O5 sent", "O9 not_sent"],
            REACTION: [],
            OFF: ["switch_off not_sent"],
            TICKET: ["O5 sent"],
        }
    )
    [late] = [a for a in acts[LATE_NOBODY.conversation] if a.act == "decision"]
    assert (late.facts["hours"], late.facts["now_hours"], late.facts["now_presence"]) == ("out", "in", "none")
    [yes] = [a for a in acts[O5_ONLINE.conversation] if a.act == "decision"]
    assert (yes.facts["presence"], yes.facts["hours"]) == ("some", "out")
    assert yes.facts["clock"].endswith(" UTC")


async def redis_stops(here: World) -> None:
    """While its Redis works an inbox proves that it lives; without, decisions go by hours only and say so."""
    redis = EmbeddedRedis(here.folder / "redis")
    await redis.start()
    quick = Timing(renew=300, grace=1_000, valid=10_000, alive=5_000)
    catalogue = here.bench.catalogue
    where = Where(here.bench.settings.kafka_bootstrap_servers or "", redis.url, catalogue, timing=quick)
    try:
        async with running(where, system_clock):
            await here.heartbeats(lambda keys: len(keys) > 1)
            await here.presence(INBOX, 0)
            here.writes(SEEN)
            await here.told({SEEN: ["O6 sent"]})
            await redis.stop()
            await here.heartbeats(lambda keys: not keys)
            for case in (BLIND_OPEN, BLIND_CLOSED):
                here.writes(case)
            acts = await here.told({BLIND_OPEN: ["O7 not_sent"], BLIND_CLOSED: ["O5 sent"]})
    finally:
        await redis.stop()
    for case in (BLIND_OPEN, BLIND_CLOSED):
        decision = next(a for a in acts[case.conversation] if a.act == "decision")
        assert "presence: unknown, so by hours only" in decision.details


async def as_people_see_it(here: World, kafka: str, prefix: str) -> None:
    """The phones, the conversations, and the command line."""
    got = [O1, O2, O5, O5_ONLINE, O6, O8_BY_PRESENCE, O9, LATE_NOBODY, SEEN, BLIND_CLOSED]
    await eventually(lambda: all(here.received(c) for c in (*got, TICKET)), 20)
    events = await here.events()
    for case in got:
        sent_at = next(
            e.occurred_at for e in events[case.conversation] if isinstance(e.happening, MessageQueued)
        )
        assert here.received(case) == [merged(case, sent_at)], case.key
    [ticket] = here.received(TICKET)
    assert ticket.removeprefix("Ticket ").removesuffix(".").isdigit()
    for case in set(CASES) - {*got, TICKET}:
        assert here.received(case) == [], case.key
    for case in (O1, O2, O5, O6):
        stays_in_the_queue(events[case.conversation])
    env = {**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka, "GATEWAY_TOPIC_PREFIX": prefix}
    env["GATEWAY_PARTITIONS"] = str(here.bench.catalogue.partitions)
    for language, words in (("en", "wrote outside business hours"), ("ja", "営業時間外に連絡先から")):
        command = [sys.executable, "-m", "gateway.cli", "explain", O5.conversation, "--language", language]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
        assert words in done.stdout
        assert " O5: " in done.stdout


def stays_in_the_queue(events: list[ConversationEvent]) -> None:
    """After an offline message the conversation is open and unassigned (O13)."""
    assert events[-1].owner.kind is OwnerKind.QUEUE
    happenings = [e.happening for e in events]
    assert not [h for h in happenings if isinstance(h, ConversationCompleted)]
    timers = [h.timers for h in happenings if isinstance(h, TimersChanged)]
    assert not timers or timers[-1] == (), "nothing would complete it"
