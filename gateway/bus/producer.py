"""An idempotent producer that never stays broken: a failed delivery closes it and a new one is opened."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError, MessageSizeTooLargeError, RecordTooLargeError

from gateway.bus.metrics import PRODUCER_FAILED, PRODUCER_OPENED, PRODUCER_SENT

log = logging.getLogger(__name__)

Headers = Sequence[tuple[str, bytes]]

REOPEN_SECONDS = 0.5
CLOSE_SECONDS = 2.0


class BrokerUnavailable(Exception):
    """The record was not acknowledged in time. It may still have been written: send it again with the same id."""


class RecordTooLarge(Exception):
    """The broker will never take this record; sending it again does not help."""


class Producer:
    """Sends records with `acks=all`, each acknowledged within `delivery_seconds` or refused.

    An idempotent producer whose batch failed cannot be trusted again (its sequence numbers have a hole), and
    aiokafka would repeat a batch for ever; so any failure or lateness closes the producer, what was in flight
    fails, and a new one is opened in the background. Meanwhile `send` raises BrokerUnavailable at once.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        delivery_seconds: float = 10.0,
        linger_ms: int = 2,
        max_bytes: int = 1_000_000,
    ) -> None:
        self._bootstrap = bootstrap
        self._delivery_seconds = delivery_seconds
        self._linger_ms = linger_ms
        self._max_bytes = max_bytes
        self._current: AIOKafkaProducer | None = None
        self._opening: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._stopped = False

    @property
    def available(self) -> bool:
        """True when the last producer was opened and none of its deliveries failed."""
        return self._current is not None

    async def start(self) -> None:
        """Opens the producer. Raises BrokerUnavailable when no broker answers; it keeps trying all the same."""
        self._reopen()
        assert self._opening is not None  # noqa: S101 (set by _reopen)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._opening), self._delivery_seconds)
        if self._current is None:
            raise BrokerUnavailable(f"no broker answers at {self._bootstrap}")

    async def stop(self) -> None:
        """Sends what is queued, for at most two seconds, and closes."""
        self._stopped = True
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        if self._current is not None:
            self._drop(self._current)
        await asyncio.gather(*self._closing)

    async def send(
        self, topic: str, key: bytes, value: bytes | None, headers: Headers = (), partition: int | None = None
    ) -> int:
        """Returns the record's offset once every in-sync replica has it.

        `partition` None = by the key (murmur2). Raises BrokerUnavailable, or RecordTooLarge.
        """
        producer = self._current
        if producer is None:
            raise BrokerUnavailable("the producer is being opened again after a failure")
        try:
            async with asyncio.timeout(self._delivery_seconds):
                sent = await producer.send(
                    topic, key=key, value=value, headers=list(headers), partition=partition
                )
                offset: int = (await sent).offset
        except (MessageSizeTooLargeError, RecordTooLargeError) as error:
            PRODUCER_FAILED.inc()
            # Refused by the broker (not by our own check) it has used up a sequence number.
            if isinstance(error, RecordTooLargeError):
                self._replace(producer, error)
            raise RecordTooLarge(f"{topic}: {len(value or b'')} bytes") from error
        except (KafkaError, TimeoutError) as error:
            PRODUCER_FAILED.inc()
            self._replace(producer, error)
            raise BrokerUnavailable(f"{topic}: not acknowledged: {error!r}") from error
        PRODUCER_SENT.inc()
        return offset

    def _replace(self, failed: AIOKafkaProducer, error: BaseException) -> None:
        if self._current is not failed or self._stopped:
            return  # another delivery of the same producer failed before
        log.warning("producer failed and is opened again: %r", error)
        self._drop(failed)
        self._reopen()

    def _drop(self, producer: AIOKafkaProducer) -> None:
        self._current = None
        task = asyncio.create_task(_close(producer))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _reopen(self) -> None:
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                acks="all",
                enable_idempotence=True,
                linger_ms=self._linger_ms,
                max_batch_size=131_072,
                max_request_size=self._max_bytes,
                request_timeout_ms=int(self._delivery_seconds * 1000),
                retry_backoff_ms=50,
            )
            try:
                async with asyncio.timeout(self._delivery_seconds):
                    await producer.start()
            except (KafkaError, TimeoutError, OSError) as error:
                log.warning("no producer yet: %r", error)
                await _close(producer)
                await asyncio.sleep(REOPEN_SECONDS)
            except asyncio.CancelledError:
                await _close(producer)
                raise
            else:
                PRODUCER_OPENED.inc()
                self._current = producer
                return


async def _close(producer: AIOKafkaProducer) -> None:
    """Closes within a time limit; what is still unsent then fails for whoever waits for it."""
    flushing = asyncio.ensure_future(producer.stop())
    done, _ = await asyncio.wait([flushing], timeout=CLOSE_SECONDS)
    if done:
        flushing.exception()  # closed either way; what was in flight has failed already
        return
    # aiokafka's own stop would wait for the broker for ever, and its sender would go on trying.
    flushing.cancel()
    await producer.client.close()
    producer._message_accumulator.fail_all(KafkaConnectionError("the producer was closed"))  # noqa: SLF001
    sender = producer._sender.sender_task  # noqa: SLF001
    if sender is not None:
        sender.cancel()
        await asyncio.wait([sender], timeout=CLOSE_SECONDS)
