"""What `explain` says: every automatic act with its rule, its facts and its clock, in both languages."""

from __future__ import annotations

import pytest

from gateway.core import commands as k
from gateway.core.actors import Actor, ActorKind
from gateway.core.directory import AutoCompletion, OfflineMessage
from gateway.core.offline import REASONS
from gateway.core.timers import TimerKind
from gateway.explain import explain, facts_in_words, instant, told
from gateway.explain_texts import TEXTS
from tests.core.build import ANN, HOUR, ROBO, T0, WITH_BOT, Talk, command, inbound, send
from tests.core.test_decide_automatic import COMPLETING, fire, with_department

RULE = Actor(ActorKind.RULE, "offline", "offline_message")
FACTS = {"owner": "handed_over", "hours": "out", "presence": "unknown", "at": str(T0), "clock": "21:00 UTC"}


def test_both_languages_have_every_text() -> None:
    assert TEXTS["en"].keys() == TEXTS["ja"].keys()
    for language, texts in TEXTS.items():
        assert all(texts.values()), language
        assert {f"row.{row}" for row in REASONS} <= texts.keys()
    assert {row: TEXTS["en"][f"row.{row}"] for row in REASONS} == REASONS


@pytest.mark.parametrize("language", ["en", "ja", "ja-JP", "de"])
def test_a_hand_over_and_its_offline_message(language: str) -> None:
    offline = OfflineMessage(True, "We got it.", ticket_first=True, text_without_ticket="Got it.")
    talk = Talk(with_department(WITH_BOT, offline=offline))
    talk(inbound(1), command(1, ROBO, k.HandOver(k.HandOverReason.CONTACT_ASKED, anyway=True), epoch=1))
    about = talk.events[-1].event_id
    talk(command(2, RULE, k.OfferOffline("O1", about, T0, FACTS), epoch=2))
    sent, decision = explain(talk.events, language)[-2:]
    assert (sent.rule, sent.act) == ("offline", "sent")
    assert (decision.row, decision.outcome, decision.decided_at) == ("O1", "sent", T0)
    assert talk.events[decision.about - 1].event_id == about  # type: ignore[operator]
    texts = TEXTS["ja" if language.startswith("ja") else "en"]
    assert decision.text == f"{texts['row.O1']} {texts['outcome.sent']}"
    assert texts["presence.unknown"] in decision.details
    assert instant(T0) in decision.details
    assert next(told(decision)).startswith(f"{instant(T0)}  #{decision.seq}  offline O1: ")


def test_a_completion_names_its_deadline() -> None:
    talk = Talk(COMPLETING)
    talk(inbound(1), command(9, ANN, k.Assign("ann")), send(1))
    talk.now = T0 + HOUR
    talk(fire(2, talk, TimerKind.COMPLETION))
    farewell, completed = explain(talk.events, "en")
    assert (farewell.act, farewell.rule) == ("sent", "completion")
    assert completed.text == "The conversation was completed after silence of the contact."
    assert completed.details == f"due at: {instant(T0 + HOUR)}"


def test_what_people_and_contacts_do_is_not_told() -> None:
    talk = Talk(with_department(completion=AutoCompletion(agent_after=HOUR)))
    talk(inbound(1), command(9, ANN, k.Assign("ann")), send(1))
    assert explain(talk.events, "en") == []


def test_an_unknown_word_is_shown_as_it_is() -> None:
    assert facts_in_words({"hours": "odd", "weather": "fine"}, "en") == "business hours: odd; weather: fine"
