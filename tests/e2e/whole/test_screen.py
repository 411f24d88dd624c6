"""A person's way through the demo: the browser on one side, the simulated WhatsApp on the other."""

from __future__ import annotations

import urllib.error
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.browser import launch
from tests.e2e.page import Screen
from tests.e2e.whole.stack import PASSWORD, AgentClient, Demo, until

SHOTS = Path(__file__).parents[3] / "build" / "screenshots"
expect.set_options(timeout=30_000)


@pytest.fixture
def page() -> Iterator[Page]:
    """A browser page whose errors fail the test."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        context = browser.new_context(
            viewport={"width": 1440, "height": 900}, locale="ja-JP", timezone_id="Asia/Tokyo", bypass_csp=True
        )
        made = context.new_page()
        made.on("pageerror", lambda error: errors.append(str(error)))
        yield made
        browser.close()
    assert errors == []


def test_an_agent_answers_and_the_ticks_turn(demo: Demo, page: Page) -> None:
    screen = Screen(page, demo.inbox)
    screen.visit()
    screen.sign_in("misaki@example.com", PASSWORD)
    demo.writes("819000000001", "荷物はいつ届きますか?", "山田 花子", up_to="read", delay=0.2)
    screen.open_view("unassigned")
    screen.open_conversation("山田 花子")
    expect(screen.last("contact")).to_contain_text("荷物はいつ届きますか?")
    screen.do("accept")
    screen.expect_state(None)
    screen.send("明日の午前中にお届けします。")
    screen.expect_tick("read")
    assert [m["body"]["text"]["body"] for m in demo.accepted("819000000001")] == [
        "明日の午前中にお届けします。"
    ]
    demo.writes("819000000001", "ありがとうございます 🙏", "山田 花子")
    expect(screen.last("contact")).to_contain_text("ありがとうございます 🙏")
    screen.screenshot(SHOTS / "whole-conversation.png")
    assert screen.axe() == []
    screen.do("end")
    screen.expect_status("completed")
    demo.writes("819000000001", "もう一つ質問があります。", "山田 花子")
    expect(screen.last("contact")).to_contain_text("もう一つ質問があります。")
    screen.expect_status("open")
    codes = screen.system_codes()
    assert [code for code in codes if code in ("accepted", "ended", "reopened")] == [
        "accepted",
        "ended",
        "reopened",
    ]


def test_a_failed_message_says_why_on_the_spot(demo: Demo, page: Page, agent: AgentClient) -> None:
    demo.writes("819000000002", "こんにちは", "鈴木 次郎", up_to="sent", fails_with=131026, delay=0.2)
    conversation = agent.conversation("鈴木 次郎")["id"]
    agent.do(f"/conversations/{conversation}/accept")
    agent.do(f"/conversations/{conversation}/messages", content={"type": "text", "body": "お待たせしました"})
    screen = Screen(page, demo.inbox)
    screen.visit()
    screen.sign_in("misaki@example.com", PASSWORD)
    screen.open_view("mine")
    screen.open_conversation("鈴木 次郎")
    screen.expect_tick("failed")
    screen.screenshot(SHOTS / "whole-failed.png")
    failed = agent.messages(conversation)[-1]["status"]
    assert (failed["problem"]["provider_code"], failed["resend"]) == ("131026", "again")


def test_two_agents_accept_at_once_and_one_wins(demo: Demo, agent: AgentClient) -> None:
    other = AgentClient(demo.inbox, "alex@example.com")
    demo.writes("819000000003", "誰かいますか?", "高橋 三郎")
    conversation = agent.conversation("高橋 三郎")["id"]

    def accept(who: AgentClient) -> int:
        try:
            who.do(f"/conversations/{conversation}/accept")
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(accept, (agent, other))) == [200, 409]
    owner = until(lambda: agent("GET", f"/conversations/{conversation}")["owner"])
    assert owner["kind"] == "agent"
