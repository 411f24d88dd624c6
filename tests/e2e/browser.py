"""The system's Chromium for browser tests."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str:
    """Path of the system's Chromium. Raises RuntimeError with what to do when there is none."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise RuntimeError(
        "No Chromium on PATH. Install it, for example: apt-get install -y chromium fonts-noto-cjk"
    )


def launch(playwright: Playwright) -> Browser:
    """Starts Chromium without a window."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=ARGS)
