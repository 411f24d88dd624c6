"""The contacts of the demo: they write first, and answer each reply with their next line."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

Say = Callable[[str], None]
LOOK_SECONDS = 1.0
THINK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Person:
    """A contact: how they open, what they say after each reply, and what their phone tells."""

    phone: str
    name: str
    opening: tuple[dict[str, Any], ...]
    answers: tuple[str, ...]
    behaviour: dict[str, Any]


def _text(body: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": body}}


PEOPLE = (
    Person(
        "819012345678",
        "田中 由紀",
        (
            _text("こんにちは。先週注文した器が届いたのですが、箱がつぶれていて中の器が割れていました。"),
            _text("交換していただくことはできますか?"),
        ),
        (
            "注文番号は A-1234 です。よろしくお願いします。",
            "ありがとうございます!助かります 🙏",
            "届いたらまたご連絡します。",
        ),
        {"up_to": "read", "delay": 0.8},
    ),
    Person(
        "4915223456789",
        "Lena Vogt",
        (
            _text("Hi! Is the blue teapot still available? 🫖"),
            {
                "type": "location",
                "location": {
                    "latitude": 52.520815,
                    "longitude": 13.409419,
                    "name": "Alexanderplatz",
                    "address": "10178 Berlin",
                },
            },
        ),
        ("Great, I'll pick it up there tomorrow.", "Perfect, thank you!"),
        {"up_to": "delivered", "delay": 0.6},
    ),
    Person(
        "393331234567",
        "Maria Costa",
        (_text("Good morning, my parcel says delivered but nothing arrived."),),
        ("The tracking number is RR123456785IT.",),
        {"up_to": "sent", "fails_with": 131026, "delay": 0.6},
    ),
)


class Script:
    """Plays the contacts against the simulator's control routes under `control`."""

    def __init__(self, control: str, say: Say) -> None:
        self._control = control
        self._say = say
        self._answered: dict[str, int] = {}

    async def run(self) -> None:
        """Opens with every contact, then answers replies until cancelled."""
        async with aiohttp.ClientSession() as http:
            for person in PEOPLE:
                url = f"{self._control}/contacts/{person.phone}"
                await self._call(http, "PUT", url, {"name": person.name, **person.behaviour})
                for element in person.opening:
                    await self._call(
                        http, "POST", f"{url}/messages", {"message": element, "name": person.name}
                    )
                self._say(f"{person.name} wrote on WhatsApp.")
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                await self._look(http)

    async def _look(self, http: aiohttp.ClientSession) -> None:
        async with http.get(f"{self._control}/messages") as response:
            received = (await response.json())["messages"]
        for person in PEOPLE:
            replies = sum(1 for message in received if message["phone"] == person.phone)
            said = self._answered.get(person.phone, 0)
            if replies > said and said < len(person.answers):
                self._answered[person.phone] = said + 1
                await asyncio.sleep(THINK_SECONDS)
                url = f"{self._control}/contacts/{person.phone}/messages"
                await self._call(http, "POST", url, {"text": person.answers[said]})

    async def _call(self, http: aiohttp.ClientSession, method: str, url: str, body: dict[str, Any]) -> None:
        async with http.request(method, url, json=body) as response:
            if response.status >= 300:
                raise RuntimeError(f"the simulator answered {response.status} to {method} {url}")
