"""Phrases in what a contact typed."""

from __future__ import annotations

import pytest

from gateway.core.phrases import fold, has_phrase


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Talk to a PERSON!! ", "talk to a person"),
        ("ＡＢＣ　１２", "abc 12"),
        ("ｵﾍﾟﾚｰﾀｰ", "オペレーター"),
        ("①", "1"),
        ("don’t", "dont"),
        ("Straße", "strasse"),
        ("👍", ""),
        ("e-mail", "e mail"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("agent", "agent", True),
        ("I want an AGENT, please.", "agent", True),
        ("my agentic thing", "agent", False),
        ("reagent", "agent", False),
        ("Can I talk to a real person?", "talk to a real person", True),
        ("talk, to a person", "talk to a person", True),
        ("I'd like a human", "i’d like a human", True),
        ("オペレーターと話したいです。", "オペレーター", True),
        ("ｵﾍﾟﾚｰﾀｰをお願いします", "オペレーター", True),
        ("人 と 話したい", "人と話したい", True),
        ("本人です", "担当者", False),
        ("operatorお願いします", "operator", True),
        ("ＯＰＥＲＡＴＯＲ", "operator", True),
        ("anything", "", False),
        ("anything", "!!", False),
        ("", "agent", False),
    ],
)
def test_has_phrase(text: str, phrase: str, found: bool) -> None:
    assert has_phrase(text, phrase) is found
