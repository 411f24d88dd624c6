"""Row `projection`: the inbox projects a log into Redis, beside plain writes; and how long a page takes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from time import perf_counter

import aiohttp

from gateway.bench import seed
from gateway.bench.fill import Fresh, fill
from gateway.bench.pace import follow, steady
from gateway.bench.place import CannotMeasure, Place, Service
from gateway.bench.report import Row
from gateway.bench.worker import quantile
from gateway.core.clock import system_clock
from gateway.wire.framing import encode

PARTITIONS = 4
EVENTS = 50_000
CONVERSATIONS = 500
PAGES = 200
TARGET_RATE, TARGET_PAGE_MS = 10_000, 10.0
PROJECTED = "gateway_inbox_projected_total"


async def measure(place: Place) -> Row:
    """A log is filled and projected from its beginning. Raises CannotMeasure."""
    deployment = await place.deployment(place.partitions(PARTITIONS))
    conversations = place.count(CONVERSATIONS, 20)
    count = place.count(EVENTS, 4_000)
    topic = deployment.catalogue.conversations
    place.say(f"projection: {count} events are written")
    count = await fill(place.bootstrap, place.partitions(PARTITIONS), _events(topic, conversations, count))
    place.say("projection: the inbox starts")
    async with deployment.running("inbox", "inbox", ready="/healthz") as inbox:
        pace = steady(await follow(inbox, count, lambda: inbox.metric(PROJECTED)))
        pages = await _pages(inbox, place.count(PAGES, 10), conversations)
    given = {"redis": place.redis_url, "rows": count, "conversations": conversations}
    bare = await place.ask("projection_bare", {**given, "prefix": f"bench:{uuid.uuid4().hex}:"})
    page = quantile(pages, 0.5)
    return Row(
        "projection",
        "inbox projection of a log from its beginning",
        "events/s",
        pace.rate,
        bare["rate"],
        "one HSET of 500 bytes per event, in pipelines of 1,000",
        f"{TARGET_RATE:,} events/s; a page of messages in at most {TARGET_PAGE_MS:.0f} ms",
        pace.rate >= TARGET_RATE and page <= TARGET_PAGE_MS,
        {
            "events": count,
            "processor ms an event, without Redis": f"{pace.cpu_ms:.3f}",
            "page of 50 messages over HTTP, ms p50": page,
            "page p99": quantile(pages, 0.99),
            "messages stored then": f"{count:,} (the target speaks of 1 M)",
        },
    )


def _events(topic: str, conversations: int, count: int) -> Iterator[Fresh]:
    now = system_clock()
    each = count // conversations
    told = [seed.event_records(number, each, now) for number in range(conversations)]
    # In turns, as contacts write.
    for events in zip(*told, strict=True):
        for event in events:
            yield Fresh(topic, event.conversation_id.encode(), encode(event))


async def _pages(inbox: Service, count: int, conversations: int) -> list[float]:
    """Milliseconds of each page, one after the other."""
    base = f"http://127.0.0.1:{inbox.port}/api/v1"
    jar = aiohttp.CookieJar(unsafe=True)
    times: list[float] = []
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        signing_in = {"email": seed.EMAIL, "password": seed.PASSWORD}
        async with http.post(f"{base}/session", json=signing_in) as answer:
            if answer.status != 200:
                raise CannotMeasure(f"the sign-in was answered {answer.status}")
        for n in range(count):
            begun = perf_counter()
            url = f"{base}/conversations/{seed.conversation_id(n % conversations)}/messages?limit=50"
            async with http.get(url) as answer:
                body = await answer.json()
            times.append((perf_counter() - begun) * 1000)
            if answer.status != 200 or not body["items"]:
                raise CannotMeasure(f"a page was answered {answer.status}")
    return times
