"""Main states in both themes and at phone width: axe finds nothing.

Screenshots go to build/screenshots; with SCREENSHOTS=docs to docs/screenshots, for the README.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.page import Screen
from tests.e2e.screen.conftest import MakeScreen
from tests.e2e.screen.fake_backend import FakeBackend
from tests.e2e.screen.seed import full

DESKTOP = (1440, 900)
PHONE = (390, 844)
ROOT = Path(__file__).parents[3]
# They differ with the clock and the fonts: those of the README are renewed on demand only.
SHOTS = ROOT / ("docs" if os.environ.get("SCREENSHOTS") == "docs" else "build") / "screenshots"
LOOKS: list[Any] = [
    pytest.param("light", "en-GB", DESKTOP, id="light-en"),
    pytest.param("dark", "ja-JP", DESKTOP, id="dark-ja"),
    pytest.param("light", "ja-JP", PHONE, id="phone-light-ja"),
    pytest.param("dark", "en-GB", PHONE, id="phone-dark-en"),
    pytest.param("dark", "ja-JP", (360, 640), id="smallest-dark-ja"),
    pytest.param("light", "ja-JP", (1000, 800), id="middle-light-ja"),
]


def _fits(screen: Screen) -> None:
    wide = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert screen.page.evaluate(wide) <= 0


@pytest.mark.parametrize(("theme", "locale", "size"), LOOKS)
def test_each_main_state_has_no_axe_finding(
    make_screen: MakeScreen, backend: FakeBackend, theme: str, locale: str, size: tuple[int, int]
) -> None:
    full(backend)
    screen = make_screen(size, color_scheme=theme, locale=locale, bypass_csp=True)
    screen.visit()
    expect(screen.page.locator("input[name=email]")).to_be_visible()
    assert screen.axe() == []
    screen.sign_in("sato@example.com", "demo")
    expect(screen.row("田中 由紀")).to_be_visible()
    assert screen.axe() == []
    _fits(screen)
    screen.open_conversation("田中 由紀")
    expect(screen.last("contact")).to_be_visible()
    screen.last("agent").locator(".tick").click()
    expect(screen.page.locator(".told")).to_be_visible()
    assert screen.axe() == []
    _fits(screen)
    screen.log.evaluate("el => { el.scrollTop = 0 }")
    backend.refuse("messages", "not_owner", "assign")
    screen.send("x")
    screen.expect_refusal("not_owner")
    assert screen.axe() == []
    screen.visit("/#/all/c2")
    screen.expect_state("queue")
    screen.do("assign-menu")
    assert screen.axe() == []
    _fits(screen)
    screen.visit("/#/blocked")
    assert screen.axe() == []
    screen.visit("/#/all/nothing-here")
    expect(screen.page.locator(".nothing p")).to_have_count(2)
    assert screen.axe() == []


@pytest.mark.parametrize(
    ("name", "theme", "locale", "size"),
    [
        ("light-en", "light", "en-GB", DESKTOP),
        ("dark-ja", "dark", "ja-JP", DESKTOP),
        ("phone-ja", "light", "ja-JP", PHONE),
    ],
)
def test_screenshots(
    make_screen: MakeScreen, backend: FakeBackend, name: str, theme: str, locale: str, size: tuple[int, int]
) -> None:
    full(backend)
    screen = make_screen(size, color_scheme=theme, locale=locale, reduced_motion="reduce")
    screen.visit("/#/all/c1" if size == DESKTOP else "/#/mine/c1")
    screen.sign_in("sato@example.com", "demo")
    expect(screen.last("contact")).to_be_visible()
    screen.box.fill(
        "Thank you. We will send a replacement right away."
        if locale == "en-GB"
        else "ご連絡ありがとうございます。すぐに代わりの品を手配いたします。"
    )
    screen.log.evaluate("el => { el.scrollTop = el.scrollHeight }")
    screen.screenshot(SHOTS / f"{name}.png")
    assert (SHOTS / f"{name}.png").stat().st_size < 400_000


def test_the_smallest_width_shows_list_then_conversation_then_list(
    make_screen: MakeScreen, backend: FakeBackend
) -> None:
    full(backend)
    screen = make_screen((360, 640))
    screen.visit()
    screen.sign_in("sato@example.com", "demo")
    expect(screen.box).to_have_count(0)
    screen.open_conversation("田中 由紀")
    expect(screen.page.locator("nav.list")).to_be_hidden()
    expect(screen.box).to_be_in_viewport()
    screen.page.click(".back")
    expect(screen.row("田中 由紀")).to_be_visible()
