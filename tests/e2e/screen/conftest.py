"""Fixtures of the screen tests: a fresh backend in memory and a page per test; errors on the page fail the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.browser import launch
from tests.e2e.page import Screen
from tests.e2e.screen.fake_backend import FakeBackend

expect.set_options(timeout=15_000)

MakeScreen = Callable[..., Screen]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium per module: Playwright's loop must not stay alive beside the asynchronous tests of others."""
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def backend() -> Iterator[FakeBackend]:
    """An inbox without conversations."""
    fake = FakeBackend()
    fake.base = fake.start()
    yield fake
    fake.stop()


@pytest.fixture
def make_screen(browser: Browser, backend: FakeBackend) -> Iterator[MakeScreen]:
    """Makes pages. Uncaught errors and refused content (CSP) on any of them fail the test."""
    errors: list[str] = []
    contexts = []

    def make(size: tuple[int, int] = (1440, 900), **options: Any) -> Screen:
        options = {"locale": "ja-JP", "timezone_id": "Asia/Tokyo", **options}
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{error}\n{error.stack or ''}"))
        page.on(
            "console",
            lambda message: errors.append(message.text) if _bad(message.text, message.type) else None,
        )
        return Screen(page, backend.base)

    yield make
    for context in contexts:
        context.close()
    assert errors == []


def _bad(text: str, kind: str) -> bool:
    # Answers of 4xx and 5xx and lost connections are noted by the browser itself; many tests want them.
    return "Content Security Policy" in text or (
        kind == "error" and not text.startswith("Failed to load resource")
    )


@pytest.fixture
def screen(make_screen: MakeScreen) -> Screen:
    """A page on the sign-in page, in Japanese, desktop size."""
    made = make_screen()
    made.visit()
    return made


@pytest.fixture
def inside(screen: Screen, backend: FakeBackend) -> Screen:
    """A page signed in with one conversation of 田中 由紀 (c1) waiting in the queue, opened."""
    backend.add("c1", "田中 由紀")
    backend.message("c1", "contact", "届いた箱がつぶれていました。")
    screen.sign_in("sato@example.com", "demo")
    screen.open_view("unassigned")
    screen.open_conversation("田中 由紀")
    return screen


@pytest.fixture
def mine(inside: Screen) -> Screen:
    """The same after it was accepted."""
    inside.do("accept")
    inside.expect_state(None)
    return inside
