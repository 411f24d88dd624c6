"""The bare loop of row `projection`: rows of the same size written to Redis in pipelines, nothing decided."""

from __future__ import annotations

from time import perf_counter

from redis.asyncio import Redis

from gateway.bench.worker import Given, main

BATCH = 1_000
ROW = b"r" * 500


async def work(given: Given) -> Given:
    """Answers with rows a second."""
    redis = Redis.from_url(given["redis"])
    begun = perf_counter()
    for start in range(0, given["rows"], BATCH):
        pipe = redis.pipeline(transaction=True)
        for n in range(start, min(start + BATCH, given["rows"])):
            pipe.hset(f"{given['prefix']}{n % given['conversations']}", str(n), ROW)
        await pipe.execute()
    seconds = perf_counter() - begun
    await redis.aclose()
    return {"rate": given["rows"] / seconds}


if __name__ == "__main__":
    main(work)
