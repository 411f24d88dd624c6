"""Head and blocks under their keys: what is stored is what is loaded, and nothing else is left behind."""

from __future__ import annotations

from typing import Any

from gateway.conversation_log.state import decode_part, encode_part, load, seen_key, sent_key, store
from gateway.core import commands as k
from gateway.core import conversation as c
from tests.core.build import ANN, CONVERSATION, T0, Talk, command, inbound, send

KEY = CONVERSATION.encode()


class View(dict[bytes, bytes]):
    """A StateView of bytes; counts what is put."""

    partition = 0
    puts = 0

    def get(self, key: bytes, default: Any = None) -> Any:
        return decode_part(self[key]) if key in self else default

    def put(self, key: bytes, obj: Any) -> None:
        self.puts += 1
        if obj is None:
            del self[key]
        else:
            self[key] = encode_part(obj)

    def counter(self, name: str) -> int:
        raise NotImplementedError


def test_a_long_conversation_is_loaded_as_it_was_and_drops_old_blocks() -> None:
    view, talk = View(), Talk(now=T0)
    for n in range(500):
        talk.now += c.MEMORY_MS // 300
        before = load(view, KEY)
        talk(inbound(n, at=talk.now) if n != 1 else command(100_000, ANN, k.Assign("ann")))
        if n % 4 == 3:
            talk(send(n))
        assert talk.state is not None
        view.puts = 0
        store(view, KEY, before, talk.state)
        assert load(view, KEY) == talk.state
    head = talk.head
    assert head.seen_from > 0
    assert head.sent_from > 0
    assert set(view) == {
        KEY,
        *(seen_key(KEY, n) for n in range(head.seen_from, head.seen_to)),
        *(sent_key(KEY, n) for n in range(head.sent_from, head.sent_to)),
    }


def test_only_what_changed_is_put() -> None:
    view, talk = View(), Talk()
    talk(*(inbound(n) for n in range(300)))
    assert talk.state is not None
    store(view, KEY, None, talk.state)
    before, view.puts = talk.state, 0
    talk(inbound(300))
    store(view, KEY, before, talk.state)
    assert view.puts == 2  # the head and the newest block
    before, view.puts = talk.state, 0
    store(view, KEY, before, talk.state)
    assert view.puts == 0
