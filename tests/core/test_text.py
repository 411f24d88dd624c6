"""Splitting of text: nothing lost, nothing too long, never within a character as people see it."""

from __future__ import annotations

import time

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.capabilities import Unit
from gateway.core.text import length, split_text

FAMILY = "👨‍👩‍👧‍👦"
FLAGS = "🇯🇵🇩🇪"
GA = "か\u3099"
POINTS, UTF16, BYTES = Unit.CODE_POINTS, Unit.UTF16, Unit.BYTES

LENGTHS = [
    ("", 0, 0, 0),
    ("abc", 3, 3, 3),
    ("é", 1, 1, 2),
    ("日本", 2, 2, 6),
    ("😀", 1, 2, 4),
    (FAMILY, 7, 11, 25),
    ("\u07ff\u0800\uffff\U00010000", 4, 5, 12),
]


@pytest.mark.parametrize(("text", "points", "utf16", "size"), LENGTHS)
def test_length(text: str, points: int, utf16: int, size: int) -> None:
    assert [length(text, unit) for unit in (POINTS, UTF16, BYTES)] == [points, utf16, size]
    assert length(text, UTF16) == len(text.encode("utf-16-le")) // 2
    assert length(text, BYTES) == len(text.encode())


SPLITS = [
    ("empty text has no part", "", 5, POINTS, ()),
    ("what fits stays whole", "one two", 7, POINTS, ("one two",)),
    ("paragraph", "First one.\n\nSecond one here.", 20, POINTS, ("First one.\n\n", "Second one here.")),
    ("line", "First line\nsecond line", 15, POINTS, ("First line\n", "second line")),
    ("sentence", "It is so. And then it is not.", 20, POINTS, ("It is so. ", "And then it is not.")),
    ("a number is no end", "Pay 3.14159265 now", 10, POINTS, ("Pay ", "3.14159265", " now")),
    ("sentence with quote", 'He said "no." She left.', 16, POINTS, ('He said "no." ', "She left.")),
    (
        "Japanese sentence",
        "今日は。明日はどうですか？はい",
        10,
        POINTS,
        ("今日は。", "明日はどうですか？", "はい"),
    ),
    ("Japanese bracket stays", "「はい。」次です", 6, POINTS, ("「はい。」", "次です")),
    ("Japanese comma", "東京都、大阪府と京都府", 8, POINTS, ("東京都、", "大阪府と京都府")),
    ("word", "alpha beta gamma", 11, POINTS, ("alpha beta ", "gamma")),
    ("no boundary at all", "あいうえおかき", 3, POINTS, ("あいう", "えおか", "き")),
    ("bytes", "あいうえ", 7, BYTES, ("あい", "うえ")),
    ("utf16", "😀😀😀", 5, UTF16, ("😀😀", "😀")),
    ("family stays together", "ab" + FAMILY, 8, POINTS, ("ab", FAMILY)),
    ("flags stay together", FLAGS, 3, POINTS, ("🇯🇵", "🇩🇪")),
    ("combining mark stays", "x" + GA * 2, 4, POINTS, ("x" + GA, GA)),
    ("CR LF stays together", "abc\r\nd", 4, POINTS, ("abc", "\r\nd")),
    (
        "CR LF stays together behind a cut cluster",
        FAMILY + "\r\n",
        4,
        POINTS,
        (FAMILY[:4], FAMILY[4:], "\r\n"),
    ),
    ("too large a cluster is cut at code points", FAMILY, 4, POINTS, (FAMILY[:4], FAMILY[4:])),
    ("no blank last part", "abcdef\n", 6, POINTS, ("abcde", "f\n")),
    ("no blank first part", "\n\nabcdef", 6, POINTS, ("\n\nabcd", "ef")),
    ("white space goes with the part before", "abcd    ef", 6, POINTS, ("abcd  ", "  ef")),
]


@pytest.mark.parametrize(
    ("text", "limit", "unit", "parts"), [row[1:] for row in SPLITS], ids=[r[0] for r in SPLITS]
)
def test_split(text: str, limit: int, unit: Unit, parts: tuple[str, ...]) -> None:
    assert split_text(text, limit, unit) == parts


@pytest.mark.parametrize(("limit", "unit"), [(0, POINTS), (-1, POINTS), (1, UTF16), (3, BYTES)])
def test_a_limit_below_one_character_is_refused(limit: int, unit: Unit) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        split_text("😀", limit, unit)


PIECES = st.sampled_from(
    [
        FAMILY,
        FLAGS,
        GA,
        "👍🏽",
        "❤️",
        "e\u0301\u0302",
        "。",
        "！？",
        "」",
        "、",
        " ",
        "\n",
        "\n\n",
        "\r\n",
        ". ",
        "日本語",
        "word",
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join)


@settings(max_examples=300)
@given(TEXTS, st.integers(4, 40), st.sampled_from(Unit))
@example("\r\n" * 5 + FAMILY, 4, POINTS)
def test_split_keeps_everything(text: str, limit: int, unit: Unit) -> None:
    parts = split_text(text, limit, unit)
    assert "".join(parts) == text
    assert all(0 < length(part, unit) <= limit for part in parts)


@settings(max_examples=300)
@given(TEXTS, st.integers(4, 40), st.sampled_from(Unit))
def test_split_never_cuts_a_cluster_that_fits(text: str, limit: int, unit: Unit) -> None:
    clusters = {m.span() for m in regex.finditer(r"\X", text)}
    cut = 0
    for part in split_text(text, limit, unit)[:-1]:
        cut += len(part)
        for start, end in clusters:
            assert not start < cut < end or length(text[start:end], unit) > limit


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(["ab", "c", "日本", "。", "d. "]), min_size=1, max_size=40),
    st.sampled_from(" \n"),
    st.integers(3, 20),
)
def test_single_white_space_never_makes_a_blank_part(words: list[str], space: str, limit: int) -> None:
    parts = split_text(space + space.join(word.strip() for word in words) + space, limit, POINTS)
    assert all(part.strip() for part in parts)


def test_split_takes_time_in_proportion() -> None:
    for text in (" " * 200_000, "a" * 200_000, "\n" * 200_000, "日本。" * 60_000):
        started = time.process_time()
        split_text(text, 50, UTF16)
        assert time.process_time() - started < 5
