"""Who a webhook speaks of: phone number, business-scoped user id, or both.

A user with a username may show no phone number; then the user id (`CC.` and letters or digits) is all there
is, and some payloads put it where the phone number used to be (fact sheet, section 5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from connectors._meta import fields
from connectors._meta.fields import Json
from gateway.core.messages import Contact

_PUNCTUATION = re.compile(r"[\s+()/.-]")
_DIGITS = re.compile(r"[0-9]{3,32}")


class Unroutable(Exception):
    """A fragment that says too little: who or which message it is about."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A contact's addresses, as far as one payload shows them; at least one of the first two is there."""

    phone: str | None
    user_id: str | None
    others: tuple[str, ...] = ()
    name: str | None = None
    username: str | None = None

    @property
    def address(self) -> str:
        """Where the conversation is: the phone number when the payload shows it."""
        return self.phone or self.user_id or ""

    @property
    def aliases(self) -> tuple[str, ...]:
        """The addresses beside the first."""
        first = self.address
        known = (self.user_id, *self.others) if self.others else (self.user_id,)
        return tuple(dict.fromkeys(value for value in known if value and value != first))

    def contact(self) -> Contact:
        """The contact of an event."""
        kind = "phone" if self.phone else "user_id"
        return Contact(self.address, kind, self.name, self.username, self.aliases)


def split(value: str | None) -> tuple[str | None, str | None]:
    """The value as a phone number (digits only) or as a user id; one of both, or neither if empty."""
    if value is None:
        return None, None
    if value.isascii() and value.isdigit():
        return value, None
    value = value.strip()
    digits = _PUNCTUATION.sub("", value)
    if _DIGITS.fullmatch(digits):
        return digits, None
    return None, value or None


def identify(number: str | None, user_id: str | None, contacts: Sequence[Json], alone: bool) -> Identity:
    """The contact that an element names, with what `contacts` adds.

    `alone`: the payload holds this one element, so a single contact belongs to it even if Meta writes
    the number in another way. Raises Unroutable if nobody is named.
    """
    given = _pair(number, user_id)
    entry = _entry(given, contacts, alone)
    shown = _pair(fields.text(entry, "wa_id"), fields.text(entry, "user_id")) if entry else (None, None)
    phone, user = given[0] or shown[0], given[1] or shown[1]
    if not (phone or user):
        raise Unroutable("no contact")
    profile = fields.obj(entry, "profile")
    username = fields.text(profile, "username") or fields.text(entry, "username")
    return Identity(
        phone,
        user,
        (shown[0],) if shown[0] and shown[0] != phone else (),
        fields.text(profile, "name"),
        username.removeprefix("@") if username else None,
    )


_Pair = tuple[str | None, str | None]


def _pair(number: str | None, user_id: str | None) -> _Pair:
    """Phone number and user id; the user id may stand where the number used to be."""
    phone, other = split(number)
    return phone, other or user_id


def _entry(given: _Pair, contacts: Sequence[Json], alone: bool) -> Json:
    for contact in contacts:
        phone, user = _pair(fields.text(contact, "wa_id"), fields.text(contact, "user_id"))
        if (phone and phone == given[0]) or (user and user == given[1]):
            return contact
    if not (alone and len(contacts) == 1):
        return {}
    user = fields.text(contacts[0], "user_id")
    return {} if user and given[1] and user != given[1] else contacts[0]
