"""Merge fields: clean sentences without a value, exact ones with it, and what is refused on saving."""

from __future__ import annotations

import itertools
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.merge_field_catalogue import BY_KEY, CATALOGUE, LIMITS, Situation, sample_values
from gateway.core.merge_fields import ProblemCode, check, find_fields, merge
from gateway.core.person_name import split_name
from gateway.core.starter_texts import STARTER_TEXTS

SHORT = {
    "F": "Contacts.First Name",
    "L": "Contacts.Last Name",
    "N": "Contacts.Full Name",
    "A": "User.Support Rep Name",
    "O": "Organization.Name",
    "W": "Organization.Address",
    "H": "Department.Hours",
    "X": "Department.Next Opening",
    "T": "Ticket.Number",
}


def long(text: str) -> str:
    """`<F>` stands for `${Contacts.First Name}` and so on."""
    return re.sub(r"<([A-Z])>", lambda match: f"${{{SHORT[match[1]]}}}", text)


# What is left when no field has a value.
GAPS = [
    # a name that is only addressed
    ("Hello <F>, we received your message.", "Hello, we received your message."),
    ("Hello <F>!", "Hello!"),
    ("Hi <F> 👋 We got it.", "Hi 👋 We got it."),
    ("Hi there <F>.", "Hi there."),
    ("Good morning <F> <L>, all is well.", "Good morning, all is well."),
    ("Hello Mr. <L>, we received it.", "Hello, we received it."),
    ("Thank you <F>.\nMore.", "Thank you.\nMore."),
    ("Thank you, <F>.", "Thank you."),
    ("Thank you, <F>, for writing.", "Thank you, for writing."),
    ("We got your message, <F>!", "We got your message!"),
    ("Dear <N>! We received it.", "We received it."),
    ("Dear <N>,\n\nwe have received your message.", "We have received your message."),
    ("Dear Ms. <L>, we received it.", "We received it."),
    ("dear <F>,\nécrit", "Écrit"),
    ("<F>, we received it.", "We received it."),
    ("We got it. <F>, please wait.", "We got it. Please wait."),
    ("<F>! Got it.", "Got it."),
    ("Got it.\n\nBest regards,\n<A>", "Got it.\n\nBest regards"),
    ("Got it.\nBest regards, <A>\nExample Ltd", "Got it.\nBest regards\nExample Ltd"),
    ("Got it.\n\n<A>\n\nBye.", "Got it.\n\nBye."),
    # brackets
    ("We received it (ticket #<T>).", "We received it."),
    ("We received it (ticket #<T>, <X>) today.", "We received it today."),
    ("[<T>] We received it.", "We received it."),
    ("We are closed [<H>], sorry.", "We are closed, sorry."),
    # a sentence that needs its value
    ("We got it. Your ticket number is <T>. Bye.", "We got it. Bye."),
    ("We got it. Your ticket #<T> was created.", "We got it."),
    ("My name is <A>. We got it.", "We got it."),
    ("We got it. <F>'s ticket is open.", "We got it."),
    ("Our hours: <H>\nWe got it.", "We got it."),
    ("We got it.\n- Hours: <H>\n- Opens: <X>\nBye.", "We got it.\nBye."),
    ("We got it.\n\nTicket: <T>\n\nBye.", "We got it.\n\nBye."),
    ("We got it. Ask Mr. Jones about <T>. Bye.", "We got it. Bye."),
    ("We got it. 1.5 days before <X>. Bye.", "We got it. Bye."),
    ('We got it. "Open on <X>." Bye.', "We got it. Bye."),
    ("We got it!! Ticket <T>... Bye?", "We got it!! Bye?"),
    ("1. Wait for <T>.\n2. Answer.", "2. Answer."),
    # beside a field; nothing but fields; the only sentence
    ("<O> <W>", ""),
    ("<F>", ""),
    ("  <F>、<L>。 ", ""),
    ("#<T>", ""),
    ("👋 <F>", "👋"),
    ("「<T>」", ""),
    ("Your ticket is #<T>.", "Your ticket is."),
    ("Ticket #<T>, open at <X>, closed", "Ticket, open at, closed"),
    # Japanese
    ("<N>様\n\nお問い合わせありがとうございます。", "お問い合わせありがとうございます。"),
    ("<N> 様、お問い合わせを受け取りました。", "お問い合わせを受け取りました。"),
    ("<L>\u3000様\u3000受け取りました。", "受け取りました。"),
    ("<L> <F>さん、受け取りました。", "受け取りました。"),
    ("こんにちは、<F>さん。受け取りました。", "こんにちは。受け取りました。"),
    ("こんにちは、<F>さん👋 届きました。", "こんにちは👋 届きました。"),
    ("<N>様からのお問い合わせを承りました。", "お問い合わせを承りました。"),
    ("<N>様のメッセージを受け取りました。", "メッセージを受け取りました。"),
    ("承りました。営業時間は<H>です。またね。", "承りました。またね。"),
    ("承りました。営業時間は、<H>。またね。", "承りました。またね。"),
    ("承りました（チケット番号：<T>）。", "承りました。"),
    ("【<O>】\n承りました。", "承りました。"),
    ("承りました。\nチケット番号：<T>\nお待ちください。", "承りました。\nお待ちください。"),
    ("担当の<A>です。承りました。", "承りました。"),
    ("<O>サポートです。承りました！「<T>」です。", "承りました！"),
]


@pytest.mark.parametrize(("text", "left"), GAPS)
def test_no_value_leaves_a_clean_text(text: str, left: str) -> None:
    assert merge(long(text), {}) == left


SOME = [
    ("Dear <F> <L>, hello.", {"L": "Sato"}, "Dear Sato, hello."),
    ("Dear <F> <L>, hello.", {"F": "Ann"}, "Dear Ann, hello."),
    ("<L> <F>様、どうも。", {"L": "田中"}, "田中様、どうも。"),
    ("Hi <F>, we got it. Ticket <T>.", {"F": "Ann"}, "Hi Ann, we got it."),
    ("Hi <F>, we got it. Ticket <T>.", {"T": "7"}, "Hi, we got it. Ticket 7."),
    ("<O>, <W>", {"O": "Acme"}, "Acme"),
    ("Hi <F>", {"F": "  \n "}, "Hi"),
    ("Hi <F>", {"F": "A\nB\u2028C\x00D"}, "Hi A B C D"),
    ("At <W>", {"W": "1 Street\nTown"}, "At 1 Street\nTown"),
    ("Hi <F>! <X>", {"F": "${Ticket.Number} ( ) , ,  x"}, "Hi ${Ticket.Number} ( ) , ,  x!"),
    ("Hi <F>. <T>", {"F": "Bob. We are <open>", "T": "\\1 \\g<0>"}, "Hi Bob. We are <open>. \\1 \\g<0>"),
    ("Price $5 and {x} and ${ and $<T>", {"T": "7"}, "Price $5 and {x} and ${ and $7"),
    ("Hi ${Nobody.Knows}, got it.", {}, "Hi, got it."),
    ("Hi ${}, got it.", {}, "Hi, got it."),
]


@pytest.mark.parametrize(("text", "values", "merged"), SOME)
def test_merge(text: str, values: dict[str, str], merged: str) -> None:
    assert merge(long(text), {SHORT[key]: value for key, value in values.items()}) == merged


def test_find_fields() -> None:
    found = find_fields("Hi ${Contacts.First Name}, 👋 ${x}${")
    assert [(field.key, field.start, field.end) for field in found] == [
        ("Contacts.First Name", 3, 25),
        ("x", 29, 33),
    ]


OFFLINE, SECOND = Situation.OFFLINE_MESSAGE, Situation.OFFLINE_WITHOUT_TICKET
CHECKED = [
    ("good", "Hello <F>, got it.", OFFLINE, []),
    ("dollar and brackets are text", "It is $5 {or} $ {more}}.", OFFLINE, []),
    ("case", "Hi ${contacts.first name}.", OFFLINE, [("unknown_field", 3, "Contacts.First Name")]),
    ("space", "Hi ${ Contacts.First Name}.", OFFLINE, [("unknown_field", 3, "Contacts.First Name")]),
    ("misspelt", "Hi ${Contact.FirstName}.", OFFLINE, [("unknown_field", 3, "Contacts.First Name")]),
    ("without its group", "Hi ${Next Opening}.", OFFLINE, [("unknown_field", 3, "Department.Next Opening")]),
    ("nothing near", "Hi ${zzzzzzzz}.", OFFLINE, [("unknown_field", 3, None)]),
    ("no key", "Hi ${}.", OFFLINE, [("unknown_field", 3, None)]),
    ("not closed", "Hi ${Contacts.First Name", OFFLINE, [("unbalanced", 3, None)]),
    ("closed on another line", "Hi ${a\n}", OFFLINE, [("unbalanced", 3, None)]),
    ("in one another", "Hi ${a ${Ticket.Number}}", OFFLINE, [("unbalanced", 3, None)]),
    ("agent offline", "Got it. I am <A>.", OFFLINE, [("always_empty", 13, None)]),
    ("agent in a canned reply", "Got it. I am <A>.", Situation.CANNED_REPLY, []),
    ("ticket in the first text", "Got it. Ticket <T>.", OFFLINE, []),
    ("ticket in the second text", "Got it. Ticket <T>.", SECOND, [("always_empty", 15, None)]),
    ("as long as allowed", "👋" * 1600, OFFLINE, []),
    ("too long", "x" * 1601, OFFLINE, [("too_long", 1600, None)]),
    ("a canned reply has no limit of its own", "x" * 1601, Situation.CANNED_REPLY, []),
    ("blank", " \n", OFFLINE, [("blank", 0, None)]),
    ("only a sentence with a gap", "Your ticket is <T>.", OFFLINE, [("nothing_left", 0, None)]),
    ("in order", "Hi ${y ${zzzzzzzz}, <A>", OFFLINE, [("unbalanced", 3, None), ("unknown_field", 7, None), ("always_empty", 20, None)]),
]  # fmt: skip


@pytest.mark.parametrize("row", CHECKED, ids=[row[0] for row in CHECKED])
def test_check(row: tuple[str, str, Situation, list[tuple[str, int, str | None]]]) -> None:
    _, text, situation, wanted = row
    problems = check(long(text), situation)
    assert [(problem.code.value, problem.at, problem.suggestion) for problem in problems] == wanted
    for problem in problems:
        assert problem.detail.keys() == {"en", "ja"}
        assert problem.refused is (problem.code not in (ProblemCode.ALWAYS_EMPTY, ProblemCode.NOTHING_LEFT))


def test_the_catalogue_is_whole() -> None:
    assert set(SHORT.values()) <= BY_KEY.keys()
    assert len(BY_KEY) == len(CATALOGUE) == 15
    for field in CATALOGUE:
        assert field.label.keys() == field.sample.keys() == {"en", "ja"}
    assert "User.E-mail" not in sample_values("en", OFFLINE)
    assert set(LIMITS.values()) == {1600}


# -- starter texts ------------------------------------------------------------------------------------------

STARTERS = [(starter.key, language) for starter in STARTER_TEXTS for language in ("en", "ja")]
CLEAN = re.compile(
    r"  |\s[,.!?:;、。！？]|[,、]\s*[,.!、。！]|\(\s*\)|（\s*）|#(?!\d)|\$\{|^[\s,.!?、。]|[,、]$|(?<!\w)様|、さん|\n\n\n"
)


@pytest.mark.parametrize(("key", "language"), STARTERS)
def test_starter_texts(key: str, language: str) -> None:
    text = next(starter.text[language] for starter in STARTER_TEXTS if starter.key == key)
    assert check(text, OFFLINE) == []
    says_received = (
        r"received|reached|arrived|got your message" if language == "en" else r"受け取り|届い|受け付け"
    )
    values = sample_values(language, OFFLINE)
    used = sorted({field.key for field in find_fields(text)})
    for number in range(len(used) + 1):
        for some in itertools.combinations(used, number):
            merged = merge(text, {name: values[name] for name in some})
            assert re.search(says_received, merged), merged
            assert not CLEAN.search(merged), merged
            assert merged[0] == merged[0].upper()


def test_the_ticket_text_makes_no_claim_without_a_ticket() -> None:
    starter = next(starter for starter in STARTER_TEXTS if starter.key == "with_ticket")
    assert "ticket" not in merge(starter.text["en"], {}).lower()
    assert "チケット" not in merge(starter.text["ja"], {})


# -- properties ---------------------------------------------------------------------------------------------

KEYS = st.sampled_from(sorted(BY_KEY))
PIECES = st.one_of(
    KEYS.map(lambda key: f"${{{key}}}"),
    st.sampled_from(["${", "}", "$", "${}", "${x}", "Dear ", "Hello ", "様", "、", "。", ", ", ". ", "(", ")", "#", "\n", " "]),
    st.text(max_size=5),
)  # fmt: skip
FIELD = re.compile(r"\$\{[^{}\n]*\}")
TEXTS = st.lists(PIECES, max_size=25).map("".join)
VALUES = st.dictionaries(
    KEYS, st.text(max_size=8) | st.sampled_from(["${Ticket.Number}", "${}", "\\1", "\n"])
)


@settings(max_examples=400, deadline=None)
@given(TEXTS, VALUES)
def test_merge_never_fails_and_leaves_no_field(text: str, values: dict[str, str]) -> None:
    merged = merge(text, values)
    assert "\x00" not in merged or "\x00" in text
    if not any("$" in value or "{" in value for value in values.values()) and "${" not in FIELD.sub("", text):
        assert not find_fields(merged)
    check(text, OFFLINE)


@settings(deadline=None)
@given(TEXTS)
def test_a_text_without_fields_stays_as_it_is(text: str) -> None:
    if not find_fields(text):
        assert merge(text, {}) == text


@settings(max_examples=300, deadline=None)
@given(st.lists(KEYS | st.text(st.characters(exclude_characters="${}"), max_size=6), max_size=15), st.data())
def test_with_all_values_it_is_plain_substitution(parts: list[str], data: st.DataObject) -> None:
    graph = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=8)
    values = {part: data.draw(graph) for part in parts if part in BY_KEY}
    text = "".join(f"${{{part}}}" if part in BY_KEY else part for part in parts)
    assert merge(text, values) == "".join(values.get(part, part) for part in parts)


GREETING = st.sampled_from(
    ["Hello <F>, ", "Dear <N>, ", "Hi <F>! ", "<F>, ", "Thank you, <F>. ", "Dear Mr. <L>,\n\n", ""]
)
SENTENCE = st.sampled_from(
    ["We got it. ", "Ticket: <T>. ", "We got it (ticket #<T>). ", "Open on <X>!\n", "Hours: <H>\n", "Bye, <F>.\n\n", "I am <A>. "]
)  # fmt: skip


@settings(deadline=None)
@given(GREETING, st.lists(SENTENCE, max_size=5), st.sets(st.sampled_from(sorted(SHORT))))
def test_any_usual_text_is_clean_with_any_values(greeting: str, sentences: list[str], some: set[str]) -> None:
    text = long(greeting + "We received your message. " + "".join(sentences)).strip()
    merged = merge(text, {SHORT[name]: "7" for name in some})
    assert "received your message." in merged
    assert not CLEAN.search(merged), merged


@pytest.mark.parametrize(
    "piece",
    ["${x}", "(", "(${x}", "Dear ${x}", " ", ", ${x}", "「${x}」。", "${", "\n${x}", "Hello ", "${x}様"],
)
def test_merge_takes_time_in_proportion(piece: str) -> None:
    started = time.process_time()
    merge(piece * (16_000 // len(piece)), {})
    check(piece * (16_000 // len(piece)), OFFLINE)
    assert time.process_time() - started < 5


# -- names --------------------------------------------------------------------------------------------------

NAMES = [
    ("Ann Smith", "Ann", "Smith"),
    ("Ann Marie Smith", "Ann Marie", "Smith"),
    ("Ann", "Ann", ""),
    ("", "", ""),
    ("Ludwig van Beethoven", "Ludwig", "van Beethoven"),
    ("Juan de la Cruz", "Juan", "de la Cruz"),
    ("Van Morrison", "Van", "Morrison"),
    ("de Gaulle", "de", "Gaulle"),
    ("Martin Luther King Jr.", "Martin Luther", "King Jr."),
    ("Martin King, Jr.", "Martin", "King, Jr."),
    ("Smith, Ann", "Ann", "Smith"),
    ("Dr. Ann Smith", "Ann", "Smith"),
    ("Ann 🌸", "Ann", ""),
    ("🌸 Ann Smith 🌸", "Ann", "Smith"),
    ("🌸", "", ""),
    ("  Ann \n Smith ", "Ann", "Smith"),
    ("田中 由紀", "由紀", "田中"),
    ("田中\u3000由紀", "由紀", "田中"),
    ("佐々木 ゆき", "ゆき", "佐々木"),
    ("タナカ ユキ", "ユキ", "タナカ"),
    ("ジョン・スミス", "ジョン", "スミス"),
    ("ジョン・F・ケネディ", "ジョン・F", "ケネディ"),
    ("田中由紀", "田中由紀", ""),
    ("김 철수", "철수", "김"),
    ("Yuki 田中", "Yuki", "田中"),
    ("Mr.", "Mr.", ""),
]


@pytest.mark.parametrize(("full", "first", "last"), NAMES)
def test_split_name(full: str, first: str, last: str) -> None:
    assert split_name(full) == (first, last)


@settings(deadline=None)
@given(st.text())
def test_split_name_never_fails(full: str) -> None:
    first, last = split_name(full)
    assert first == first.strip()
    assert last == last.strip()
