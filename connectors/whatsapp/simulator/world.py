"""The simulated world: contacts, their windows, what we sent them, and what the phones tell."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from connectors.whatsapp.simulator import rules
from connectors.whatsapp.simulator.api_error import ApiError
from connectors.whatsapp.simulator.config import Behaviour, Config, Injected, Number
from connectors.whatsapp.simulator.hooks import KEPT, Deliverer, envelope
from gateway.core.clock import Clock, system_clock

Json = dict[str, Any]

_STATUSES = ("sent", "delivered", "read")


@dataclass(slots=True)
class Person:
    """A contact: their phone, and how it behaves. `wrote_at`: Unix milliseconds, absent if never."""

    phone: str
    user_id: str
    name: str
    behaviour: Behaviour
    username: str | None = None
    hides_phone: bool = False
    wrote_at: int | None = None
    blocked: bool = False
    pair_full_at: float = 0.0

    def identity(self) -> Json:
        """Entry of `contacts`."""
        profile = {"name": self.name} | ({"username": self.username} if self.username else {})
        shown = {} if self.hides_phone else {"wa_id": self.phone}
        return {"profile": profile, **shown, "user_id": self.user_id}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message of ours that was accepted."""

    id: str
    phone_number_id: str
    phone: str
    body: Json
    at: int


@dataclass(slots=True)
class Simulator:
    """Everything the Cloud API knows. Use it inside one event loop."""

    config: Config
    clock: Clock = system_clock
    offset: int = 0
    numbers: dict[str, Number] = field(init=False)
    people: dict[str, Person] = field(default_factory=dict)
    accepted: deque[Accepted] = field(default_factory=lambda: deque(maxlen=KEPT))
    read: list[str] = field(default_factory=list)
    """Ids of contacts' messages that we marked read."""
    requests: int = 0
    refused_tokens: int = 0
    faults: deque[tuple[Injected, int]] = field(default_factory=deque)
    hooks: Deliverer = field(init=False)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    _counter: int = 0
    _recent: deque[int] = field(default_factory=deque)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.numbers = {number.phone_number_id: number for number in self.config.numbers}
        self.hooks = Deliverer(self.config.app_secret, self.config.retry_delays)
        self._random = random.Random(self.config.seed)  # noqa: S311 - an order that can be repeated

    def now(self) -> int:
        """Unix milliseconds, moved by `offset`."""
        return self.clock() + self.offset

    def person(self, phone: str) -> Person:
        """The contact with this number; made if new."""
        phone = phone.lstrip("+")
        if phone not in self.people:
            digits = str(int(hashlib.sha256(phone.encode()).hexdigest(), 16))[:20]
            self.people[phone] = Person(phone, f"DE.{digits}", f"Contact {phone[-4:]}", self.config.behaviour)
        return self.people[phone]

    def inject(self, fault: Injected, count: int = 1, retry_after: int = 1) -> None:
        """The next `count` sends meet this fault; `retry_after` is seconds."""
        self.faults.extend([(fault, retry_after)] * count)

    def next_id(self) -> str:
        """An id that nothing had before, in Meta's shape."""
        self._counter += 1
        digest = hashlib.sha256(f"{self.config.seed}:{self._counter}".encode()).hexdigest()[:32].upper()
        return f"wamid.SIM{self._counter:08d}{digest}=="

    # What contacts do

    def writes(
        self, phone: str, element: Json | str, phone_number_id: str | None = None, copies: int = 1
    ) -> str:
        """The contact writes: a text, or an element of `messages` without sender, id and time.

        The webhook leaves in the background, `copies` times at once. Returns the message's id.
        """
        person, number = self.person(phone), self._number(phone_number_id)
        person.wrote_at = self.now()
        part = {"type": "text", "text": {"body": element}} if isinstance(element, str) else element
        sender = {} if person.hides_phone else {"from": person.phone}
        stamp = {"id": self.next_id(), "timestamp": str(self.now() // 1000)}
        message = {**sender, "from_user_id": person.user_id, **stamp, **part}
        payload = envelope(number, "messages", {"contacts": [person.identity()], "messages": [message]})
        for _ in range(copies):
            self.sends(payload, number.phone_number_id)
        return str(message["id"])

    def sends(self, payload: Json, phone_number_id: str | None = None) -> None:
        """Any webhook, signed, in the background."""
        url = self._number(phone_number_id).callback_url
        self.hooks.spawn(self._send(url, payload))

    async def _send(self, url: str, payload: Json) -> None:
        await self.hooks.first_try(url, payload)

    async def verifies(self, phone_number_id: str | None = None) -> bool:
        """Whether the callback answers the handshake as it should."""
        return await self.hooks.handshake(
            self._number(phone_number_id).callback_url, self.config.verify_token
        )

    def _number(self, phone_number_id: str | None) -> Number:
        return self.numbers[phone_number_id or next(iter(self.numbers))]

    # What we send

    def accept(self, phone_number_id: str, body: Json) -> Accepted:
        """Takes a message of ours. Raises ApiError as the Cloud API would."""
        rules.check(body, self.config)
        number = self._number(phone_number_id)
        person = self._recipient(number, body)
        self._check_rates(person)
        late = self._check_window(person, body)
        message = Accepted(self.next_id(), phone_number_id, person.phone, body, self.now())
        self.accepted.append(message)
        failure = late or (ApiError(person.behaviour.fails_with) if person.behaviour.fails_with else None)
        self.hooks.spawn(self._tell(number, person, message, failure))
        return message

    def _recipient(self, number: Number, body: Json) -> Person:
        if body.get("to"):
            phone = str(body["to"]).lstrip("+")
        else:
            known = [p.phone for p in self.people.values() if p.user_id == body["recipient"]]
            if not known:
                raise ApiError(131026, "Unknown user id")
            phone = known[0]
        if phone == number.display_phone_number.lstrip("+").replace(" ", ""):
            raise ApiError(131021)
        person = self.person(phone)
        if person.blocked or phone.endswith(self.config.undeliverable):
            raise ApiError(131026)
        return person

    def _check_rates(self, person: Person) -> None:
        now = self.now()
        while self._recent and self._recent[0] <= now - 1000:
            self._recent.popleft()
        if self.config.per_second is not None and len(self._recent) >= self.config.per_second:
            raise ApiError(130429)
        every = self.config.pair_every
        if every is not None:
            full_at = max(person.pair_full_at, now)
            if full_at + every > now + every * self.config.pair_burst:
                raise ApiError(131056)
            person.pair_full_at = full_at + every
        self._recent.append(now)

    def _check_window(self, person: Person, body: Json) -> ApiError | None:
        """Raises, or returns what the message fails with later."""
        is_open = person.wrote_at is not None and self.now() < person.wrote_at + self.config.window
        if is_open or body.get("type") == "template":
            return None
        closed = ApiError(131047, "More than 24 hours have passed since the customer last replied")
        if self.config.late_window:
            return closed
        raise closed

    # What phones tell

    async def _tell(
        self, number: Number, person: Person, message: Accepted, failure: ApiError | None
    ) -> None:
        behaviour = person.behaviour
        told = [] if behaviour.up_to == "none" else list(_STATUSES[: _STATUSES.index(behaviour.up_to) + 1])
        if failure:
            told = ["failed"] if failure.code == 131047 else ["sent", "failed"]
        if message.body.get("type") == "reaction":
            told = told[:1]
        payloads = [
            envelope(number, "messages", self._status(person, message, status, step, failure))
            for step, status in enumerate(told)
            for _ in range(behaviour.copies)
        ]
        if behaviour.order == "shuffled":
            self._random.shuffle(payloads)
        for payload in payloads:
            await asyncio.sleep(behaviour.delay)
            await self.hooks.first_try(self._number(message.phone_number_id).callback_url, payload)

    def _status(
        self, person: Person, message: Accepted, status: str, step: int, failure: ApiError | None
    ) -> Json:
        element: Json = {
            "id": message.id,
            "status": status,
            "timestamp": str(message.at // 1000 + step),
        }
        if "to" in message.body:
            element["recipient_id"] = person.phone
        if status != "failed":
            element["recipient_user_id"] = person.user_id
            element["pricing"] = {"billable": False, "pricing_model": "PMP", "category": "service"}
        if data := message.body.get("biz_opaque_callback_data"):
            element["biz_opaque_callback_data"] = data
        if status == "failed" and failure:
            return {"statuses": [element | {"errors": [failure.in_status()]}]}
        return {"contacts": [person.identity()], "statuses": [element]}

    async def close(self) -> None:
        """Stops what is under way."""
        self.closed.set()
        await self.hooks.close()
