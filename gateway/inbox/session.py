"""Sessions of signed-in agents, and the limit on failed sign-ins. Both live in Redis."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import asdict, dataclass, replace
from typing import cast

from pydantic_core import from_json, to_json
from redis.asyncio import Redis

from gateway.core.clock import Clock

COOKIE = "gateway_session"
CSRF_HEADER = "X-CSRF-Token"
IDLE_MS = 8 * 3_600_000
ABSOLUTE_MS = 24 * 3_600_000
TOUCH_MS = 60_000
"""How often the last use of a session is written down."""
SURVIVES_MS = 120_000
"""A session confirmed here this recently outlives a flush of Redis."""
_REMEMBERED = 10_000

WINDOW_SECONDS = 15 * 60
FAILURES = {"pair": 10, "address": 100, "email": 100}
"""Failed sign-ins within the window: of one e-mail from one address, of one address, of one e-mail."""


@dataclass(frozen=True, slots=True)
class Session:
    """`key` is a digest of the cookie, so that what Redis holds opens nothing. Times are Unix milliseconds."""

    key: str
    agent_id: str
    csrf: str
    created_at: int
    used_at: int

    def expired(self, now: int) -> bool:
        """Whether it was idle too long, or is too old."""
        return now >= self.used_at + IDLE_MS or now >= self.created_at + ABSOLUTE_MS


@dataclass(frozen=True, slots=True)
class _Confirmed:
    session: Session
    at: int
    generation: str


class Sessions:
    """Opens, finds and closes sessions. Raises RedisError when Redis cannot be reached."""

    def __init__(self, redis: Redis, prefix: str, clock: Clock) -> None:
        self._redis = redis
        self._prefix = f"{prefix}session:"
        self._epoch = f"{prefix}sessions-epoch"
        self._clock = clock
        self._confirmed: OrderedDict[str, _Confirmed] = OrderedDict()

    async def open(self, agent_id: str) -> tuple[str, Session]:
        """A new session and its cookie value."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        session = Session(_digest(token), agent_id, secrets.token_urlsafe(32), now, now)
        await self._write(session)
        return token, session

    async def find(self, token: str | None, *, touch: bool = True) -> Session | None:
        """The live session of this cookie. `touch` counts as use."""
        if not token:
            return None
        key, now = _digest(token), self._clock()
        session = await self._read(key, now)
        if session is None:
            return None
        if session.expired(now):
            await self._forget(key)
            return None
        if touch and now - session.used_at >= TOUCH_MS:
            session = replace(session, used_at=now)
            await self._write(session)
        return session

    async def close(self, session: Session) -> None:
        """Signs out."""
        await self._forget(session.key)

    async def _read(self, key: str, now: int) -> Session | None:
        raw, epoch = cast("list[bytes | None]", await self._redis.mget(self._prefix + key, self._epoch))
        confirmed = self._confirmed.get(key)
        if raw:
            session = Session(**from_json(raw))
            self._remember(session, now, epoch)
            return session
        self._confirmed.pop(key, None)
        held = epoch.decode() if epoch else ""
        if confirmed is None or held == confirmed.generation or now - confirmed.at > SURVIVES_MS:
            return None
        # Not signed out and not expired: Redis was flushed under it.
        await self._write(confirmed.session)
        return confirmed.session

    def _remember(self, session: Session, now: int, epoch: bytes | None) -> None:
        self._confirmed[session.key] = _Confirmed(session, now, epoch.decode() if epoch else "")
        self._confirmed.move_to_end(session.key)
        if len(self._confirmed) > _REMEMBERED:
            self._confirmed.popitem(last=False)

    async def _write(self, session: Session) -> None:
        now = self._clock()
        ends = min(session.used_at + IDLE_MS, session.created_at + ABSOLUTE_MS)
        await self._redis.set(self._epoch, secrets.token_hex(8), nx=True)
        await self._redis.set(self._prefix + session.key, to_json(asdict(session)), px=max(1, ends - now))
        self._remember(session, now, cast("bytes | None", await self._redis.get(self._epoch)))

    async def _forget(self, key: str) -> None:
        self._confirmed.pop(key, None)
        await self._redis.delete(self._prefix + key)


def csrf_fits(session: Session, header: str | None) -> bool:
    """Whether the request carries this session's token; compared in constant time."""
    return hmac.compare_digest(session.csrf.encode(), (header or "").encode())


class SignInLimit:
    """Counts failed sign-ins. An attempt counts before the password is looked at, so that many at once count too."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = f"{prefix}sign-in:"

    async def attempt(self, email: str, address: str) -> int:
        """Counts an attempt; returns the seconds to wait, 0 if it may go on."""
        names = self._names(email, address)
        async with self._redis.pipeline(transaction=True) as pipe:
            for name in names.values():
                pipe.set(name, 0, ex=WINDOW_SECONDS, nx=True)
                pipe.incr(name)
                pipe.ttl(name)
            found = await pipe.execute()
        waits = [
            cast("int", ttl)
            for kind, count, ttl in zip(names, found[1::3], found[2::3], strict=True)
            if count > FAILURES[kind]
        ]
        return max(waits, default=0)

    async def succeeded(self, email: str, address: str) -> None:
        """The attempt was none of the failed ones."""
        names = self._names(email, address)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(names["pair"])
            for kind in ("address", "email"):
                pipe.set(names[kind], 1, ex=WINDOW_SECONDS, nx=True)
                pipe.decr(names[kind])
            await pipe.execute()

    def _names(self, email: str, address: str) -> dict[str, str]:
        parts = {"pair": f"{email}\n{address}", "address": address, "email": email}
        return {kind: f"{self._prefix}{kind}:{_digest(value)}" for kind, value in parts.items()}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
