"""The menu bot: a pure step from what the contact did to what the bot does.

The state is the name of the node whose choices were offered last (None: nothing was offered yet). A pick
names its node in its id, so that a button of an older message still works.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.commands import End, HandOver, HandOverReason, SendMessage
from gateway.core.content import Choice, ChoiceStyle, Clear, Content, Option, Postback, Text
from gateway.core.errors import Code
from gateway.core.phrases import fold

BUTTONS_AT_MOST = 3
Act = SendMessage | HandOver | End


@dataclass(frozen=True, slots=True)
class Pick:
    """One choice of a node: says something, then goes to a node, hands over or ends; else offers the node again."""

    id: str
    title: str
    description: str | None = None
    say: str | None = None
    go: str | None = None
    hand_over: bool = False
    department: str | None = None
    end: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A question with its choices."""

    name: str
    text: str
    picks: tuple[Pick, ...]


@dataclass(frozen=True, slots=True)
class Menu:
    """A whole menu. `label` names the button that opens a list."""

    start: str
    greeting: str
    not_understood: str
    nobody_available: str
    label: str
    nodes: Mapping[str, Node]


@dataclass(frozen=True, slots=True)
class Wrote:
    """The contact wrote; None stands for content that cannot be read (sealed)."""

    content: Content | None


@dataclass(frozen=True, slots=True)
class ChatOpened:
    """The contact opened the chat without writing."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The log refused what the bot asked for."""

    code: str


Given = Wrote | ChatOpened | Refused


def step(menu: Menu, at: str | None, given: Given) -> tuple[str | None, list[Act]]:
    """The node offered last from now on, and what to do, in order."""
    node = menu.nodes.get(at or "")  # a node may be gone since the file was changed
    match given:
        case Wrote(content=content):
            return _wrote(menu, node, content)
        case ChatOpened():
            return (node.name, []) if node else _greet(menu)
        case Refused(code=Code.NOBODY_AVAILABLE):
            node = node or menu.nodes[menu.start]
            return node.name, [_offer(menu, node, menu.nobody_available)]
        case Refused():
            # The contact must not be left with a bot that cannot make itself heard.
            return at, [HandOver(HandOverReason.BOT_FAILED, anyway=True)]


def _wrote(menu: Menu, node: Node | None, content: Content | None) -> tuple[str | None, list[Act]]:
    if isinstance(content, Postback):
        found = _by_id(menu, content.id)
        if found is not None:
            return _picked(menu, *found)
    if node is None:
        return _greet(menu)
    pick = _typed(node, content)
    if pick is not None:
        return _picked(menu, node, pick)
    return node.name, [_offer(menu, node, menu.not_understood, not_understood=True)]


def _greet(menu: Menu) -> tuple[str, list[Act]]:
    start = menu.nodes[menu.start]
    return start.name, [_offer(menu, start, f"{menu.greeting}\n\n{start.text}")]


def _picked(menu: Menu, node: Node, pick: Pick) -> tuple[str | None, list[Act]]:
    if pick.end:
        text = Clear(Text(pick.say)) if pick.say else None
        return node.name, [SendMessage(text, complete=True) if text else End()]
    acts: list[Act] = [SendMessage(Clear(Text(pick.say)))] if pick.say else []
    if pick.hand_over:
        return node.name, [*acts, HandOver(HandOverReason.BOT_ASKED, pick.department)]
    target = menu.nodes[pick.go] if pick.go else node
    return target.name, [*acts, _offer(menu, target, target.text)]


def _offer(menu: Menu, node: Node, body: str, *, not_understood: bool = False) -> SendMessage:
    options = tuple(Option(f"{node.name}/{pick.id}", pick.title, pick.description) for pick in node.picks)
    few = len(options) <= BUTTONS_AT_MOST
    style = ChoiceStyle.BUTTONS if few else ChoiceStyle.LIST
    choice = Choice(body, options, style, label=None if few else menu.label)
    return SendMessage(Clear(choice), not_understood=not_understood)


def _by_id(menu: Menu, identifier: str) -> tuple[Node, Pick] | None:
    name, _, pick_id = identifier.rpartition("/")
    node = menu.nodes.get(name)
    pick = next((p for p in node.picks if p.id == pick_id), None) if node else None
    return (node, pick) if node and pick else None


def _typed(node: Node, content: Content | None) -> Pick | None:
    """The pick that was typed: its number, its title, or its id."""
    text = {Text: "body", Postback: "title"}.get(type(content))
    typed = fold(getattr(content, text)) if text else ""
    number = re.fullmatch(r"(\d{1,2}) ?番?", typed)
    if number and 1 <= int(number[1]) <= len(node.picks):
        return node.picks[int(number[1]) - 1]
    matches = [p for p in node.picks if typed and typed in (fold(p.title), fold(p.id))]
    return matches[0] if len(matches) == 1 else None
