"""Departments, agents, channel accounts and bots, and the one function that decides who may do what (PRODUCT A12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.core.errors import Code, Refusal


class ReopenOwner(StrEnum):
    """Who owns a conversation that the contact reopens (PRODUCT A8)."""

    LAST_AGENT = "last_agent"
    BOT = "bot"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class Department:
    """A department and its queue."""

    id: str
    tenant: str
    name: str
    reopen_owner: ReopenOwner = ReopenOwner.LAST_AGENT


class Role(StrEnum):
    """What an agent may do beyond answering."""

    AGENT = "agent"
    ADMINISTRATOR = "administrator"


@dataclass(frozen=True, slots=True)
class Agent:
    """A human agent. `password_hash` is the stored hash for local sign-in, never a password."""

    id: str
    tenant: str
    name: str
    email: str
    departments: tuple[str, ...]
    role: Role = Role.AGENT
    password_hash: str | None = None
    locale: str = "en"


@dataclass(frozen=True, slots=True)
class Account:
    """A channel account. Credentials are references such as `env:NAME` or `file:PATH`, never secrets.

    `settings` are the channel's own (e.g. WhatsApp `phone_number_id`, `api_version`).
    """

    id: str
    tenant: str
    channel: str
    department: str
    name: str = ""
    api_base: str | None = None
    bot: str | None = None
    credentials: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot that can be attached to channel accounts."""

    id: str
    tenant: str
    name: str


Entity = Department | Agent | Account | Bot


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One entity of the directory (topic `cg.directory`, keyed `<kind>:<id>`)."""

    entity: Entity
    version: int


def entry_key(entity: Entity) -> str:
    """Key of the entity in `cg.directory`."""
    return f"{type(entity).__name__.lower()}:{entity.id}"


@dataclass(frozen=True, slots=True)
class Directory:
    """A snapshot of everything the directory knows."""

    departments: Mapping[str, Department] = field(default_factory=dict)
    agents: Mapping[str, Agent] = field(default_factory=dict)
    accounts: Mapping[str, Account] = field(default_factory=dict)
    bots: Mapping[str, Bot] = field(default_factory=dict)

    def with_entity(self, entity: Entity) -> Directory:
        """The directory with this entity added or replaced."""
        tables = self._tables()
        name = type(entity).__name__.lower() + "s"
        return Directory(**{**tables, name: {**tables[name], entity.id: entity}})  # type: ignore[arg-type]

    def without(self, key: str) -> Directory:
        """The directory without the entity of this `entry_key`."""
        kind, _, identifier = key.partition(":")
        tables = self._tables()
        name = kind + "s"
        left = {k: v for k, v in tables[name].items() if k != identifier}
        return Directory(**{**tables, name: left})  # type: ignore[arg-type]

    def _tables(self) -> dict[str, Mapping[str, object]]:
        return {
            "departments": self.departments,
            "agents": self.agents,
            "accounts": self.accounts,
            "bots": self.bots,
        }


def check_permission(agent: Agent | None, tenant: str, department_id: str) -> Refusal | None:
    """Why this agent may not see or act on a conversation of this tenant and department; None if they may."""
    if agent is None:
        return Refusal(Code.UNKNOWN_AGENT, "This agent is not in the directory.")
    if agent.tenant != tenant or department_id not in agent.departments:
        return Refusal(Code.FORBIDDEN, "This conversation belongs to a department you are not in.")
    return None
