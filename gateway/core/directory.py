"""Departments, agents, channel accounts and bots, and the one function that decides who may do what (PRODUCT A12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.core.errors import Code, Refusal
from gateway.core.hours import BusinessHours


class ReopenOwner(StrEnum):
    """Who owns a conversation that the contact reopens (PRODUCT A8)."""

    LAST_AGENT = "last_agent"
    BOT = "bot"
    QUEUE = "queue"


@dataclass(frozen=True, slots=True)
class OfflineMessage:
    """What is sent by itself when nobody can answer (PRODUCT O). `text` may hold merge fields.

    `by_presence_without_hours`: a department without hours goes by presence alone (O8). `ticket_first`
    creates a ticket before; if that fails `text_without_ticket` is sent (O17).
    """

    enabled: bool = False
    text: str = ""
    language: str = "en"
    by_presence_without_hours: bool = False
    ticket_first: bool = False
    text_without_ticket: str | None = None


@dataclass(frozen=True, slots=True)
class AutoCompletion:
    """After how much silence of the contact a conversation is completed (PRODUCT T). Milliseconds; absent: never.

    `at_window_end`: when the channel's service window closes, if that is earlier or no time is set.
    `warning` is sent `warning_before` the end, `farewell` with it.
    """

    agent_after: int | None = None
    bot_after: int | None = None
    queue_after: int | None = None
    at_window_end: bool = False
    warning: str | None = None
    warning_before: int | None = None
    farewell: str | None = None


class AssignmentMode(StrEnum):
    """How conversations in the queue are given to agents (PRODUCT A13)."""

    OFF = "off"
    ROUND_ROBIN = "round_robin"
    FEWEST_OPEN = "fewest_open"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Automatic assignment; an agent has at most `at_most` open conversations by it."""

    mode: AssignmentMode = AssignmentMode.OFF
    at_most: int = 5


@dataclass(frozen=True, slots=True)
class Department:
    """A department, its queue, and what happens there by itself.

    `hand_over_phrases`: what a contact writes to a bot to reach a person. `first_response`: milliseconds
    within which a contact should be answered.
    """

    id: str
    tenant: str
    name: str
    reopen_owner: ReopenOwner = ReopenOwner.LAST_AGENT
    hours: BusinessHours | None = None
    offline: OfflineMessage | None = None
    completion: AutoCompletion | None = None
    assignment: Assignment | None = None
    hand_over_phrases: tuple[str, ...] = ()
    first_response: int | None = None


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

    `settings` are the channel's own (e.g. WhatsApp `phone_number_id`, `api_version`). `enabled_agents`
    are those who answer on this account (absent: the department's members). `completion` overrides the
    department's.
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
    enabled_agents: tuple[str, ...] | None = None
    completion: AutoCompletion | None = None


class BotKind(StrEnum):
    """How a bot is driven (PRODUCT B1)."""

    KAFKA = "kafka"
    WEBHOOK = "webhook"
    MENU = "menu"


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot that can be attached to channel accounts.

    `answer_within`: milliseconds; afterwards the conversation is handed over. `not_understood_at_most`:
    how often in a row it may say that it does not understand. `url` and `secret` (a reference) are a
    webhook bot's, `menu` (YAML text) is a menu bot's.
    """

    id: str
    tenant: str
    name: str
    kind: BotKind = BotKind.KAFKA
    answer_within: int = 15_000
    not_understood_at_most: int = 3
    url: str | None = None
    secret: str | None = None
    menu: str | None = None


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organisation; what merge fields tell of it."""

    id: str
    tenant: str
    name: str
    address: str | None = None
    logo: str | None = None


Entity = Department | Agent | Account | Bot | Tenant


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
    tenants: Mapping[str, Tenant] = field(default_factory=dict)

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
            "tenants": self.tenants,
        }


def check_permission(agent: Agent | None, tenant: str, department_id: str) -> Refusal | None:
    """Why this agent may not see or act on a conversation of this tenant and department; None if they may."""
    if agent is None:
        return Refusal(Code.UNKNOWN_AGENT, "This agent is not in the directory.")
    if agent.tenant != tenant or department_id not in agent.departments:
        return Refusal(Code.FORBIDDEN, "This conversation belongs to a department you are not in.")
    return None


def enabled_agents(directory: Directory, account: Account | None, department_id: str) -> frozenset[str]:
    """Who may be expected to answer: the account's enabled agents, else the department's members (O10)."""
    members = (a.id for a in directory.agents.values() if department_id in a.departments)
    if account is None or account.enabled_agents is None:
        return frozenset(members)
    return frozenset(members) & frozenset(account.enabled_agents)
