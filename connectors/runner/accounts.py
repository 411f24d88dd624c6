"""The channel accounts of a process: followed in the directory, opened with their secrets, and their health."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from connectors.contract import Connector, OpenAccount
from gateway.core.directory import Account
from gateway.core.messages import ConnectorHealth, HealthState

Resolve = Callable[[str], str]
"""From a reference such as `env:NAME` to the secret. Raises ValueError whose text names no secret."""


@dataclass(frozen=True, slots=True)
class Closed:
    """An account that cannot be used now. `code` and `detail` go to `cg.health`."""

    account: Account
    code: str
    detail: str


def open_account(account: Account, needed: Sequence[str], resolve: Resolve) -> OpenAccount | Closed:
    """The account with its secrets. A credential may hold several references, separated by commas, the newest
    first: for a secret that is being changed."""
    missing = [name for name in needed if not account.credentials.get(name, "").strip()]
    if missing:
        detail = f"The account names no credential {', '.join(missing)}: add it to the directory."
        return Closed(account, "secret_missing", detail)
    try:
        secrets = {
            name: tuple(resolve(reference.strip()) for reference in references.split(","))
            for name, references in account.credentials.items()
        }
    except ValueError as error:
        return Closed(account, "secret_unresolved", str(error))
    return OpenAccount(account, secrets)


@dataclass(slots=True)
class Accounts:
    """The accounts of the channels that this process serves, open or closed, by (channel, account id)."""

    connectors: Mapping[str, Connector]
    resolve: Resolve
    open: dict[tuple[str, str], OpenAccount] = field(default_factory=dict)
    closed: dict[tuple[str, str], Closed] = field(default_factory=dict)
    stopped: dict[tuple[str, str], str] = field(default_factory=dict)
    """Accounts that send nothing until their directory entry changes, with the reason's code."""

    def put(self, account: Account, touched: bool = False) -> bool:
        """Takes an account from the directory over; True when something changed. Other channels' are ignored.

        `touched`: somebody applied the entry again, so a stopped account gets another chance.
        """
        connector = self.connectors.get(account.channel)
        if connector is None:
            return False
        key = (account.channel, account.id)
        found = open_account(account, connector.secrets, self.resolve)
        resumed = touched and self.stopped.pop(key, None) is not None
        if found == (self.open.get(key) or self.closed.get(key)):
            return resumed
        self.remove(*key)
        if isinstance(found, Closed):
            self.closed[key] = found
        else:
            self.open[key] = found
        return True

    def remove(self, channel: str, account_id: str) -> None:
        """The account left the directory."""
        key = (channel, account_id)
        for table in (self.open, self.closed, self.stopped):
            table.pop(key, None)

    def known(self) -> list[Account]:
        """Every account, open or not."""
        return [o.account for o in self.open.values()] + [c.account for c in self.closed.values()]

    def stop(self, account: Account, code: str) -> bool:
        """Nothing more is sent on the account until somebody acts; True when it was not stopped before."""
        key = (account.channel, account.id)
        fresh = key not in self.stopped
        self.stopped[key] = code
        return fresh


def health(account: Account, state: HealthState, code: str, detail: str, now: int) -> ConnectorHealth:
    """A record for `cg.health`."""
    return ConnectorHealth(account.tenant, account.channel, account.id, state, code, detail, now)


def health_of(accounts: Accounts, account: Account, now: int) -> ConnectorHealth:
    """The health of one account as this process sees it."""
    key = (account.channel, account.id)
    if (closed := accounts.closed.get(key)) is not None:
        return health(account, HealthState.STOPPED, closed.code, closed.detail, now)
    if (code := accounts.stopped.get(key)) is not None:
        detail = (
            "The channel refuses this account (credentials or policy), nothing is sent. Correct it with the "
            "channel, then apply the directory again."
        )
        return health(account, HealthState.STOPPED, code, detail, now)
    return health(account, HealthState.HEALTHY, "ok", "", now)


def same_health(a: ConnectorHealth | None, b: ConnectorHealth) -> bool:
    """Whether `b` says nothing new."""
    return a is not None and replace(a, at=b.at) == b
