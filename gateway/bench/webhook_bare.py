"""The bare loop of row `webhook`: an ASGI application that checks the signature and produces the raw body."""

from __future__ import annotations

import hashlib
import hmac

import uvicorn
from aiokafka import AIOKafkaProducer
from starlette.types import Receive, Scope, Send

from gateway.bench import seed
from gateway.bench.worker import Given, main

_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"0")]
_READY = b"/readyz"


async def work(given: Given) -> Given:
    """Serves until it is told to stop."""
    producer = AIOKafkaProducer(
        bootstrap_servers=given["bootstrap"],
        acks="all",
        enable_idempotence=True,
        linger_ms=2,
        max_batch_size=131_072,
    )
    await producer.start()
    secret, topic = seed.APP_SECRET.encode(), given["topic"]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes = (await receive()).get("body", b"")
        status = 200
        if scope["raw_path"] != _READY:
            signature = dict(scope["headers"]).get(b"x-hub-signature-256", b"")
            digest = hmac.new(secret, body, hashlib.sha256).hexdigest().encode()
            if hmac.compare_digest(signature, b"sha256=" + digest):
                await producer.send_and_wait(topic, body, key=digest)
            else:
                status = 401
        await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(
        app, host="127.0.0.1", port=given["port"], lifespan="off", access_log=False, log_config=None
    )
    await uvicorn.Server(config).serve()
    await producer.stop()
    return {}


if __name__ == "__main__":
    main(work)
