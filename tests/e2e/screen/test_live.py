"""Live updates: the view follows or stays, and after any interruption there is no gap and no double (V1–V5)."""

from __future__ import annotations

import time

from playwright.sync_api import expect

from tests.e2e.page import Screen
from tests.e2e.screen.conftest import MakeScreen
from tests.e2e.screen.fake_backend import FakeBackend

AT_END = "el => el.scrollHeight - el.scrollTop - el.clientHeight < 50"


def _fill(backend: FakeBackend, count: int, cid: str = "c1") -> None:
    for n in range(count):
        backend.message(cid, "contact", f"メッセージ {n}")


def _wait(screen: Screen, expression: str) -> None:
    screen.page.wait_for_function(f"el => ({expression})(el)", arg=screen.log.element_handle())


def test_at_the_end_the_view_follows(mine: Screen, backend: FakeBackend) -> None:
    _fill(backend, 40)
    expect(mine.last("contact")).to_contain_text("メッセージ 39")
    _wait(mine, AT_END)
    expect(mine.page.locator("[data-action=newest]")).to_have_count(0)


def test_scrolled_up_it_stays_counts_and_jumps(mine: Screen, backend: FakeBackend) -> None:
    _fill(backend, 40)
    _wait(mine, AT_END)
    mine.log.evaluate("el => { el.scrollTop = 200 }")
    expect(mine.page.locator("[data-action=newest]")).to_be_visible()
    before = mine.log.evaluate("el => el.scrollTop")
    backend.message("c1", "contact", "新しい一")
    backend.message("c1", "contact", "新しい二")
    backend.system("c1", "assigned", to="佐藤 美咲", self=True)
    expect(mine.page.locator("[data-action=newest]")).to_contain_text("新着 2 件")
    assert mine.log.evaluate("el => el.scrollTop") == before
    mine.do("newest")
    _wait(mine, AT_END)
    expect(mine.page.locator("[data-action=newest]")).to_have_count(0)


def test_older_pages_load_on_scroll_without_moving_the_view(screen: Screen, backend: FakeBackend) -> None:
    backend.add("c1", "田中 由紀")
    _fill(backend, 130)
    screen.sign_in("sato@example.com", "demo")
    screen.open_view("all")
    screen.open_conversation("田中 由紀")
    expect(screen.messages).to_have_count(50)
    first = screen.messages.first
    text = first.inner_text()
    for expected in (100, 130):
        screen.log.evaluate("el => { el.scrollTop = 0 }")
        expect(screen.messages).to_have_count(expected)
    seen = screen.page.locator(".body").all_inner_texts()
    assert seen == [f"メッセージ {n}" for n in range(130)]
    assert screen.log.evaluate("el => el.scrollTop") > 200, text
    expect(screen.log).to_contain_text("会話の始まり")


def test_reconnect_without_gap_or_double(mine: Screen, backend: FakeBackend) -> None:
    _fill(backend, 3)
    expect(mine.last("contact")).to_contain_text("メッセージ 2")
    backend.down = True
    backend.drop_streams()
    expect(mine.page.locator("[data-connection=reconnecting]")).to_be_visible()
    for n in range(3, 20):
        backend.message("c1", "contact", f"メッセージ {n}")
    backend.down = False
    mine.wait_live()
    expect(mine.last("contact")).to_contain_text("メッセージ 19")
    assert [t for t in mine.texts() if t.startswith("メッセージ")] == [f"メッセージ {n}" for n in range(20)]


def test_many_breaks_in_the_middle_of_the_stream(mine: Screen, backend: FakeBackend) -> None:
    for n in range(30):
        backend.message("c1", "contact", f"メッセージ {n}")
        if n % 7 == 3:
            backend.drop_streams()
            mine.page.wait_for_timeout(30)
    expect(mine.last("contact")).to_contain_text("メッセージ 29", timeout=30_000)
    assert [t for t in mine.texts() if t.startswith("メッセージ")] == [f"メッセージ {n}" for n in range(30)]


def test_hours_away_the_server_says_resync(mine: Screen, backend: FakeBackend) -> None:
    mine.send("見えている返信")
    mine.expect_tick("queued")
    expect(mine.page.locator("[data-pending]")).to_have_count(0)
    item = backend.conversations["c1"].items[-1]
    backend.down = True
    backend.drop_streams()
    expect(mine.page.locator("[data-connection=reconnecting]")).to_be_visible()
    backend.silent_items = True
    _fill(backend, 70)
    read = dict(item["status"], shown="read")
    backend.change("c1", item["id"], status=read)
    backend.silent_items = False
    backend.horizon = len(backend.events)
    backend.down = False
    mine.wait_live()
    expect(mine.last("contact")).to_contain_text("メッセージ 69")
    mine.expect_tick("read")
    assert [t for t in mine.texts() if t.startswith("メッセージ")] == [f"メッセージ {n}" for n in range(70)]


def test_what_is_left_out_has_a_control_that_loads_it(mine: Screen, backend: FakeBackend) -> None:
    backend.silent_items = True
    _fill(backend, 600)
    backend.silent_items = False
    backend.resync()
    expect(mine.page.locator("[data-action=gap]")).to_be_visible()
    for _ in range(10):
        if not mine.page.locator("[data-action=gap]").count():
            break
        count = mine.messages.count()
        mine.do("gap")
        expect(mine.messages).not_to_have_count(count)
    assert [t for t in mine.texts() if t.startswith("メッセージ")] == [f"メッセージ {n}" for n in range(600)]


def test_a_break_before_the_first_event_loses_nothing(screen: Screen, backend: FakeBackend) -> None:
    screen.sign_in("sato@example.com", "demo")
    backend.down = True
    backend.drop_streams()
    expect(screen.page.locator("[data-connection=reconnecting]")).to_be_visible()
    backend.add("c1", "田中 由紀")
    backend.message("c1", "contact", "留守の間に")
    backend.down = False
    screen.wait_live()
    screen.open_view("unassigned")
    expect(screen.row("田中 由紀")).to_be_visible()


def test_network_off_and_on(mine: Screen, backend: FakeBackend) -> None:
    mine.page.context.set_offline(True)
    expect(mine.page.locator("[data-connection=offline]")).to_be_visible()
    backend.message("c1", "contact", "切断中に届いた")
    mine.page.context.set_offline(False)
    mine.wait_live()
    expect(mine.last("contact")).to_contain_text("切断中に届いた")


def test_new_conversation_unread_badge_and_reading(mine: Screen, backend: FakeBackend) -> None:
    mine.open_view("all")
    me = {"kind": "agent", "id": "agent-sato", "name": "佐藤 美咲"}
    backend.add("c2", "Lin Wei", owner=me)
    backend.message("c2", "contact", "hello")
    backend.message("c2", "contact", "are you there?")
    expect(mine.row("Lin Wei").locator(".badge")).to_contain_text("2")
    expect(mine.page).to_have_title("(2) 受信トレイ")
    mine.open_conversation("Lin Wei")
    expect(mine.page.locator(".newline")).to_be_visible()
    expect(mine.row("Lin Wei").locator(".badge")).to_have_count(0)
    expect(mine.page).to_have_title("受信トレイ")
    expect(mine.page.locator(".newline")).to_be_visible()


def test_the_list_does_not_move_under_the_pointer(mine: Screen, backend: FakeBackend) -> None:
    backend.add("c2", "Lin Wei")
    backend.message("c2", "contact", "hello")
    mine.open_view("all")
    names = mine.page.locator(".row .who bdi")
    expect(names).to_have_text(["Lin Wei", "田中 由紀"])
    mine.row("田中 由紀").hover()
    time.sleep(0.002)  # last_at is in milliseconds
    backend.message("c1", "contact", "もしもし")
    expect(mine.row("田中 由紀")).to_contain_text("もしもし")
    expect(names).to_have_text(["Lin Wei", "田中 由紀"])
    mine.page.mouse.move(900, 400)
    expect(names).to_have_text(["田中 由紀", "Lin Wei"])


def test_two_pages_agree(mine: Screen, make_screen: MakeScreen, backend: FakeBackend) -> None:
    other = make_screen()
    other.visit("/#/all/c1")
    other.sign_in("sato@example.com", "demo")
    mine.send("片方から")
    expect(other.last("agent")).to_contain_text("片方から")


def test_a_conversation_that_moves_to_another_department_disappears(
    mine: Screen, backend: FakeBackend
) -> None:
    mine.open_view("all")
    backend.gone("c1")
    expect(mine.page.locator("main")).to_contain_text("所属していない部門")
    expect(mine.page.locator(".row")).to_have_count(0)


def test_a_server_that_is_away_at_the_start_is_waited_for(mine: Screen, backend: FakeBackend) -> None:
    backend.down = True
    mine.page.reload()
    expect(mine.page.locator("main")).to_contain_text("サーバーにつながりません")
    backend.down = False
    mine.wait_live()
    expect(mine.last("contact")).to_contain_text("届いた箱")
