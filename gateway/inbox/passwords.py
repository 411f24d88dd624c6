"""Password hashes: scrypt, with its parameters in the hash, so that they can grow later."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

LOG_N, R, P = 15, 8, 1
"""Cost: 2**15 blocks of 1 KiB = 32 MiB and about 0.1 s. Source: RFC 7914; OWASP password storage cheat sheet."""

_SALT_BYTES = 16
_HASH_BYTES = 32


class HashFormatError(ValueError):
    """A stored password hash is not one that `hash_password` makes."""


@dataclass(frozen=True, slots=True)
class _Parsed:
    log_n: int
    r: int
    p: int
    salt: bytes
    digest: bytes


def hash_password(password: str) -> str:
    """A hash to be stored as `Agent.password_hash`: `scrypt$ln=15,r=8,p=1$<salt>$<hash>`. Takes 0.1 s."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = _scrypt(password, salt, LOG_N, R, P)
    return f"scrypt$ln={LOG_N},r={R},p={P}${_text(salt)}${_text(digest)}"


def verify_password(password: str, stored: str | None) -> bool:
    """Whether the password fits. Without a stored hash it takes as long and is false.

    Raises HashFormatError when the stored hash is damaged.
    """
    parsed = _parse(stored or _NOBODY)
    digest = _scrypt(password, parsed.salt, parsed.log_n, parsed.r, parsed.p)
    return hmac.compare_digest(digest, parsed.digest) and stored is not None


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    memory = 128 * r * (2**log_n) + 1024 * 1024
    return hashlib.scrypt(
        password.encode(), salt=salt, n=2**log_n, r=r, p=p, maxmem=2 * memory, dklen=_HASH_BYTES
    )


def _parse(stored: str) -> _Parsed:
    try:
        name, parameters, salt, digest = stored.split("$")
        found = dict(part.split("=") for part in parameters.split(","))
        parsed = _Parsed(int(found["ln"]), int(found["r"]), int(found["p"]), _bytes(salt), _bytes(digest))
    except (ValueError, KeyError):
        raise HashFormatError("a stored password hash cannot be read") from None
    if name != "scrypt" or not (1 <= parsed.log_n <= 20 and 1 <= parsed.r <= 32 and 1 <= parsed.p <= 16):
        raise HashFormatError("a stored password hash has parameters that are not allowed")
    return parsed


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# The hash of no password: what an unknown user is compared with.
_NOBODY = f"scrypt$ln={LOG_N},r={R},p={P}${_text(bytes(_SALT_BYTES))}${_text(bytes(_HASH_BYTES))}"
