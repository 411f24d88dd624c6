"""An inbox with every state that the screen can show, for looks and axe."""

from __future__ import annotations

from tests.e2e.screen.fake_backend import FakeBackend, Json, now, rung, status

MINUTE = 60_000
SATO: Json = {"kind": "agent", "id": "agent-sato", "name": "佐藤 美咲"}
BOT: Json = {"kind": "bot", "id": "bot", "name": "ご案内ボット"}


def media(kind: str, state: str = "ready", **over: object) -> Json:
    """Content of a file."""
    ref = {
        "state": state,
        "mime": "image/jpeg",
        "filename": None,
        "size": None,
        "reason": None,
        "url": None,
        **over,
    }
    return {"type": "media", "kind": kind, "media": ref, "caption": None}


def full(backend: FakeBackend) -> None:
    """One rich conversation (c1, mine) and a list around it."""
    start = now() - 50 * MINUTE
    backend.add("c5", "来訪者 #4821", channel="business_messenger", account_id="web", account_name="Web", at=start - 1500 * MINUTE,
                window_closes=None, status="completed", contact={"name": "来訪者 #4821", "address": "visitor-4821", "username": None})  # fmt: skip
    backend.message("c5", "contact", "見積もりの PDF を送ります", at=start - 1500 * MINUTE)
    backend.add(
        "c3",
        "Maria Costa",
        channel="instagram",
        account_id="ig",
        account_name="Instagram",
        owner=BOT,
        at=start + 8 * MINUTE,
    )
    backend.message("c3", "bot", "色を選んでください", at=start + 16 * MINUTE)
    backend.add(
        "c2",
        "Lin Wei",
        channel="line",
        account_id="line-tokyo",
        account_name="LINE 東京",
        at=start + 30 * MINUTE,
        window_closes=None,
    )
    backend.message("c2", "contact", media("voice"), at=start + 38 * MINUTE)
    backend.add(
        "c4", "王 小明", channel="wechat", account_id="wx", account_name="WeChat", at=start + 12 * MINUTE
    )
    backend.message("c4", "contact", "订单什么时候到?", at=start + 12 * MINUTE)
    backend.add("c1", "田中 由紀", owner=SATO, at=start, episode=3)
    _rich(backend, start)
    backend.conversations["c1"].summary.update(
        unread=2, waiting_since=start + 47 * MINUTE, window_closes=now() + 23 * 60 * MINUTE + 41 * MINUTE
    )


def _rich(backend: FakeBackend, start: int) -> None:
    def at(minutes: float) -> int:
        return int(start + minutes * MINUTE)

    options = [{"id": i, "title": title, "description": None, "section": None, "url": None}
               for i, title in (("track", "配送状況"), ("return", "返品・交換"), ("agent", "担当者と話す"))]  # fmt: skip
    backend.system(
        "c1", "opened", by={"kind": "contact", "id": "x", "name": "田中 由紀"}, at=at(0), department="tokyo"
    )
    offer = backend.message("c1", "bot", {"type": "choice", "body": "ご用件をお選びください。", "options": options, "style": "buttons",
                            "header": None, "footer": None, "label": None}, at=at(1), status=status("read", at(1)))  # fmt: skip
    backend.message(
        "c1",
        "contact",
        {
            "type": "postback",
            "id": "return",
            "title": "返品・交換",
            "target": {"provider_id": None, "message_id": offer["id"]},
        },
        at=at(2),
    )
    backend.system(
        "c1",
        "handed_over",
        by=BOT,
        at=at(3),
        to={"kind": "queue", "id": "tokyo", "name": "サポート東京"},
        department="tokyo",
    )
    backend.system("c1", "queued", by=BOT, at=at(3), department="tokyo")
    broken = backend.message("c1", "contact", "届いた箱がつぶれていて、中の器が割れていました。", at=at(4))
    backend.message("c1", "contact", media("image", "pending"), at=at(4.2))
    backend.message(
        "c1",
        "contact",
        media("file", "refused", filename="見積もり.key", reason="unsupported_type"),
        at=at(4.5),
    )
    backend.message(
        "c1",
        "contact",
        {
            "type": "location",
            "latitude": 35.68124,
            "longitude": 139.76712,
            "name": "東京駅",
            "address": "千代田区丸の内1丁目",
            "url": None,
        },
        at=at(5),
    )
    backend.message(
        "c1",
        "contact",
        {
            "type": "contact_card",
            "cards": [
                {
                    "name": "田中 一郎",
                    "phones": ["+81 3-0000-0000"],
                    "emails": [],
                    "organisation": "田中商店",
                    "raw": None,
                }
            ],
        },
        at=at(5.5),
    )
    backend.message(
        "c1",
        "contact",
        {"type": "unsupported", "kind": "poll", "reason": None, "raw": "{}"},
        at=at(6),
        fallback="[poll]",
    )
    backend.message("c1", "contact", {"type": "hidden", "reason": "sealed"}, at=at(6.5), fallback="")
    backend.message("c1", "contact", "取り消した", at=at(7), unsent_at=at(8))
    backend.message(
        "c1",
        "contact",
        "色は青です",
        at=at(9),
        edited_at=at(10),
        history=[{"type": "text", "body": "色は赤です"}],
    )
    backend.message(
        "c1",
        "automatic",
        "メッセージを受け取りました。順番にお返事いたします。",
        at=at(12),
        sender={"id": "offline", "name": "offline"},
        status=status("delivered", at(12)),
    )
    backend.message("c1", "note", "前回も同じ問い合わせあり。丁寧に。", at=at(13))
    backend.system("c1", "accepted", at=at(14))
    backend.message(
        "c1",
        "agent",
        {
            "type": "template",
            "name": "order_update",
            "language": "ja",
            "parameters": [],
            "body": "ご注文の状況をお知らせします。",
        },
        at=at(14.5),
        status=status("unknown", at(14.5), resend="confirm"),
    )
    told = {
        "sent": rung("reached", at(15)),
        "delivered": rung("implied"),
        "read": rung("reached", at(16), True),
    }
    backend.message("c1", "agent", "ご不便をおかけして申し訳ありません。ご注文番号を教えていただけますか。", at=at(15), status=status("read", rungs=told),
                    reply_to={"id": broken["id"], "text": broken["fallback"], "sender": "田中 由紀"}, reactions=[{"from": "contact", "emoji": "👍"}])  # fmt: skip
    problem = {
        "code": "media_rejected",
        "detail": "",
        "provider_code": "131053",
        "fault": "content",
        "retry": False,
    }
    backend.message(
        "c1",
        "agent",
        "交換のご案内をお送りします。",
        at=at(20),
        status=status("failed", at(20), problem=problem, resend="again"),
    )
    backend.message(
        "c1", "agent", "代わりの品は明日発送いたします。", at=at(21), status=status("delivered", at(21))
    )
    backend.message("c1", "contact", "🙏", at=at(47))
    backend.message(
        "c1",
        "contact",
        "注文番号は A-1234 です。https://example.com/orders/A-1234 をご確認ください。",
        at=at(48),
    )
