"""Whom the simulation is about: one tenant, its departments, agents, accounts and bot, and how they change."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from gateway.core import ids
from gateway.core.capabilities import CapabilityProfile, Limit, RungSupport, Told, Window
from gateway.core.directory import (
    Account,
    Agent,
    Assignment,
    AssignmentMode,
    AutoCompletion,
    Bot,
    Department,
    Entity,
    OfflineMessage,
    ReopenOwner,
    Tenant,
)
from gateway.core.hours import BusinessHours, Interval, Week
from gateway.core.receipts import Rung

TENANT, CHANNEL = "acme", "sim"
MINUTE, HOUR = 60_000, 3_600_000
START = 1_796_311_800_000
"""Shortly before a working day in Berlin ends and a night begins."""
NINE_TO_FIVE = (Interval(540, 1020),)
HOURS = BusinessHours("Europe/Berlin", Week(*([NINE_TO_FIVE] * 5)))
SHORT = BusinessHours("Europe/Berlin", Week(*([(Interval(600, 720), Interval(780, 960))] * 6)))

PROFILE = CapabilityProfile(
    channel=CHANNEL,
    name="Simulated channel",
    content=("text", "template"),
    rungs=(
        RungSupport(Rung.SENT, Told.WEBHOOK, overdue_after=2 * MINUTE),
        RungSupport(Rung.DELIVERED, Told.WEBHOOK, overdue_after=10 * MINUTE),
        RungSupport(Rung.READ, Told.WEBHOOK, may_be_hidden=True),
    ),
    limits=(Limit("text", 60, "simulation", "2026-11-22"),),
    window=Window(24 * HOUR, ("template",), "simulation", "2026-11-22"),
    reply_to=True,
    send_within=HOUR,
)

COMPLETIONS = (
    AutoCompletion(
        20 * MINUTE, 10 * MINUTE, 90 * MINUTE, False, "Are you still there?", 5 * MINUTE, "We close this."
    ),
    AutoCompletion(5 * MINUTE, 5 * MINUTE, 5 * MINUTE),
    AutoCompletion(agent_after=3 * HOUR, at_window_end=True),
    AutoCompletion(8 * MINUTE, 8 * MINUTE, None, True, farewell="Good bye."),
)
TEXT = "Nobody is here now. We are back ${Department.Next Opening}. Ticket ${Ticket.Number}"
OFFLINES = (
    OfflineMessage(True, TEXT, by_presence_without_hours=True, ticket_first=True),
    OfflineMessage(True, "We are closed.", by_presence_without_hours=False),
    OfflineMessage(True, "Nobody is here.", by_presence_without_hours=True),
    OfflineMessage(False, "unused"),
)
DEPARTMENTS = ("support", "sales")
AGENTS = {"ann": DEPARTMENTS, "bob": ("support",), "sal": ("sales",)}
ACCOUNTS = {"acc-bot": "support", "acc-plain": "support", "acc-sales": "sales"}
BOT = Bot("robo", TENANT, "Robo", answer_within=15_000, not_understood_at_most=2)
PHRASES = ("human please",)


def department(identifier: str, rng: Random) -> Department:
    """The department with settings that the seed picks."""
    hours = rng.choice([HOURS, SHORT]) if identifier == "support" else rng.choice([None, None, SHORT])
    return Department(
        identifier,
        TENANT,
        identifier.title(),
        reopen_owner=rng.choice(list(ReopenOwner)),
        hours=hours,
        offline=rng.choices(OFFLINES, (4, 2, 2, 1))[0],
        completion=rng.choice(COMPLETIONS),
        assignment=rng.choice(
            [None, Assignment(AssignmentMode.ROUND_ROBIN, 3), Assignment(AssignmentMode.FEWEST_OPEN, 2)]
        ),
        hand_over_phrases=PHRASES,
    )


def account(identifier: str, rng: Random) -> Account:
    """The channel account with settings that the seed picks."""
    known = Account(identifier, TENANT, CHANNEL, ACCOUNTS[identifier], identifier)
    if identifier == "acc-bot":
        return replace(known, bot=BOT.id)
    if rng.random() < 0.3:
        return replace(known, enabled_agents=("ann",), completion=rng.choice(COMPLETIONS))
    return known


def first_directory(rng: Random) -> list[Entity]:
    """Everything the directory holds at the beginning."""
    people: list[Entity] = [
        Agent(name, TENANT, name.title(), f"{name}@example.org", departments)
        for name, departments in AGENTS.items()
    ]
    places: list[Entity] = [department(d, rng) for d in DEPARTMENTS]
    accounts: list[Entity] = [account(a, rng) for a in ACCOUNTS]
    return [Tenant(TENANT, TENANT, "Acme"), BOT, *people, *places, *accounts]


def another_setting(rng: Random) -> Entity:
    """One entity, set otherwise."""
    if rng.random() < 0.6:
        return department(rng.choice(DEPARTMENTS), rng)
    return account(rng.choice(list(ACCOUNTS)), rng)


def conversations(count: int) -> dict[str, tuple[str, str]]:
    """Account and contact's address of each conversation, by its id."""
    accounts = list(ACCOUNTS)
    places = [(accounts[n % len(accounts)], f"contact-{n}") for n in range(count)]
    return {ids.conversation_id(TENANT, CHANNEL, a, address): (a, address) for a, address in places}
