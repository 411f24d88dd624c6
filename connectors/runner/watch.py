"""Follows the directory while running: opens, closes and resumes accounts, and publishes their health."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from connectors.contract import OpenAccount
from connectors.runner.accounts import Accounts, health, health_of, same_health
from connectors.runner.records import Send, capabilities_record, health_record
from gateway import metrics
from gateway.bus.catalogue import Catalogue
from gateway.bus.producer import BrokerUnavailable
from gateway.core.clock import Clock
from gateway.core.directory import Account, DirectoryEntry
from gateway.core.messages import ConnectorHealth, HealthState
from gateway.wire.errors import WireError
from gateway.wire.framing import decode

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 30.0
RETRY_SECONDS = 1.0
ACCOUNT_KEY = b"account:"

UNREADABLE = metrics.counter("gateway_directory_unreadable_total", "Directory entries that could not be read")


@dataclass(slots=True)
class AccountWatch:
    """The accounts of this process as they are now. `take` is the directory replica's `on_change`."""

    accounts: Accounts
    catalogue: Catalogue
    send: Send
    clock: Clock
    _by_entry: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    _troubled: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    _published: dict[tuple[str, str], ConnectorHealth] = field(default_factory=dict)
    _to_publish: asyncio.Queue[Account] = field(default_factory=asyncio.Queue)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, key: bytes, value: bytes | None) -> None:
        """One record of the directory. One that cannot be read changes nothing and is counted."""
        if not key.startswith(ACCOUNT_KEY):
            return
        try:
            entity = decode(value, DirectoryEntry).entity if value is not None else None
        except WireError as error:
            UNREADABLE.inc()
            log.error("directory entry cannot be read", entry=key.decode(errors="replace"), reason=str(error))  # noqa: TRY400
            return
        before = self._by_entry.pop(key, None)
        now = (entity.channel, entity.id) if isinstance(entity, Account) else None
        if before is not None and before != now:
            self.accounts.remove(*before)
        if isinstance(entity, Account) and now is not None:
            self._by_entry[key] = now
            self._put(entity, touched=True)
        self._wake()

    def usable(self, channel: str, account_id: str) -> OpenAccount | None:
        """The account if something may be sent on it now."""
        key = (channel, account_id)
        return None if key in self.accounts.stopped else self.accounts.open.get(key)

    async def wait_for_change(self, seconds: float) -> None:
        """Returns when an account changed, or after `seconds`."""
        changed = self._changed
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            return

    def stop(self, account: Account, code: str) -> None:
        """Nothing more is sent on the account until its directory entry is applied again."""
        if self.accounts.stop(account, code):
            log.error("account stopped", channel=account.channel, account=account.id, code=code)
            self._to_publish.put_nowait(account)

    def degrade(self, account: Account, code: str, detail: str) -> None:
        """The account works with trouble."""
        key = (account.channel, account.id)
        if key not in self._troubled:
            self._troubled[key] = (code, detail)
            self._to_publish.put_nowait(account)

    def recovered(self, account: Account) -> None:
        """The account works again."""
        if self._troubled.pop((account.channel, account.id), None) is not None:
            self._to_publish.put_nowait(account)

    async def run(self) -> None:
        """Publishes health, and opens accounts anew now and then: a secret's file may have come or changed."""
        refreshing = asyncio.create_task(self._refresh())
        try:
            while True:
                await self._publish(await self._to_publish.get())
        finally:
            refreshing.cancel()
            await asyncio.gather(refreshing, return_exceptions=True)

    async def _refresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            for account in self.accounts.known():
                if self._put(account, touched=False):
                    self._wake()

    def _put(self, account: Account, touched: bool) -> bool:
        changed = self.accounts.put(account, touched)
        if changed:
            self._troubled.pop((account.channel, account.id), None)
            self._to_publish.put_nowait(account)
        return changed

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def health(self, account: Account) -> ConnectorHealth:
        """The account's health now."""
        now = self.clock()
        told = health_of(self.accounts, account, now)
        trouble = self._troubled.get((account.channel, account.id))
        if trouble is None or told.state is not HealthState.HEALTHY:
            return told
        return health(account, HealthState.DEGRADED, *trouble, now)

    async def _publish(self, account: Account) -> None:
        key = (account.channel, account.id)
        told = self.health(account)
        if same_health(self._published.get(key), told):
            return
        records = [health_record(self.catalogue, told)]
        if key not in self._published:
            profile = self.accounts.connectors[account.channel].profile
            records.append(capabilities_record(self.catalogue, account, profile))
        for record in records:
            while True:
                try:
                    await self.send(record.topic, record.key, record.value)
                    break
                except BrokerUnavailable:
                    await asyncio.sleep(RETRY_SECONDS)
        self._published[key] = told
