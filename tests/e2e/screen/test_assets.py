"""What is served: vendored files unchanged, catalogues complete, nothing heavy, nothing inline."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from connectors.whatsapp.errors import TABLE
from gateway.core.errors import Code
from tests.e2e.page import Screen
from tests.e2e.screen.fake_backend import STATIC, FakeBackend

MODULES = sorted(STATIC.glob("*.js"))
KEY = re.compile(r"""\b(?:t|tx|has)\(\s*["']([a-z_.]+)["']""")
PARAMETERS = re.compile(r"\{(\w+)\}")
WEIGHT = 200_000


def _catalogue(code: str) -> dict[str, str]:
    loaded: dict[str, str] = json.loads((STATIC / "i18n" / f"{code}.json").read_text())
    return loaded


@pytest.mark.parametrize("folder", [STATIC / "vendor", Path(__file__).parents[1] / "vendor"])
def test_vendored_files_are_what_their_list_says(folder: Path) -> None:
    files = json.loads((folder / "VENDOR.json").read_text())["files"]
    assert {f["file"] for f in files} == {p.name for p in folder.glob("*.js")}
    for entry in files:
        assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
        assert (folder / entry["licence_file"]).is_file()
        assert entry["version"]


def test_catalogues_have_the_same_keys_and_parameters() -> None:
    en, ja = _catalogue("en"), _catalogue("ja")
    assert en.keys() == ja.keys()
    assert all(en.values())
    assert all(ja.values())
    for key, text in en.items():
        assert set(PARAMETERS.findall(ja[key])) <= set(PARAMETERS.findall(text)) | {"when"}, key


def test_every_key_in_the_code_is_in_the_catalogue() -> None:
    known = _catalogue("en")
    used = {key for module in MODULES for key in KEY.findall(module.read_text())}
    missing = {
        key for key in used if key not in known and f"{key}.other" not in known and not key.endswith(".")
    }
    assert used
    assert missing == set()


def test_every_reason_has_words() -> None:
    known = _catalogue("ja")
    assert [code.value for code in Code if f"error.{code.value}" not in known] == []
    assert sorted({row.code for row in TABLE.values() if f"problem.{row.code}" not in known}) == []


def test_no_text_in_the_code() -> None:
    for module in MODULES:
        assert not re.search("[\u3040-\u30ff\u4e00-\u9fff]", module.read_text()), module.name


def test_nothing_inline() -> None:
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*src=)", page) == []
    assert "style=" not in page
    assert "<style" not in page
    for module in MODULES:
        assert not re.search(
            r"\bstyle=|innerHTML|dangerouslySet|insertAdjacentHTML|\beval\(", module.read_text()
        ), module


def test_page_weight(screen: Screen, backend: FakeBackend) -> None:
    backend.add("c1", "田中 由紀")
    backend.message("c1", "contact", "こんにちは")
    sizes: dict[str, int] = {}
    page = screen.page
    page.on("response", lambda r: sizes.update({r.url: len(r.body())}) if "/api/" not in r.url else None)
    screen.visit("/#/all/c1")
    page.reload()
    screen.sign_in("sato@example.com", "demo")
    expect(screen.messages).to_have_count(1)
    assert len(sizes) > 10
    assert sum(sizes.values()) < WEIGHT, sizes
    assert all(url.startswith(backend.base) for url in sizes)
