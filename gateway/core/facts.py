"""What a decision may know beside the conversation itself: a snapshot, taken by the shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.core.capabilities import CapabilityProfile
from gateway.core.directory import Account, Directory


class UnknownAccountError(Exception):
    """A record names a channel account that the directory does not know."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Directory, profiles by channel account, and who is online, as they were when the record was taken up.

    `presence_known` is False when no inbox proves that it lives. `ticket_number` is there for commands that may
    make a ticket.
    """

    directory: Directory
    profiles: Mapping[str, CapabilityProfile] = field(default_factory=dict)
    online: frozenset[str] = frozenset()
    presence_known: bool = True
    ticket_number: int | None = None

    def account(self, account_id: str) -> Account:
        """The channel account. Raises UnknownAccountError."""
        try:
            return self.directory.accounts[account_id]
        except KeyError:
            raise UnknownAccountError(f"channel account {account_id} is not in the directory") from None

    def profile(self, account_id: str) -> CapabilityProfile | None:
        """What the account's channel can do; None before its connector has announced it."""
        return self.profiles.get(account_id)
