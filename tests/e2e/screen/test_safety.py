"""Texts and names stay text; keyboard and language work; nothing on the page breaks the strict policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.page import Screen
from tests.e2e.screen.conftest import MakeScreen
from tests.e2e.screen.fake_backend import FakeBackend

HTML = '<img src=x onerror="document.title=1"><script>document.title=2</script><b>bold</b>'
BIDI = "\u202egnp.exe\u202c \u2067abc"
TRICKS = [
    HTML,
    BIDI,
    "a\u200bb\ufeffc",
    "javascript:alert(1)",
    "&lt;script&gt;",
    "x" * 3000,
    "🧑\u200d🚀" * 50,
    "\u0627\u0644\u0633\u0644\u0627\u0645 abc",
]


@pytest.mark.parametrize(
    "trick", TRICKS, ids=["html", "bidi", "zero-width", "javascript", "entities", "long", "emoji", "arabic"]
)
def test_tricks_stay_text(screen: Screen, backend: FakeBackend, trick: str) -> None:
    backend.add("c1", trick, contact={"name": trick, "address": trick, "username": trick})
    backend.message("c1", "contact", trick, reply_to={"id": None, "text": trick, "sender": trick})
    ref = {"state": "ready", "mime": "text/plain", "filename": trick, "size": 5, "reason": None, "url": None}
    backend.message("c1", "contact", {"type": "media", "kind": "file", "media": ref, "caption": trick})
    backend.message(
        "c1",
        "contact",
        {
            "type": "contact_card",
            "cards": [{"name": trick, "phones": [trick], "emails": [], "organisation": None}],
        },
    )
    options = [{"id": trick, "title": trick, "description": trick, "section": None, "url": None}]
    backend.message(
        "c1",
        "bot",
        {
            "type": "choice",
            "body": trick,
            "options": options,
            "style": "buttons",
            "header": trick,
            "footer": trick,
        },
    )
    backend.message("c1", "bot", {"type": "unsupported", "kind": trick, "reason": trick, "raw": None})
    backend.system("c1", "assigned", by={"kind": "agent", "id": "x", "name": trick}, to=trick)
    screen.visit("/#/all/c1")
    screen.sign_in("sato@example.com", "demo")
    expect(screen.messages).to_have_count(5)
    assert screen.page.locator(".body").first.text_content() == trick
    assert screen.page.locator(".log img, .log script, .log b, nav img, aside img").count() == 0
    assert screen.page.title().endswith("受信トレイ")
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert screen.page.evaluate(wide) <= 0
    assert (
        screen.page.evaluate(
            "() => document.querySelector('.log').scrollWidth - document.querySelector('.log').clientWidth"
        )
        <= 0
    )


def test_links_are_only_web_addresses(mine: Screen, backend: FakeBackend) -> None:
    backend.message("c1", "contact", "javascript:alert(1) https://example.com/a?b=1。 data:text/html,x")
    expect(mine.last("contact").locator("a")).to_have_count(1)
    link = mine.last("contact").locator("a")
    assert link.get_attribute("href") == "https://example.com/a?b=1"
    assert "noopener" in (link.get_attribute("rel") or "")


def test_a_picture_elsewhere_is_not_loaded_by_itself(mine: Screen, backend: FakeBackend) -> None:
    ref = {
        "state": "ready",
        "mime": "image/jpeg",
        "filename": "a.jpg",
        "size": 5,
        "reason": None,
        "url": "https://tracker.example/a.jpg",
    }
    backend.message("c1", "contact", {"type": "media", "kind": "image", "media": ref, "caption": None})
    expect(mine.last("contact").locator("a")).to_have_attribute("href", "https://tracker.example/a.jpg")
    assert mine.last("contact").locator("img").count() == 0


def test_keyboard_only(screen: Screen, backend: FakeBackend) -> None:
    for n, name in enumerate(("Ann", "Bob", "Cem")):
        backend.add(f"c{n}", name)
        backend.message(f"c{n}", "contact", f"hello from {name}")
    page = screen.page
    expect(page.locator("input[name=email]")).to_be_focused()
    page.keyboard.type("sato@example.com")
    page.keyboard.press("Tab")
    page.keyboard.type("demo")
    page.keyboard.press("Enter")
    screen.wait_live()
    page.locator("[data-view=unassigned]").focus()
    page.keyboard.press("Enter")
    expect(screen.row("Ann")).to_be_visible()
    screen.row("Ann").focus()
    page.keyboard.press("ArrowDown")
    expect(screen.row("Bob")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".bar h2")).to_have_text("Bob")
    screen.log.focus()
    page.keyboard.press("ArrowUp")
    expect(screen.last("contact")).to_be_focused()
    page.locator("[data-action=accept]").focus()
    page.keyboard.press("Enter")
    screen.expect_state(None)
    expect(screen.box).to_be_focused()
    page.keyboard.type("hi Bob")
    page.keyboard.press("Enter")
    expect(screen.last("agent")).to_contain_text("hi Bob")
    screen.log.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator(".told")).to_be_visible()


def test_focus_is_visible(mine: Screen) -> None:
    page = mine.page
    seen = 0
    for _ in range(14):
        page.keyboard.press("Tab")
        outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        if page.evaluate("() => document.activeElement !== document.body"):
            assert outline != "none"
            seen += 1
    assert seen > 8


def test_language_switches_everything_and_is_remembered(mine: Screen) -> None:
    expect(mine.page.locator(".sys").first).to_contain_text("引き受けました")
    mine.language("en")
    expect(mine.page.locator(".sys").first).to_contain_text("accepted the conversation")
    expect(mine.page.locator("[data-action=send]")).to_contain_text("Send")
    assert mine.page.title() == "Inbox"
    mine.page.reload()
    mine.wait_live()
    expect(mine.page.locator("html")).to_have_attribute("lang", "en")


def test_the_screen_takes_the_agents_language_unless_one_was_chosen(
    make_screen: MakeScreen, backend: FakeBackend
) -> None:
    backend.me["locale"] = "ja"
    screen = make_screen(locale="en-GB")
    screen.visit()
    expect(screen.page.locator("html")).to_have_attribute("lang", "en")
    screen.sign_in("sato@example.com", "demo")
    expect(screen.page.locator("html")).to_have_attribute("lang", "ja")
    screen.language("en")
    screen.page.reload()
    screen.wait_live()
    expect(screen.page.locator("html")).to_have_attribute("lang", "en")


def test_empty_lists_say_what_to_do_next(screen: Screen, backend: FakeBackend) -> None:
    screen.sign_in("sato@example.com", "demo")
    expect(screen.page.locator("nav .empty")).to_contain_text("「未割り当て」を開き")
    screen.open_view("unassigned")
    expect(screen.page.locator("nav .empty")).to_contain_text("待っている人はいません")
    expect(screen.page.locator(".nothing")).to_contain_text("一覧から選んでください")


def test_a_conversation_of_others_cannot_be_opened(screen: Screen, backend: FakeBackend) -> None:
    screen.visit("/#/all/unknown")
    screen.sign_in("sato@example.com", "demo")
    expect(screen.page.locator(".nothing")).to_contain_text("管理者に相談")


def test_a_channel_that_has_not_told_its_profile_hides_nothing(screen: Screen, backend: FakeBackend) -> None:
    backend.no_profile = True
    backend.add("c1", "田中 由紀")
    backend.message("c1", "contact", "届きましたか")
    screen.visit("/#/all/c1")
    screen.sign_in("sato@example.com", "demo")
    expect(screen.last("contact")).to_contain_text("届きましたか")
    screen.do("accept")
    screen.send("はい")
    expect(screen.last("agent")).to_contain_text("はい")
