"""Tenants, agents, channel accounts and bots as they are written in a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from gateway.bots.menu_text import MenuError, parse_menu
from gateway.core.directory import Account, Agent, Bot, BotKind, Role, Tenant
from gateway.directory.departments import read_completion
from gateway.directory.fields import Fields

ReadText = Callable[[str], str]
"""The text of a file named in the directory file. Raises OSError or UnicodeDecodeError."""

TENANT = ("id", "name", "address", "logo", "departments", "agents", "accounts", "bots")
AGENT = ("id", "name", "email", "departments", "role", "password_hash", "locale")
ACCOUNT = (
    "id",
    "channel",
    "department",
    "name",
    "api_base",
    "bot",
    "credentials",
    "settings",
    "enabled_agents",
    "auto_completion",
)
BOT = ("id", "name", "kind", "answer_within", "not_understood_at_most", "url", "secret", "menu")
_KIND_NEEDS = {BotKind.KAFKA: (), BotKind.WEBHOOK: ("url", "secret"), BotKind.MENU: ("menu",)}
_LINE = re.compile(r"^line (\d+): ", re.MULTILINE)


def read_tenant(given: Fields) -> Tenant:
    """The organisation; what is wrong is in the report."""
    identifier = given.needed("id")
    logo = given.text("logo")
    if logo is not None and urlsplit(logo).scheme not in ("http", "https"):
        given.fault("`logo` is a link: it begins with https://", "logo")
    return Tenant(identifier, identifier, given.text("name") or identifier, given.text("address"), logo)


def read_agent(given: Fields, tenant: str) -> Agent:
    """The agent; what is wrong is in the report."""
    if given.given("departments") is None:
        given.fault("an entry of agents needs `departments`")
    hash_ = given.text("password_hash")
    if hash_ is not None and not hash_.startswith("scrypt$"):
        given.fault(
            "`password_hash` is what `gateway hash-password` prints, never a password", "password_hash"
        )
    return Agent(
        given.needed("id"),
        tenant,
        given.needed("name"),
        given.needed("email"),
        given.texts("departments") or (),
        given.choice("role", Role.AGENT),
        hash_,
        given.text("locale") or "en",
    )


def read_account(given: Fields, tenant: str) -> Account:
    """The channel account; what is wrong is in the report."""
    identifier = given.needed("id")
    credentials = given.table("credentials")
    for name, references in credentials.items():
        if not all(_is_reference(reference) for reference in references.split(",")):
            given.fault(_NO_REFERENCE.format(f"credential `{name}`"), "credentials", name)
    return Account(
        identifier,
        tenant,
        given.needed("channel"),
        given.needed("department"),
        given.text("name") or identifier,
        given.text("api_base"),
        given.text("bot"),
        credentials,
        given.table("settings"),
        given.texts("enabled_agents"),
        read_completion(given),
    )


_NO_REFERENCE = "{} must be a reference, env:NAME or file:PATH"


def _is_reference(text: str) -> bool:
    kind, _, place = text.strip().partition(":")
    return kind in ("env", "file") and bool(place)


def read_bot(given: Fields, tenant: str, read: ReadText) -> Bot:
    """The bot; what is wrong is in the report. A menu is a text of several lines, or a file's path."""
    kind = given.choice("kind", BotKind.KAFKA)
    for key in ("url", "secret", "menu"):
        needed, there = key in _KIND_NEEDS[kind], given.given(key) is not None
        if needed != there:
            given.fault(f"a bot of kind {kind} {'needs' if needed else 'has no'} `{key}`", key)
    secret, url = given.text("secret"), given.text("url")
    if secret is not None and not _is_reference(secret):
        given.fault(_NO_REFERENCE.format("`secret`"), "secret")
    if url is not None and urlsplit(url).scheme not in ("http", "https"):
        given.fault("`url` begins with https://", "url")
    usual = Bot("", "", "")
    within = given.duration("answer_within")
    most = given.number("not_understood_at_most", 1, 100)
    return Bot(
        given.needed("id"),
        tenant,
        given.needed("name"),
        kind,
        usual.answer_within if within is None else within,
        usual.not_understood_at_most if most is None else most,
        url,
        secret,
        _menu(given, read),
    )


def _menu(given: Fields, read: ReadText) -> str | None:
    text = given.text("menu")
    if text is None:
        return None
    place = "the menu"
    if "\n" not in text:
        place = text
        try:
            text = read(text)
        except (OSError, UnicodeDecodeError) as error:
            given.fault(f"the menu {place} cannot be read: {type(error).__name__}", "menu")
            return None
    try:
        parse_menu(text)
    except MenuError as error:
        for fault in str(error).splitlines():
            given.fault(_LINE.sub(rf"{place}, line \1: ", fault), "menu")
    return text
