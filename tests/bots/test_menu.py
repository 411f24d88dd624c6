"""The menu bot as a table: what the contact does, where that leads, what the bot says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.bots.menu import Act, ChatOpened, Given, Menu, Refused, Wrote, step
from gateway.bots.menu_text import MenuError, parse_menu
from gateway.core.commands import End, HandOver, HandOverReason, SendMessage
from gateway.core.content import (
    Choice,
    ChoiceStyle,
    Clear,
    Content,
    Media,
    MediaKind,
    MediaRef,
    MediaState,
    Postback,
    Text,
)

EXAMPLES = Path(__file__).parents[2] / "examples"
EN = parse_menu((EXAMPLES / "menu_en.yaml").read_text(encoding="utf-8"))
JA = parse_menu((EXAMPLES / "menu_ja.yaml").read_text(encoding="utf-8"))
PHOTO = Media(MediaKind.IMAGE, MediaRef(MediaState.PENDING, "image/jpeg"))


def said(act: Act) -> str:
    if not isinstance(act, SendMessage):
        return type(act).__name__
    assert isinstance(act.content, Clear)
    content = act.content.content
    body = content.body if isinstance(content, Choice | Text) else ""
    return f"{type(content).__name__}:{body.splitlines()[0][:12]}{' ?' * act.not_understood}{' .' * act.complete}"


def wrote(text: str) -> Given:
    return Wrote(Text(text))


def picked(identifier: str) -> Given:
    return Wrote(Postback(identifier, "whatever"))


CASES: list[tuple[str, Menu, str | None, Given, str | None, list[str]]] = [
    ("greets", EN, None, wrote("hello"), "main", ["Choice:Welcome to A"]),
    ("greets on opening", EN, None, ChatOpened(), "main", ["Choice:Welcome to A"]),
    ("greets once", EN, "order", ChatOpened(), "order", []),
    ("by id", EN, "main", picked("main/2"), "order", ["Choice:What about y"]),
    (
        "by id from an older message",
        EN,
        "order",
        picked("main/1"),
        "main",
        ["Text:We are here ", "Choice:What is it a"],
    ),
    ("by id before a greeting", EN, None, picked("main/2"), "order", ["Choice:What about y"]),
    ("an id that is gone", EN, "main", picked("gone/1"), "main", ["Choice:Sorry, I did ?"]),
    ("by number", EN, "main", wrote("2."), "order", ["Choice:What about y"]),
    ("number of this node", EN, "order", wrote("3"), "main", ["Choice:What is it a"]),
    ("number too large", EN, "order", wrote("4"), "order", ["Choice:Sorry, I did ?"]),
    ("by title", EN, "main", wrote("  MY ORDER! "), "order", ["Choice:What about y"]),
    ("by the button's title", EN, "main", Wrote(Postback("x", "My order")), "order", ["Choice:What about y"]),
    ("a full-width digit", JA, "main", wrote("２"), "order", ["Choice:ご注文の何についてでしょ"]),
    ("a circled digit and 番", JA, "main", wrote("②番"), "order", ["Choice:ご注文の何についてでしょ"]),
    ("Japanese title", JA, "main", wrote("ご注文について。"), "order", ["Choice:ご注文の何についてでしょ"]),
    ("not understood", JA, "main", wrote("天気は？"), "main", ["Choice:申し訳ありません、うまく ?"]),
    ("a photo", EN, "main", Wrote(PHOTO), "main", ["Choice:Sorry, I did ?"]),
    ("sealed", EN, "main", Wrote(None), "main", ["Choice:Sorry, I did ?"]),
    ("emoji only", EN, "main", wrote("👍"), "main", ["Choice:Sorry, I did ?"]),
    ("a person", EN, "main", wrote("talk to a person"), "main", ["Text:One moment, ", "HandOver"]),
    ("by the pick's id", EN, "main", wrote("person"), "main", ["Text:One moment, ", "HandOver"]),
    ("the end", EN, "main", wrote("5"), "main", ["Text:Thank you, a ."]),
    ("nobody there", EN, "order", Refused("nobody_available"), "order", ["Choice:Nobody is he"]),
    ("not sendable", EN, "order", Refused("unsupported_content"), "order", ["HandOver"]),
    ("a node that is gone", EN, "gone", wrote("1"), "main", ["Choice:Welcome to A"]),
]


@pytest.mark.parametrize(
    ("menu", "at", "given", "to", "acts"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_step(menu: Menu, at: str | None, given: Given, to: str | None, acts: list[str]) -> None:
    after, done = step(menu, at, given)
    assert (after, [said(act).rstrip() for act in done]) == (to, [a.rstrip() for a in acts])


def offered(content: Content) -> Choice:
    assert isinstance(content, Choice)
    return content


def test_up_to_three_choices_are_buttons_and_more_a_list() -> None:
    _, [main] = step(EN, None, wrote("hi"))
    _, [order] = step(EN, "main", wrote("2"))
    assert isinstance(main, SendMessage)
    assert isinstance(order, SendMessage)
    assert isinstance(main.content, Clear)
    assert isinstance(order.content, Clear)
    assert offered(main.content.content).style is ChoiceStyle.LIST
    assert offered(main.content.content).label == "Topics"
    assert offered(order.content.content).style is ChoiceStyle.BUTTONS
    assert [o.id for o in offered(order.content.content).options] == ["order/1", "order/2", "order/3"]


def test_hand_over_asks_and_failure_does_not() -> None:
    menu = parse_menu(TINY.replace("end: true", "hand_over: sales"))
    assert step(menu, "a", wrote("1"))[1] == [HandOver(HandOverReason.BOT_ASKED, "sales")]
    assert step(menu, "a", Refused("window_closed"))[1] == [HandOver(HandOverReason.BOT_FAILED, anyway=True)]


TINY = """\
start: a
greeting: Hi
not_understood: Eh
nobody_available: Nobody
nodes:
  a:
    text: Which?
    choices:
      - title: One
        end: true
"""


def test_ending_without_a_word() -> None:
    assert step(parse_menu(TINY), "a", wrote("one"))[1] == [End()]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", ["line 1: the menu is empty"]),
        ("a: [", ["line 1: this is not YAML: expected the node content, but found '<stream end>'"]),
        ("- a", None),
        (TINY.replace("start: a", "start: b"), ["line 1: there is no node `b`"]),
        (TINY.replace("end: true", "go: b"), ["line 10: there is no node `b`"]),
        (TINY.replace("end: true", "end: maybe"), ["line 10: `end` is true"]),
        (TINY.replace("end: true", "hand_over: [x]"), ["line 10: `hand_over` is true or a department"]),
        (TINY + "        go: a\n", ["line 10: a choice has one of go, hand_over and end, not go and end"]),
        (TINY.replace("greeting: Hi\n", ""), ["line 1: a menu needs `greeting`"]),
        (
            TINY.replace("title: One", "titel: One"),
            ["line 9: unknown key `titel` in a choice", "line 9: a choice needs `title`"],
        ),
        (TINY.replace("title: One", f"title: {'x' * 25}"), ["line 9: a title has at most 24 characters"]),
        (TINY + "      - title: Two\n        id: 1\n", ["line 11: id `1` stands twice in node `a`"]),
        (
            TINY + "  b:\n    text: T\n    choices: []\n",
            ["line 13: node `b` needs `choices`, a list of 1 to 10"],
        ),
        (TINY + "  b/c:\n    text: T\n    choices: [{title: x}]\n", ["line 11: a node's name holds no `/`"]),
    ],
)
def test_faults_are_named_by_line(text: str, faults: list[str] | None) -> None:
    with pytest.raises(MenuError) as caught:
        parse_menu(text)
    if faults is not None:
        assert str(caught.value).splitlines() == faults
