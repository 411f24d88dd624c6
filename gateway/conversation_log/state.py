"""A conversation in the partition's state: one record for the head, one for each block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gateway.bus.records import StateView
from gateway.core.conversation import Conversation, ConversationState, Head, SeenBlock, SentBlock
from gateway.wire.framing import decode, encode

Block = TypeVar("Block", SeenBlock, SentBlock)


def seen_key(conversation: bytes, number: int) -> bytes:
    """Key of the `number`th block of handled causes."""
    return b"%b|i|%d" % (conversation, number)


def sent_key(conversation: bytes, number: int) -> bytes:
    """Key of the `number`th block of sent messages."""
    return b"%b|o|%d" % (conversation, number)


def load(view: StateView, key: bytes) -> Conversation | None:
    """The conversation under this key; None if there is none. Raises KeyError when a block is missing."""
    head = view.get(key)
    if head is None:
        return None
    seen = tuple(_block(view, seen_key(key, n)) for n in range(head.seen_from, head.seen_to))
    sent = tuple(_block(view, sent_key(key, n)) for n in range(head.sent_from, head.sent_to))
    return Conversation(head, seen, sent)


def _block(view: StateView, key: bytes) -> Any:
    block = view.get(key)
    if block is None:
        raise KeyError(f"the state lacks the block {key!r}")
    return block


def store(view: StateView, key: bytes, before: Conversation | None, after: Conversation) -> None:
    """Put what changed; blocks that were dropped become tombstones."""
    if before is None or before.head is not after.head:
        view.put(key, after.head)
    if before is None or before.seen is not after.seen:
        old = (before.seen, before.head.seen_from) if before else ((), 0)
        _blocks(view, key, seen_key, old, (after.seen, after.head.seen_from))
    if before is None or before.sent is not after.sent:
        old_sent = (before.sent, before.head.sent_from) if before else ((), 0)
        _blocks(view, key, sent_key, old_sent, (after.sent, after.head.sent_from))


def _blocks(
    view: StateView,
    key: bytes,
    name: Callable[[bytes, int], bytes],
    before: tuple[tuple[Block, ...], int],
    after: tuple[tuple[Block, ...], int],
) -> None:
    """Blocks with the number of their first; this runs for every record, so nothing is built."""
    (old, old_from), (new, new_from) = before, after
    moved = new_from - old_from
    for n, block in enumerate(new):
        if not (0 <= n + moved < len(old) and old[n + moved] is block):
            view.put(name(key, new_from + n), block)
    for n in range(len(old)):
        if not 0 <= n - moved < len(new):
            view.put(name(key, old_from + n), None)


def encode_part(part: Head | SeenBlock | SentBlock) -> bytes:
    """The bytes of one state record."""
    return encode(ConversationState(part))


def decode_part(data: bytes) -> Head | SeenBlock | SentBlock:
    """The head or block again. Raises WireError."""
    return decode(data, ConversationState).part
