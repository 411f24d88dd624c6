"""What an agent does: accept, assign, send, send and complete, end, reopen, and each refusal with its way out."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.page import Screen
from tests.e2e.screen.fake_backend import FakeBackend, now, rung, status


def _send(screen: Screen, backend: FakeBackend, text: str) -> str:
    """Sends and returns the id of the message that the backend made."""
    screen.send(text)
    expect(screen.page.locator("[data-pending]")).to_have_count(0)
    expect(screen.last("agent")).to_contain_text(text)
    return str(backend.conversations["c1"].items[-1]["id"])


COMPOSE = """(el, init) => el.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true, cancelable: true, ...init}))"""


def test_wrong_password_is_said_in_plain_words(screen: Screen) -> None:
    screen.page.fill("input[name=email]", "sato@example.com")
    screen.page.fill("input[name=password]", "wrong")
    screen.page.click("button[type=submit]")
    expect(screen.page.get_by_role("alert")).to_contain_text("正しくありません")


def test_from_queue_to_completed(mine: Screen, backend: FakeBackend) -> None:
    assert mine.owner() == "agent"
    item = _send(mine, backend, "ご不便をおかけしました。")
    for shown in ("sent", "delivered", "read"):
        backend.change("c1", item, status=status(shown))
        mine.expect_tick(shown)
    mine.send_and_complete("これで完了します。")
    mine.expect_status("completed")
    expect(mine.page.locator(".sys").last).to_contain_text("会話を完了しました")
    assert mine.system_codes() == ["accepted", "sent_and_completed"]
    assert [b["complete"] for b in backend.wrote("POST", "/messages") if b and "complete" in b] == [True]


def test_end_and_reopen(mine: Screen) -> None:
    mine.do("end")
    mine.expect_state("completed")
    expect(mine.page.locator("[data-system=ended]")).to_have_text(re.compile("終了しました.*20\\d\\d/"))
    mine.do("reopen")
    mine.expect_state(None)
    assert mine.system_codes() == ["accepted", "ended", "reopened"]


def test_block_asks_once_more_and_unblock(mine: Screen, backend: FakeBackend) -> None:
    mine.page.locator("details.block summary").click()
    mine.do("block")
    mine.expect_state("blocked")
    expect(mine.page.locator("[data-system=ended]")).to_contain_text("ブロックされたため")
    assert mine.system_codes() == ["accepted", "blocked", "ended"]
    expect(mine.box).to_be_disabled()
    mine.do("unblock")
    mine.expect_state("completed")
    assert mine.system_codes()[-1] == "unblocked"


def test_back_into_the_queue(mine: Screen, backend: FakeBackend) -> None:
    mine.do("assign-menu")
    mine.page.locator("[data-queue=tokyo]").click()
    expect(mine.page.locator("[data-system=queued]")).to_contain_text(
        "会話が「サポート東京」の待ち行列に入りました"
    )
    assert mine.owner() == "queue"
    assert [b["department_id"] for b in backend.wrote("POST", "/transfer") if b] == ["tokyo"]


def test_what_happened_by_itself_is_told(mine: Screen, backend: FakeBackend) -> None:
    rule = {"kind": "rule", "id": "offline", "name": "offline_message"}
    backend.system("c1", "ticket", by=rule, number=10004, subject="x", message_id=None)
    feature = {"id": "offline", "name": "offline_message"}
    backend.message("c1", "automatic", "担当者は不在です。", sender=feature)
    backend.message("c1", "automatic", "割り当てのお知らせ", sender={"id": "assignment", "name": "x"})
    backend.system("c1", "auto_completed", by={"kind": "rule", "id": "completion", "name": "auto_completion"})
    expect(mine.page.locator("[data-system=ticket]")).to_contain_text("チケット10004が自動で作成されました")
    expect(mine.page.locator("[data-system=auto_completed]")).to_contain_text("自動で完了しました")
    by = mine.page.locator("[data-from=automatic] .by")
    expect(by.nth(0)).to_contain_text("オフラインのお知らせ")
    expect(by.nth(1)).to_contain_text("自動割り当て")


def test_a_reply_reopens(mine: Screen) -> None:
    mine.do("end")
    mine.expect_state("completed")
    mine.send("追加のご案内です。")
    mine.expect_status("open")
    expect(mine.last("agent")).to_contain_text("追加のご案内です。")


def test_refused_send_keeps_the_draft_and_offers_the_way_out(inside: Screen, backend: FakeBackend) -> None:
    inside.send("私が返信します")
    inside.expect_refusal("not_owner")
    expect(inside.box).to_have_value("私が返信します")
    expect(inside.last("agent")).to_have_count(0)
    inside.do("assign")
    inside.expect_state(None)
    inside.do("send")
    expect(inside.last("agent")).to_contain_text("私が返信します")
    expect(inside.box).to_have_value("")


def test_end_by_somebody_else_is_refused_with_an_offer(inside: Screen) -> None:
    inside.do("end")
    inside.expect_refusal("not_assigned")
    inside.do("assign")
    inside.expect_state(None)


def test_two_agents_accept_at_once(inside: Screen, backend: FakeBackend) -> None:
    backend.refuse("accept", "already_taken")
    inside.do("accept")
    inside.expect_refusal("already_taken")
    expect(inside.page.locator(".comp [role=alert]")).to_contain_text("ほかの担当者")
    other = {"kind": "agent", "id": "agent-suzuki", "name": "鈴木 健"}
    backend.alter("c1", owner=other)
    inside.expect_state("agent")
    expect(inside.page.locator(".comp .notice")).to_contain_text("鈴木 健")


def test_assign_to_another_agent(mine: Screen, backend: FakeBackend) -> None:
    mine.assign_to("agent-suzuki")
    mine.expect_state("agent")
    expect(mine.page.locator(".sys").last).to_contain_text("鈴木 健さんに割り当てました")


@pytest.mark.parametrize(
    "code", ["stale_epoch", "window_closed", "blocked", "conversation_parked", "a_new_code"]
)
def test_every_refusal_has_words(mine: Screen, backend: FakeBackend, code: str) -> None:
    backend.refuse("messages", code)
    mine.send("こんにちは")
    mine.expect_refusal(code)
    expect(mine.box).to_have_value("こんにちは")


def test_no_result_yet_shows_a_clock_until_it_comes(mine: Screen, backend: FakeBackend) -> None:
    backend.later.add("messages")
    backend.silent_items = True
    mine.send("お待ちください")
    expect(mine.page.locator("[data-pending=waiting]")).to_be_visible()
    expect(mine.page.locator("[data-pending=sent]")).to_be_visible()
    backend.silent_items = False
    item = backend.conversations["c1"].items[-1]
    backend.change("c1", item["id"], status=status("sent"))
    mine.expect_tick("sent")
    assert mine.texts().count("お待ちください") == 1


def test_the_event_may_come_before_the_answer(mine: Screen, backend: FakeBackend) -> None:
    backend.answer_after_event = 1.0
    mine.send("一度だけ")
    mine.send("一度だけ")
    expect(mine.page.locator("article[data-from=agent]")).to_have_count(2)
    expect(mine.page.locator("[data-pending]")).to_have_count(0)
    assert mine.texts().count("一度だけ") == 2


def test_without_connection_the_message_stays_and_is_sent_once(mine: Screen, backend: FakeBackend) -> None:
    backend.down = True
    mine.send("つながらない")
    expect(mine.page.locator("[data-pending=unsent]")).to_contain_text("つながらない")
    backend.down = False
    mine.do("retry")
    expect(mine.page.locator("[data-pending]")).to_have_count(0)
    expect(mine.last("agent")).to_contain_text("つながらない")
    ids = [b["client_id"] for b in backend.wrote("POST", "/messages") if b]
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_enter_during_composition_does_not_send(mine: Screen, backend: FakeBackend) -> None:
    mine.box.fill("にほんご")
    mine.box.evaluate(COMPOSE, {"isComposing": True})
    mine.box.evaluate(COMPOSE, {"keyCode": 229})
    mine.box.evaluate("el => el.dispatchEvent(new CompositionEvent('compositionstart', {bubbles: true}))")
    mine.box.evaluate(COMPOSE, {})
    expect(mine.box).to_have_value("にほんご")
    assert backend.wrote("POST", "/messages") == []
    mine.box.evaluate("el => el.dispatchEvent(new CompositionEvent('compositionend', {bubbles: true}))")
    mine.box.press("Enter")
    expect(mine.last("agent")).to_contain_text("にほんご")


def test_a_real_input_method_session(mine: Screen, backend: FakeBackend) -> None:
    mine.box.focus()
    devtools = mine.page.context.new_cdp_session(mine.page)
    devtools.send("Input.imeSetComposition", {"text": "へんじ", "selectionStart": 3, "selectionEnd": 3})
    mine.box.evaluate(COMPOSE, {"isComposing": True, "keyCode": 229})
    devtools.send("Input.insertText", {"text": "返事"})
    expect(mine.box).to_have_value("返事")
    assert backend.wrote("POST", "/messages") == []
    mine.box.press("Enter")
    expect(mine.last("agent")).to_contain_text("返事")


def test_shift_enter_starts_a_line(mine: Screen, backend: FakeBackend) -> None:
    mine.box.fill("一行目")
    mine.box.press("Shift+Enter")
    mine.box.press_sequentially("二行目")
    expect(mine.box).to_have_value("一行目\n二行目")
    mine.box.press("Enter")
    expect(mine.last("agent")).to_contain_text("二行目")
    assert backend.wrote("POST", "/messages")[0]["content"] == {"type": "text", "body": "一行目\n二行目"}  # type: ignore[index]


def test_drafts_are_per_conversation_and_survive(mine: Screen, backend: FakeBackend) -> None:
    backend.add("c2", "Lin Wei")
    backend.message("c2", "contact", "hello")
    mine.box.fill("書きかけ")
    mine.open_view("all")
    mine.open_conversation("Lin Wei")
    expect(mine.box).to_have_value("")
    mine.box.fill("another")
    mine.page.reload()
    mine.wait_live()
    expect(mine.box).to_have_value("another")
    mine.open_conversation("田中 由紀")
    expect(mine.box).to_have_value("書きかけ")


def test_failed_message_says_why_and_is_sent_again(mine: Screen, backend: FakeBackend) -> None:
    item = _send(mine, backend, "届きますか")
    problem = {
        "code": "undeliverable",
        "detail": "x",
        "provider_code": "131026",
        "fault": "contact",
        "retry": False,
    }
    backend.change("c1", item, status=status("failed", problem=problem, resend="again"))
    mine.expect_tick("failed")
    expect(mine.last("agent")).to_contain_text("ブロックされています")
    assert "ブロックされています" in mine.ticks_of(mine.last("agent"))[1]
    mine.do("resend")
    mine.expect_tick("queued")
    expect(mine.last("agent").locator(".meta")).to_contain_text("2 回目")


def test_unknown_outcome_warns_of_a_double(mine: Screen, backend: FakeBackend) -> None:
    item = _send(mine, backend, "届いたかな")
    backend.change("c1", item, status=status("unknown", resend="confirm"))
    mine.expect_tick("unknown")
    mine.do("resend-ask")
    expect(mine.last("agent")).to_contain_text("二重に届くかもしれません")
    assert backend.wrote("POST", "/resend") == []
    mine.do("resend")
    mine.expect_tick("queued")
    assert backend.wrote("POST", "/resend")[0]["confirm_double"] is True  # type: ignore[index]


def test_a_template_is_asked_for_where_one_is_needed(mine: Screen, backend: FakeBackend) -> None:
    item = _send(mine, backend, "期間外です")
    problem = {
        "code": "window_closed",
        "detail": "x",
        "provider_code": "131047",
        "fault": "window",
        "retry": False,
    }
    backend.change("c1", item, status=status("failed", problem=problem, resend="template"))
    expect(mine.last("agent")).to_contain_text("テンプレートだけ")
    expect(mine.page.locator("[data-action=resend]")).to_have_count(0)


def test_cannot_tell_not_yet_overdue_and_implied_read_differently(mine: Screen, backend: FakeBackend) -> None:
    item = _send(mine, backend, "状態")
    at = now()
    cases = [
        (status("sent"), "到達: まだです"),
        (status("sent", rungs={"sent": rung("reached", at), "delivered": rung("cannot_tell"), "read": rung("cannot_tell")}), "到達: WhatsApp では分かりません"),
        (status("sent", overdue=["delivered"], rungs={"sent": rung("reached", at), "delivered": rung("overdue"), "read": rung("not_yet", hidden=True)}), "到達: 遅れています"),
        (status("read", rungs={"sent": rung("reached", at), "delivered": rung("implied"), "read": rung("reached", at, True)}), "到達: はい(後の通知から推定)"),
    ]  # fmt: skip
    for given, words in cases:
        backend.change("c1", item, status=given)
        mine.expect_tick(given["shown"])
        if not mine.last("agent").locator(".told").count():
            mine.last("agent").locator(".tick").click()
        expect(mine.last("agent").locator(".told")).to_contain_text(words)
    backend.change("c1", item, status=cases[2][0])
    expect(mine.last("agent").locator(".told")).to_contain_text("相手の設定で通知されないことがあります")


def test_presence_and_sign_out(mine: Screen, backend: FakeBackend) -> None:
    mine.page.select_option("[data-action=presence]", "busy")
    expect(mine.page.locator(".presence.busy")).to_be_visible()
    assert backend.me["presence"] == "busy"
    mine.sign_out()
    expect(mine.page.locator(".row")).to_have_count(0)


def test_an_expired_session_leads_to_sign_in_and_keeps_the_draft(mine: Screen, backend: FakeBackend) -> None:
    mine.box.fill("まだ途中")
    backend.expire_sessions()
    expect(mine.page.locator(".signin")).to_contain_text("下書きは残っています")
    mine.sign_in("sato@example.com", "demo")
    expect(mine.box).to_have_value("まだ途中")


def test_a_stale_csrf_token_is_renewed(mine: Screen, backend: FakeBackend) -> None:
    backend.csrf = "renewed"
    mine.send("通りますか")
    expect(mine.page.locator("[data-pending]")).to_have_count(0)
    expect(mine.last("agent")).to_contain_text("通りますか")
