"""Damaged webhooks: fields and bytes changed by chance, the same in every run."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

_JUNK: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, 10**40, "", "x", "\ud83d", "\x00", [], {}, [[]], [None], {"id": None}, "999999999999999999999",
)  # fmt: skip


def mutated(body: bytes, chance: random.Random) -> bytes:
    """The body with a few fields or one byte changed."""
    if chance.random() < 0.2:
        at = chance.randrange(len(body))
        return body[:at] + bytes([chance.randrange(256)]) + body[at + chance.randrange(2) :]
    try:
        value = json.loads(body)
    except ValueError:
        return body[: chance.randrange(len(body))]
    for _ in range(chance.randint(1, 3)):
        places = list(_places(value))
        if places:
            _change(*chance.choice(places), chance)
    return json.dumps(value).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in (
        list(value) if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0)
    ):
        yield value, key
        yield from _places(value[key])


def _change(holder: Any, key: Any, chance: random.Random) -> None:
    if chance.random() < 0.3 and isinstance(holder, dict):
        value = holder.pop(key)
        if chance.random() < 0.3:
            holder[chance.choice(("\ud83d", "", "type"))] = value
    else:
        holder[key] = deepcopy(chance.choice(_JUNK))
