"""A menu as YAML text (docs/bots.md): parsed with every fault named by its line. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml

from gateway.bots.menu import Menu, Node, Pick

PICKS_AT_MOST = 10
TITLE_AT_MOST = 24
"""Characters; more is cut or refused by the lists of WhatsApp (24) and by the buttons of several channels (20)."""

_TOP = {"start", "greeting", "not_understood", "nobody_available", "label", "nodes"}
_NODE = {"text", "choices"}
_PICK = {"id", "title", "description", "say", "go", "hand_over", "end"}


class MenuError(ValueError):
    """The text is no menu; the message has one line per fault, each with its line number."""


@lru_cache(maxsize=64)
def parse_menu(text: str) -> Menu:
    """The menu. Raises MenuError with every fault found."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise MenuError(f"{where}this is not YAML: {getattr(error, 'problem', error)}") from error
    reading = _Reading()
    menu = reading.menu(root)
    if reading.faults or menu is None:
        raise MenuError("\n".join(reading.faults))
    return menu


class _Reading:
    """Walks YAML's nodes, which know their lines, and collects faults."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def fault(self, where: yaml.Node | None, what: str) -> None:
        self.faults.append(f"line {where.start_mark.line + 1 if where else 1}: {what}")

    def fields(self, given: yaml.Node | None, known: set[str], what: str) -> dict[str, yaml.Node]:
        if not isinstance(given, yaml.MappingNode):
            self.fault(given, f"{what} is a mapping of {', '.join(sorted(known))}")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in given.value:
            if key.value not in known:
                self.fault(key, f"unknown key `{key.value}` in {what}")
            elif key.value in found:
                self.fault(key, f"`{key.value}` stands twice in {what}")
            else:
                found[key.value] = value
        return found

    def text(self, fields: dict[str, yaml.Node], key: str, default: str | None = None) -> str | None:
        node = fields.get(key)
        if node is None or (isinstance(node, yaml.ScalarNode) and node.value == ""):
            return default
        if not isinstance(node, yaml.ScalarNode):
            self.fault(node, f"`{key}` is a text")
            return default
        return str(node.value)

    def required(self, where: yaml.Node | None, fields: dict[str, yaml.Node], key: str, what: str) -> str:
        text = self.text(fields, key)
        if text is None:
            self.fault(where, f"{what} needs `{key}`")
        return text or ""

    def menu(self, root: yaml.Node | None) -> Menu | None:
        if root is None:
            self.fault(None, "the menu is empty")
            return None
        fields = self.fields(root, _TOP, "a menu")
        texts = {
            key: self.required(root, fields, key, "a menu")
            for key in ("start", "greeting", "not_understood", "nobody_available")
        }
        nodes = self.nodes(root, fields.get("nodes"))
        if nodes and texts["start"] and texts["start"] not in nodes:
            self.fault(fields["start"], f"there is no node `{texts['start']}`")
        return Menu(**texts, label=self.text(fields, "label", "Menu") or "Menu", nodes=nodes)

    def nodes(self, root: yaml.Node, given: yaml.Node | None) -> dict[str, Node]:
        if not isinstance(given, yaml.MappingNode) or not given.value:
            self.fault(given or root, "a menu needs `nodes`, a mapping of names to questions")
            return {}
        names = {str(key.value) for key, _ in given.value}
        found: dict[str, Node] = {}
        for key, value in given.value:
            name = str(key.value)
            if name in found:
                self.fault(key, f"node `{name}` stands twice")
            if "/" in name:
                self.fault(key, "a node's name holds no `/`")
            found[name] = self.node(name, value, names)
        return found

    def node(self, name: str, given: yaml.Node, names: set[str]) -> Node:
        fields = self.fields(given, _NODE, f"node `{name}`")
        text = self.required(given, fields, "text", f"node `{name}`")
        choices = fields.get("choices")
        if not isinstance(choices, yaml.SequenceNode) or not 1 <= len(choices.value) <= PICKS_AT_MOST:
            self.fault(choices or given, f"node `{name}` needs `choices`, a list of 1 to {PICKS_AT_MOST}")
            return Node(name, text, ())
        picks = [self.pick(n, given, names) for n, given in enumerate(choices.value, 1)]
        for n, pick in enumerate(picks):
            if pick.id in {p.id for p in picks[:n]}:
                self.fault(choices.value[n], f"id `{pick.id}` stands twice in node `{name}`")
        return Node(name, text, tuple(picks))

    def pick(self, number: int, given: yaml.Node, names: set[str]) -> Pick:
        fields = self.fields(given, _PICK, "a choice")
        title = self.required(given, fields, "title", "a choice")
        if len(title) > TITLE_AT_MOST:
            self.fault(fields["title"], f"a title has at most {TITLE_AT_MOST} characters")
        ends = [key for key in ("go", "hand_over", "end") if key in fields]
        if len(ends) > 1:
            self.fault(
                fields[ends[1]], f"a choice has one of go, hand_over and end, not {' and '.join(ends)}"
            )
        go = self.text(fields, "go")
        if go is not None and go not in names:
            self.fault(fields["go"], f"there is no node `{go}`")
        identifier = self.text(fields, "id", str(number)) or str(number)
        if "/" in identifier:
            self.fault(fields["id"], "an id holds no `/`")
        over = self.switch(fields, "hand_over", other=True)
        return Pick(
            id=identifier,
            title=title,
            description=self.text(fields, "description"),
            say=self.text(fields, "say"),
            go=go,
            hand_over=over is not False,
            department=over if isinstance(over, str) else None,
            end=self.switch(fields, "end") is True,
        )

    def switch(self, fields: dict[str, yaml.Node], key: str, *, other: bool = False) -> bool | str:
        """`true` or `false`; with `other` a name too."""
        node = fields.get(key)
        if node is None:
            return False
        value: Any = yaml.SafeLoader("").construct_object(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, bool) or (other and isinstance(value, str) and value):
            return value
        self.fault(node, f"`{key}` is true{' or a department' if other else ''}")
        return False
