"""The chat screen as a test sees it: words for what an agent does and reads. Independent of the language."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
ISOLATES = re.compile("[\u2066-\u2069]")


class Screen:
    """One browser page on the chat screen at `base` (for example http://127.0.0.1:8080)."""

    def __init__(self, page: Page, base: str) -> None:
        self.page = page
        self.base = base

    # --- getting there -----------------------------------------------------------------------------

    def visit(self, path: str = "/") -> None:
        """Opens the screen; `path` may carry the route, for example `/#/all`."""
        self.page.goto(self.base + path)

    def sign_in(self, email: str, password: str) -> None:
        """Signs in and waits for the live stream."""
        self.page.fill("input[name=email]", email)
        self.page.fill("input[name=password]", password)
        self.page.click("button[type=submit]")
        self.wait_live()

    def wait_live(self) -> None:
        """Waits until the live stream is open."""
        expect(self.page.locator("[data-connection=live]")).to_be_attached()

    def open_view(self, view: str) -> None:
        """mine, unassigned, all, completed, attention or blocked."""
        self.page.click(f"[data-view={view}]")

    def row(self, name: str) -> Locator:
        """The list's row of the contact with this name."""
        return self.page.locator(".row", has=self.page.locator(".who bdi", has_text=name))

    def open_conversation(self, name: str) -> None:
        """Opens the conversation of the contact with this name, from the list."""
        self.row(name).click()
        expect(self.page.locator(".bar h2")).to_have_text(name)

    def language(self, code: str) -> None:
        """Switches the screen to `ja` or `en`."""
        if self.page.locator("[data-action=account]").count():
            self.do("account")
        self.page.select_option("[data-action=language]", code)
        self.page.keyboard.press("Escape")
        expect(self.page.locator("html")).to_have_attribute("lang", code)

    # --- reading -----------------------------------------------------------------------------------

    @property
    def log(self) -> Locator:
        """The history."""
        return self.page.locator("[role=log]")

    @property
    def messages(self) -> Locator:
        """All messages, also ours that the log has not shown yet."""
        return self.page.locator("[role=log] article")

    def texts(self) -> list[str]:
        """The texts of all messages, in order."""
        return self.page.locator("[role=log] article .body").all_inner_texts()

    def system_codes(self) -> list[str]:
        """The codes of the system lines, in order."""
        return [str(line.get_attribute("data-system")) for line in self.page.locator(".sys").all()]

    def last(self, sender: str = "agent") -> Locator:
        """The last message from `contact`, `agent`, `bot`, `automatic`, `operator` or `note`."""
        return self.page.locator(f"[role=log] article[data-from={sender}]").last

    def expect_tick(self, shown: str, sender: str = "agent") -> None:
        """Waits until the last message's tick shows queued, sent, delivered, read, unknown, expired or failed."""
        expect(self.last(sender).locator(".tick")).to_have_attribute("data-shown", shown)

    def ticks_of(self, message: Locator) -> tuple[str, str]:
        """What a message's tick shows, and its accessible name."""
        tick = message.locator(".tick")
        label = tick.get_attribute("aria-label") or ""
        return tick.get_attribute("data-shown") or "", ISOLATES.sub("", label)

    def status_details(self, message: Locator) -> list[str]:
        """All that the screen says about a message's status."""
        message.locator(".tick").click()
        return message.locator(".told li").all_inner_texts()

    def owner(self) -> str:
        """`queue`, `agent` or `bot`."""
        return self.page.locator("[data-owner]").get_attribute("data-owner") or ""

    def expect_status(self, status: str) -> None:
        """Waits until the open conversation is `open` or `completed`."""
        expect(self.page.locator("[data-owner]")).to_have_attribute("data-status", status)

    def expect_state(self, state: str | None) -> None:
        """Waits for the composer's notice: queue, bot, agent, completed, blocked; None: it is ours, no notice."""
        notice = self.page.locator(".comp .notice")
        if state is None:
            expect(notice).to_have_count(0)
        else:
            expect(notice).to_have_attribute("data-state", state)

    def expect_refusal(self, code: str) -> None:
        """Waits until a refusal with this code is shown at the composer."""
        expect(self.page.locator(".comp [role=alert]")).to_have_attribute("data-code", code)

    # --- doing -------------------------------------------------------------------------------------

    @property
    def box(self) -> Locator:
        """The reply box."""
        return self.page.locator("#composer")

    def do(self, action: str) -> None:
        """Clicks accept, assign, reopen, end, send, send-complete, resend, confirm, retry, discard, newest, older …"""
        self.page.locator(f"[data-action={action}]").last.click()

    def send(self, text: str) -> None:
        """Types and sends with Enter."""
        self.box.fill(text)
        self.box.press("Enter")

    def send_and_complete(self, text: str) -> None:
        """Types and sends with "send and complete"."""
        self.box.fill(text)
        self.do("send-complete")

    def sign_out(self) -> None:
        """Signs out and waits for the sign-in page."""
        self.do("account")
        self.do("sign-out")
        expect(self.page.locator("input[name=password]")).to_be_visible()

    def assign_to(self, agent_id: str) -> None:
        """Assigns the open conversation to another agent by the menu."""
        self.do("assign-menu")
        self.page.click(f".menu [data-agent='{agent_id}']")

    # --- judging -----------------------------------------------------------------------------------

    def axe(self) -> list[str]:
        """What axe finds: one line per finding. The context must be made with `bypass_csp=True`."""
        self.page.add_script_tag(path=str(AXE))
        found: dict[str, Any] = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{v['id']}: {node['html'][:160]} | {node['failureSummary']}"
            for v in found["violations"]
            for node in v["nodes"]
        ]

    def screenshot(self, path: Path) -> None:
        """Saves what is seen."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(path), animations="disabled")
