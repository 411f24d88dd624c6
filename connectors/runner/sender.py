"""Settles one send request: waits for its turn, calls the provider, tries again, says how it ended.

The order that keeps every promise (DESIGN section 4): turn by the rates → heartbeat fresh → `started` in the
ledger, acknowledged → heartbeat still fresh → provider → receipt, acknowledged. Nothing is sent after
`not_after`, on a stopped account, or by a worker that may have lost its partition.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from connectors.contract import Connector, Next, OpenAccount, Scope, SendOutcome
from connectors.runner.faults import where
from connectors.runner.outcomes import send_answer
from connectors.runner.rates import Pace, account_pace, pair_pace, rest, without_idle
from connectors.runner.retry import TOO_LARGE, Again, Ended, broken, expired, follow_up
from connectors.runner.watch import AccountWatch
from gateway import metrics
from gateway.bus.producer import BrokerUnavailable, RecordTooLarge
from gateway.core.clock import Clock
from gateway.core.messages import Receipt, SendRequest
from gateway.core.receipts import Fault, Problem, Verdict
from gateway.http import ForbiddenAddress, HttpClient, SendingBroke

log = structlog.get_logger(__name__)

RECHECK_SECONDS = 60.0
HEARTBEAT_SECONDS = 0.25
BROKER_SECONDS = 1.0
PACES_KEPT = 10_000
DEGRADED_FROM = 10_000
"""Milliseconds of an account's pause from which its health says so."""

SENT = metrics.counter("gateway_outbound_total", "Send requests by how they ended", ["channel", "outcome"])
TRIES = metrics.counter("gateway_outbound_tries_total", "Attempts to send", ["channel", "next"])
SECONDS = metrics.histogram("gateway_outbound_seconds", "From asked for to answered", ["channel"])


class TurnLost(Exception):
    """The partition went away before the request was sent."""


class Turn(Protocol):
    """What the sender needs to know of the partition that holds the request."""

    def may_call(self) -> bool:
        """Whether the partition is ours and the last good heartbeat young enough for what cannot be undone."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the partition was taken from us: another worker, or a later holding, sends the request."""
        ...

    async def started(self, request: SendRequest, offset: int) -> None:
        """Enters the request into the ledger. Raises BrokerUnavailable."""
        ...

    async def not_started(self, request: SendRequest) -> None:
        """Takes it out again: it certainly did not leave. Raises BrokerUnavailable."""
        ...


@dataclass(slots=True)
class Lane:
    """One account's road to the provider."""

    pace: Pace
    calls: asyncio.Semaphore
    strikes: int = 0
    """Refusals of the whole account in a row, each after a pause."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True)
class _Work:
    """One request on its way: how many tries count, and whether the ledger may hold it."""

    request: SendRequest
    offset: int
    tries: int = 0
    in_ledger: bool = False


@dataclass(slots=True)
class Sender:
    """Sends for one channel. `report` produces a receipt; `calling` holds the ids that cannot be dropped now."""

    connector: Connector
    watch: AccountWatch
    http: HttpClient
    report: Callable[[Receipt], Awaitable[None]]
    clock: Clock
    dice: Callable[[], float]
    share: float = 1.0
    calling: set[str] = field(default_factory=set)
    _lanes: dict[str, Lane] = field(default_factory=dict)
    _pairs: dict[str, Pace] = field(default_factory=dict)

    def set_share(self, share: float) -> None:
        """This process holds that share of the outbound partitions from now on."""
        self.share = share
        every = account_pace(self.connector.rates, share)
        for lane in self._lanes.values():
            lane.pace = replace(lane.pace, every=every.every, burst=every.burst)

    async def settle(self, request: SendRequest, offset: int, turn: Turn) -> bool:
        """Returns when the outcome is acknowledged; True when the ledger may hold the request.

        May be cancelled at any time while the request is not in `calling`; then nothing is on its way. The
        caller notes the outcome and then calls `done`. Raises TurnLost when the partition went away first.
        """
        work = _Work(request, offset)
        while True:
            account = await self._turn_of(request, turn)
            if account is None:
                ended: Ended | Again = expired(self._usable(request) is not None)
            else:
                self.calling.add(request.request_id)
                ended = await self._attempt(work, account, turn)
            if isinstance(ended, Ended):
                await self._say(request, ended)
                return work.in_ledger
            self.calling.discard(request.request_id)
            if turn.lost:
                raise TurnLost
            work.tries = ended.tries
            await self._sleep(ended.at - self.clock())

    async def _say(self, request: SendRequest, ended: Ended) -> None:
        """Repeats the receipt until the broker has it: an outcome is never lost."""
        self.calling.add(request.request_id)
        now = self.clock()
        receipt = send_answer(request, ended, self.connector.sent_by_answer, now)
        while True:
            try:
                await self.report(receipt)
                break
            except BrokerUnavailable:
                await asyncio.sleep(BROKER_SECONDS)
        SENT.labels(self.connector.channel, ended.verdict or "accepted").inc()
        SECONDS.labels(self.connector.channel).observe(max(0, now - request.created_at) / 1000)

    def done(self, request: SendRequest) -> None:
        """The caller has noted the outcome; the request may be dropped from now on."""
        self.calling.discard(request.request_id)

    async def _turn_of(self, request: SendRequest, turn: Turn) -> OpenAccount | None:
        """Waits until the request may go now; its account, or None when its time is over before that."""
        while (now := self.clock()) < request.not_after:
            if turn.lost:
                raise TurnLost
            account = self._usable(request)
            if account is None:
                await self.watch.wait_for_change(min(RECHECK_SECONDS, (request.not_after - now) / 1000))
                continue
            pair = f"{request.account_id}\x1f{request.address}"
            if wait := self._pair(pair).wait(now):
                await self._sleep(min(wait, request.not_after - now))
                continue
            if not await self._take_turn(request):
                continue
            if not turn.may_call():
                await asyncio.sleep(HEARTBEAT_SECONDS)
                continue
            now = self.clock()
            if now >= request.not_after or self._usable(request) is None:
                continue
            self._pairs[pair] = self._pair(pair).taken(now)
            return account
        return None

    async def _take_turn(self, request: SendRequest) -> bool:
        """Takes one place of the account's rate, first come first served; False when it was in vain."""
        lane = self._lane(request.account_id)
        try:
            async with asyncio.timeout((request.not_after - self.clock()) / 1000), lane.turn:
                while wait := lane.pace.wait(now := self.clock()):
                    if self._usable(request) is None:
                        return False
                    await self._sleep(min(wait, 1000.0))
                lane.pace = lane.pace.taken(now)
                return True
        except TimeoutError:
            return False

    async def _attempt(self, work: _Work, account: OpenAccount, turn: Turn) -> Ended | Again:
        """One try: into the ledger, to the provider, and what follows from the answer."""
        request = work.request
        async with self._lane(request.account_id).calls:
            if turn.lost:
                return Again(self.clock(), work.tries, None)
            try:
                await turn.started(request, work.offset)
            except BrokerUnavailable:
                # It may have been written all the same. Not sent: as if nothing had been tried.
                work.in_ledger = True
                return Again(self.clock() + int(BROKER_SECONDS * 1000), work.tries, None)
            except RecordTooLarge:
                return Ended(Verdict.FAILED, None, TOO_LARGE)
            work.in_ledger = True
            if not turn.may_call() or self.clock() >= request.not_after:
                return Again(self.clock() + int(HEARTBEAT_SECONDS * 1000), work.tries, None)
            outcome = await self._call(request, account)
        if isinstance(outcome, Ended):
            return outcome
        TRIES.labels(self.connector.channel, outcome.next).inc()
        now = self.clock()
        self._heed(request, account, outcome, now)
        rates = self.connector.rates
        step = follow_up(outcome, work.tries + 1, now, request.not_after, rates, self.dice())
        if isinstance(step, Again):
            await self._take_out(work, turn)
        return step

    async def _take_out(self, work: _Work, turn: Turn) -> None:
        """It certainly did not leave: a crash while it waits must not make it `unknown`."""
        if not turn.may_call():
            return  # another worker may have entered it by now
        with contextlib.suppress(BrokerUnavailable):  # then a crash would show `unknown`: wrong, but safe
            await turn.not_started(work.request)
            work.in_ledger = False

    async def _call(self, request: SendRequest, account: OpenAccount) -> SendOutcome | Ended:
        try:
            return await self.http.drive(self.connector.send(request, account))
        except ForbiddenAddress as error:
            return Ended(Verdict.FAILED, None, Problem("address_refused", str(error), Fault.ACCOUNT, False))
        except SendingBroke as broke:
            error_of_ours = broke.__cause__ or broke
            fault = where(error_of_ours)
            log.error("sending crashed", channel=request.channel, request=request.request_id, fault=fault)  # noqa: TRY400
            return broken(error_of_ours, broke.left)

    def _heed(self, request: SendRequest, account: OpenAccount, outcome: SendOutcome, now: int) -> None:
        """Lets the account or the contact rest as the provider asked, and keeps the account's health."""
        own = account.account
        code = outcome.problem.code if outcome.problem else "refused"
        if outcome.stop_account:
            self.watch.stop(own, code)
        elif outcome.scope is Scope.ACCOUNT and (outcome.retry_after or 0) >= DEGRADED_FROM:
            self.watch.degrade(own, code, "The channel limits this account for now; messages wait.")
        elif outcome.next is Next.DONE:
            self.watch.recovered(own)
        lane = self._lane(request.account_id)
        if outcome.next is Next.DONE:
            lane.strikes = 0
        if outcome.scope is Scope.ACCOUNT:
            lane.pace, lane.strikes = rest(
                lane.pace, lane.strikes, outcome, now, self.connector.rates.backoff
            )
        elif outcome.retry_after is not None:
            pair = f"{request.account_id}\x1f{request.address}"
            self._pairs[pair] = self._pair(pair).paused(now + outcome.retry_after)

    def _usable(self, request: SendRequest) -> OpenAccount | None:
        return self.watch.usable(request.channel, request.account_id)

    def _lane(self, account_id: str) -> Lane:
        lane = self._lanes.get(account_id)
        if lane is None:
            rates = self.connector.rates
            calls = max(16, min(200, int(rates.account_per_second)))
            lane = self._lanes[account_id] = Lane(account_pace(rates, self.share), asyncio.Semaphore(calls))
        return lane

    def _pair(self, key: str) -> Pace:
        if len(self._pairs) > PACES_KEPT:
            self._pairs = without_idle(self._pairs, self.clock())
        return self._pairs.get(key) or pair_pace(self.connector.rates)

    async def _sleep(self, milliseconds: float) -> None:
        await asyncio.sleep(max(0.0, milliseconds) / 1000)
