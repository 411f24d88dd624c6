"""The screen's pure parts, run where they live: in the browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.screen.fake_backend import FakeBackend

Json = dict[str, Any]


def item(seq: int, sender: str = "contact", /, **over: Any) -> Json:
    """A small message item."""
    content = {"type": "text", "body": f"t{seq}"}
    base = {
        "kind": "message",
        "seq": seq,
        "id": f"i{seq}",
        "at": seq * 1000,
        "from": sender,
        "sender": {"id": sender},
        "content": content,
    }
    return {**base, **over}


def summary(cid: str, seq: int, **over: Any) -> Json:
    """A small conversation."""
    owner = {"kind": "agent", "id": "me", "name": ""}
    base = {"id": cid, "seq": seq, "status": "open", "owner": owner, "blocked": False, "attention": False,
            "department_id": "d", "waiting_since": None, "last_at": seq, "unread": 0}  # fmt: skip
    return {**base, **over}


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """One page for the whole module: these functions keep nothing."""
    fake = FakeBackend()
    made = browser.new_page(locale="ja-JP")
    made.goto(fake.start())
    expect(made.locator("input[name=email]")).to_be_visible()  # the catalogue is loaded
    yield made
    made.close()
    fake.stop()


@pytest.fixture
def run(page: Page) -> Any:
    """Runs an expression with the module `reduce.js` as `r` and one argument as `a`."""

    def go(expression: str, argument: Any = None, module: str = "reduce.js") -> Any:
        code = f"async (a) => {{ const r = await import('/{module}'); return ({expression}); }}"
        return page.evaluate(code, argument)

    return go


def test_an_older_summary_never_replaces_a_newer_one(run: Any) -> None:
    seqs = run(
        "[...a.reduce(r.upsert, new Map()).values()].map(c => c.seq)",
        [summary("x", 3), summary("x", 2), summary("x", 5)],
    )
    assert seqs == [5]


PAGES: list[tuple[str, list[Json], list[int], bool, int | None]] = [
    ("newest, then older", [{"where": "newest", "items": [item(5), item(6)], "has_before": True}, {"where": "before", "items": [item(3), item(4)], "has_before": False}], [3, 4, 5, 6], False, None),
    ("a double page", [{"where": "newest", "items": [item(5)], "has_before": False}] * 2, [5], False, None),
    ("newest leaves a gap", [{"where": "newest", "items": [item(1), item(2)], "has_before": False}, {"where": "newest", "items": [item(9)], "has_before": True}], [1, 2, 9], False, 2),
    ("the gap is half filled", [{"where": "newest", "items": [item(2)], "has_before": False}, {"where": "newest", "items": [item(9)], "has_before": True}, {"where": "after", "items": [item(3), item(4)], "has_after": True}], [2, 3, 4, 9], False, 4),
    ("the gap is filled", [{"where": "newest", "items": [item(2)], "has_before": False}, {"where": "newest", "items": [item(9)], "has_before": True}, {"where": "after", "items": [item(8), item(9)], "has_after": True}], [2, 8, 9], False, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pages", "seqs", "before", "gap"), [p[1:] for p in PAGES], ids=[p[0] for p in PAGES]
)
def test_pages_join(run: Any, pages: list[Json], seqs: list[int], before: bool, gap: int | None) -> None:
    code = "(h => [h.items.map(i => i.seq), h.hasBefore, h.gapAfter])(a.reduce((h, p) => r.mergePage(h, p, p.where), r.NO_HISTORY))"
    assert run(code, pages) == [seqs, before, gap]


def test_what_comes_live_while_a_page_loads_is_newer_than_the_page(run: Any) -> None:
    code = """(() => {
      let h = r.loading(r.NO_HISTORY);
      h = r.mergeItem(h, a.live);
      h = r.mergePage(h, {items: a.page, has_before: true}, 'newest');
      return [h.items.map(i => i.content.body), h.hasBefore, h.gapAfter, h.live];
    })()"""
    fresh = item(2, content={"type": "text", "body": "new"})
    assert run(code, {"live": fresh, "page": [item(1), item(2)]}) == [["t1", "new"], True, None, None]


def test_live_items_are_replaced_by_id_and_ignored_before_the_first_load(run: Any) -> None:
    assert run("r.mergeItem(r.NO_HISTORY, a).items.length", item(1)) == 0
    code = "r.mergeItem(r.mergeItem({...r.NO_HISTORY, state: 'ready'}, a), {...a, edited_at: 5}).items.map(i => i.edited_at)"
    assert run(code, item(1)) == [5]


def test_own_messages_are_matched_once(run: Any) -> None:
    sending = {"client_id": "c", "state": "sending", "after": 0, "content": {"type": "text", "body": "same"}}
    mine = item(4, "agent", sender={"id": "me"}, content={"type": "text", "body": "same"})
    count = "r.unconfirmed(a[0], a[1], 'me').map(p => p.client_id)"
    assert run(count, [[sending], []]) == ["c"]
    assert run(count, [[sending], [mine]]) == []
    assert run(count, [[sending, {**sending, "client_id": "d"}], [mine]]) == ["d"]
    assert run(count, [[{**sending, "after": 4}], [mine]]) == ["c"]
    assert run(
        count, [[{**sending, "state": "sent", "message_id": "i4"}, {**sending, "client_id": "d"}], [mine]]
    ) == ["d"]
    assert run(count, [[sending], [{**mine, "sender": {"id": "other"}}]]) == ["c"]


def test_picks_by_target_by_reply_and_by_option(run: Any) -> None:
    offer = item(1, "bot", content={"type": "choice", "body": "?", "options": [{"id": "a"}, {"id": "b"}]})
    by = {
        "target": item(
            2, content={"type": "postback", "id": "b", "title": "B", "target": {"message_id": "i1"}}
        ),
        "reply": item(
            2, content={"type": "postback", "id": "b", "title": "B", "target": None}, reply_to={"id": "i1"}
        ),
        "option": item(2, content={"type": "postback", "id": "b", "title": "B", "target": None}),
    }
    for answer in by.values():
        assert run("[...r.picks(a)].map(([k, v]) => [k, [...v]])", [offer, answer]) == [["i1", ["b"]]]


def test_unread_line(run: Any) -> None:
    items = [item(1), item(2, "agent"), item(3), item(4)]
    code = "r.unreadStart({items: a[0], hasBefore: a[1]}, a[2])"
    assert run(code, [items, False, 2]) == "i3"
    assert run(code, [items, False, 9]) == "i1"
    assert run(code, [items, True, 9]) is None
    assert run(code, [items, False, 0]) is None


def test_order(run: Any) -> None:
    code = "r.order(a.ids, new Map(a.all.map(c => [c.id, c])), a.view, a.held)"
    every = [summary("x", 1), summary("y", 2), summary("z", 3)]
    assert run(code, {"ids": ["x", "y", "z"], "all": every, "view": "mine", "held": []}) == ["z", "y", "x"]
    assert run(code, {"ids": ["y", "x", "gone"], "all": every, "view": "unassigned", "held": []}) == [
        "y",
        "x",
    ]
    assert run(code, {"ids": ["x", "y", "z"], "all": every, "view": "mine", "held": ["x", "y"]}) == [
        "x",
        "y",
        "z",
    ]


def test_rows_have_day_unread_and_gap(run: Any) -> None:
    history = {"items": [item(1), item(2), item(3, at=90_000_000), item(4, at=90_001_000)], "gapAfter": 3}
    rows = run(
        "r.rows(a, at => Math.floor(at / 86400000), 'i2').map(x => x.row + (x.joined ? '+' : ''))", history
    )
    assert rows == ["day", "message", "unread", "message", "day", "message", "gap", "message+"]


STREAMS: list[tuple[str, list[str], list[list[Any]]]] = [
    ("whole", ["event: item\nid: 1\ndata: {}\n\n"], [["item", "{}", "1"]]),
    ("in pieces", ["eve", "nt: item\nda", "ta: a\nid", ": 7\n", "\n"], [["item", "a", "7"]]),
    (
        "line ends",
        ["event: x\r\ndata: 1\r", "\n\r\ndata: 2\r\r", ":\n"],
        [["x", "1", None], ["message", "2", None]],
    ),
    ("comments", [": heartbeat\n\n", "data: a\n\n"], [["message", "a", None]]),
    ("an id alone", [": still here\nid: 9\n\n"], [["message", "", "9"]]),
    ("two data lines", ["data: a\ndata:b\n\n"], [["message", "a\nb", None]]),
    ("cut off", ["event: item\nid: 3\ndata: {}\n"], []),
]


@pytest.mark.parametrize(("chunks", "events"), [s[1:] for s in STREAMS], ids=[s[0] for s in STREAMS])
def test_event_stream_parser(run: Any, chunks: list[str], events: list[list[Any]]) -> None:
    code = "(() => { const out = []; const feed = r.parser(e => out.push([e.event, e.data, e.id ?? null])); a.forEach(feed); return out; })()"
    assert run(code, chunks, "live.js") == events


SYSTEM: list[tuple[Json, str]] = [
    ({"code": "assigned", "by": {"kind": "agent", "name": "A"}, "params": {"to": {"kind": "agent", "name": "B"}}}, "Aさんが会話をBさんに割り当てました"),
    ({"code": "assigned", "by": {"kind": "agent", "name": "A"}, "params": {"to": {"name": "A"}, "self": True}}, "Aさんが会話を自分に割り当てました"),
    ({"code": "assigned", "by": {"kind": "rule", "name": "log"}, "params": {"to": {"kind": "agent", "name": "B"}}}, "会話がBさんに自動で割り当てられました"),
    ({"code": "assigned_automatically", "by": {"kind": "rule", "name": "x"}, "params": {"to": "B"}}, "会話がBさんに自動で割り当てられました"),
    ({"code": "accepted", "by": {"kind": "agent", "name": "A"}, "params": {}}, "Aさんが会話を引き受けました"),
    ({"code": "queued", "by": {"kind": "bot"}, "params": {"to": {"kind": "queue", "name": "東京"}, "department": "tokyo"}}, "会話が「東京」の待ち行列に入りました"),
    ({"code": "reopened", "by": {"kind": "contact", "name": "田中"}, "params": {"how": "message"}}, "連絡先からのメッセージで会話が再開しました"),
    ({"code": "reopened", "by": {"kind": "agent", "name": "A"}, "params": {"how": "by_hand"}}, "Aさんが会話を再開しました"),
    ({"code": "handed_over", "by": {"kind": "bot"}, "params": {}}, "ボットが会話を担当者に引き継ぎました"),
    ({"code": "handed_over", "by": {"kind": "rule"}, "params": {"to": {"kind": "bot", "name": "案内"}}}, "会話は案内(ボット)が担当しています"),
    ({"code": "handed_over", "by": {"kind": "bot"}, "params": {"to": {"kind": "queue", "name": "東京"}, "department": "tokyo", "reason": "bot_asked"}}, "ボットが会話を「東京」の待ち行列に引き継ぎました"),
    ({"code": "handed_over", "by": {"kind": "rule"}, "params": {"to": {"kind": "queue", "name": "東京"}, "reason": "contact_asked"}}, "連絡先が担当者を希望したため、ボットが会話を「東京」の待ち行列に引き継ぎました"),
    ({"code": "handed_over", "by": {"kind": "rule"}, "params": {"to": {"kind": "queue", "name": "東京"}, "reason": "bot_silent"}}, "ボットが時間内に応答しなかったため"),
    ({"code": "handed_over", "by": {"kind": "rule"}, "params": {"to": {"kind": "queue", "name": "東京"}, "reason": "bot_failed"}}, "ボットに障害が起きたため"),
    ({"code": "handed_over", "by": {"kind": "rule"}, "params": {"to": {"kind": "queue", "name": "東京"}, "reason": "not_understood"}}, "ボットが内容を理解できなかったため"),
    ({"code": "auto_completed", "by": {"kind": "rule"}, "params": {}}, "一定時間やり取りがなかったため"),
    ({"code": "ticket", "by": {"kind": "agent", "name": "A"}, "params": {"number": 10004}}, "Aさんがチケット10004を作成しました"),
    ({"code": "ticket", "by": {"kind": "rule", "name": "offline_message"}, "params": {"number": 7}}, "チケット7が自動で作成されました"),
    ({"code": "ended", "by": {"kind": "agent", "name": "A"}, "params": {"how": "blocked"}}, "連絡先がブロックされたため、会話が終了しました"),
    ({"code": "blocked", "by": {"kind": "agent", "name": "A"}, "params": {}}, "Aさんが連絡先をブロックしました"),
    ({"code": "unblocked", "by": {"kind": "agent", "name": "A"}, "params": {}}, "Aさんが連絡先のブロックを解除しました"),
    ({"code": "attention", "by": {"kind": "rule"}, "params": {}}, "最後のメッセージが送れていません"),
    ({"code": "something_new", "by": {"kind": "rule"}, "params": {}}, "出来事: something_new"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "words"), SYSTEM, ids=[s[1][:12] for s in SYSTEM])
def test_system_messages_have_our_wording(page: Page, line: Json, words: str) -> None:
    code = """async ([line, language]) => {
      const {systemText} = await import('/message.js'); const {setLanguage, t} = await import('/i18n.js');
      await setLanguage(language);
      const [key, words] = systemText({at: 0, ...line}); return t(key, words).replace(/[\\u2066-\\u2069]/g, '');
    }"""
    assert words in page.evaluate(code, [line, "ja"])
    english = page.evaluate(code, [line, "en"])
    assert english
    assert not english.startswith("system.")
