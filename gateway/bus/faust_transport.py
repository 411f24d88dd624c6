"""Faust's Kafka transport with four mends, and the only way to make a Faust app here (DESIGN, "Faust, safely").

Nothing is patched: `make_app` returns an App that uses this transport; other apps keep the stock one.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn

import faust
from aiokafka.errors import CommitFailedError
from faust.exceptions import ProducerSendError
from faust.transport.drivers import aiokafka as stock

from gateway.bus.exits import Die, exit_process

# The mends reach into these, so other versions must be tried first.
PINS = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0", "mode-streaming": "0.7.1"}

FLUSH_SECONDS = 30.0
FETCH_WAIT_MS = 100


class WrongVersion(Exception):
    """A library has another version than the one the mends were written for."""


def _die(app: Any, reason: str, error: BaseException) -> NoReturn:
    app.die(reason, error)
    raise error  # only where a test's `die` returns


class ConsumerThread(stock.AIOKafkaConsumerThread):
    """Reads committed records only; a commit that raises ends the process."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Mend 1: stock reads aborted records, too, unless the whole app is transactional.
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001
        return consumer

    async def _commit(self, offsets: Mapping[Any, int]) -> bool:
        consumer = self._ensure_consumer()
        mine = {
            stock.ensure_aiokafka_TP(tp): offset for tp, offset in offsets.items() if tp in self.assignment()
        }
        self.tp_last_committed_at.update(dict.fromkeys(mine, monotonic()))
        try:
            await consumer.commit(mine)
        except CommitFailedError:
            return False  # reassigned meanwhile: the new owner does these again
        except Exception as error:  # noqa: BLE001 (mend 4: die ends the process)
            _die(self.app, f"offsets could not be committed: {error!r}", error)
        return True

    async def crash(self, reason: BaseException) -> None:
        """A consumer that stopped must not leave a process that looks alive."""
        _die(self.app, f"the consumer failed: {reason!r}", reason)


class Consumer(stock.Consumer):
    """Commits up to the oldest record in work, whatever lies between the offsets."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _new_offset(self, tp: Any) -> int | None:
        # Mend 2: stock looks for consecutive offsets. Transaction markers are gaps in them, so it got on by one
        # marker per commit interval; and with concurrency it could jump over a record in work.
        acked = self._acked[tp]
        if not acked:
            return None
        in_work = [m.offset for m in list(self._unacked_messages) if m.tp == tp and not m.acked]
        offset: int = min([max(acked) + 1, *in_work])
        self._acked[tp] = [done for done in acked if done >= offset]
        self._acked_index[tp] = {done for done in self._acked_index[tp] if done >= offset}
        return offset

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """The watermark needs no list of gaps; stock's grows by one interval per marker."""

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Flushes, then commits. Mend 4: what raises here would stop this app's commits for ever, so it ends it."""
        try:
            return bool(await super().force_commit(topics, start_new_transaction=start_new_transaction))
        except Exception as error:  # noqa: BLE001 (die ends the process)
            _die(self.app, f"the commit failed: {error!r}", error)

    async def crash(self, reason: BaseException) -> None:
        """As the thread's."""
        _die(self.app, f"the consumer failed: {reason!r}", reason)


class Producer(stock.Producer):
    """Knows what it has not delivered, so that a flush means what it says."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._undelivered: set[asyncio.Future[Any]] = set()
        self._failed: BaseException | None = None

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def send_soon(self, fut: Any) -> None:
        """Puts a changelog record into the buffer."""
        self._track(fut)
        super().send_soon(fut)

    async def send(self, *args: Any, **kwargs: Any) -> Any:
        """Hands a record to aiokafka; returns the future of its delivery."""
        sent = await super().send(*args, **kwargs)
        self._track(sent)
        return sent

    async def flush(self) -> None:
        """Mend 3: returns when everything that was sent before is acknowledged.

        Raises ProducerSendError when a delivery failed or takes too long. (Stock gives the buffer 0.1 s, then
        lets the offsets be committed with changelog records still queued, and only logs a failed delivery.)
        """
        waiting = set(self._undelivered)
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=FLUSH_SECONDS)
            if late:
                raise ProducerSendError(f"{len(late)} records were not acknowledged in {FLUSH_SECONDS:g} s")
        if self._failed is not None:
            raise ProducerSendError(f"a record was not delivered: {self._failed!r}") from self._failed

    def _track(self, sent: Any) -> None:
        self._undelivered.add(sent)
        sent.add_done_callback(self._delivered)

    def _delivered(self, sent: asyncio.Future[Any]) -> None:
        self._undelivered.discard(sent)
        if not sent.cancelled() and sent.exception() is not None:
            self._failed = sent.exception()


class Transport(stock.Transport):
    """Stock, with our consumer and producer."""

    Consumer = Consumer
    Producer = Producer


class App(faust.App):
    """An app on our transport. `die` ends the process."""

    die: Die = staticmethod(exit_process)

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)


def check_versions() -> None:
    """Raises WrongVersion when a library is not the one the mends were written for."""
    for name, wanted in PINS.items():
        if version(name) != wanted:
            raise WrongVersion(f"{name} is {version(name)}; the Faust transport is made for {wanted}")


def make_app(
    name: str,
    bootstrap: str,
    *,
    partitions: int,
    replication: int = 1,
    data_dir: Path | None = None,
    die: Die = exit_process,
    **settings: Any,
) -> App:
    """A Faust app with every safe setting. `name` is also the consumer group and the changelogs' prefix.

    `partitions` = the count of the conversation-keyed topics. Topics are not created by Faust: give the
    changelogs (`<name>-<table>-changelog`) to `gateway.bus.admin`. `settings` add to, or replace, ours.
    Raises WrongVersion.
    """
    check_versions()
    safe: dict[str, Any] = {
        "broker": [f"kafka://{server}" for server in bootstrap.split(",")],
        "processing_guarantee": "at_least_once",
        "store": "memory://",
        "key_serializer": "raw",
        "value_serializer": "raw",
        "stream_wait_empty": True,
        "web_enabled": False,
        "autodiscover": False,
        "topic_disable_leader": True,
        "topic_allow_declare": False,
        # A memory table that takes over is read from its beginning anyway; a standby would only cost memory.
        "table_standby_replicas": 0,
        "topic_partitions": partitions,
        "topic_replication_factor": replication,
        "consumer_auto_offset_reset": "earliest",
        "broker_commit_interval": 1.0,
        "producer_acks": -1,
        "datadir": str(data_dir or Path(tempfile.gettempdir()) / f"faust-{name}"),
    }
    app = App(name, **(safe | settings))
    app.die = die
    return app
