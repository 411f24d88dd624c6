"""A conversation in the partition's state: one record for the head, one for each block."""

from __future__ import annotations

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
    was, now = (before.head if before else None), after.head
    if before is None or before.seen is not after.seen:
        numbers = (was.seen_from, was.seen_to) if was else (0, 0)
        _blocks(view, (before.seen if before else (), numbers[0]), (after.seen, now.seen_from), key, b"i")
    if before is None or before.sent is not after.sent:
        numbers = (was.sent_from, was.sent_to) if was else (0, 0)
        _blocks(view, (before.sent if before else (), numbers[0]), (after.sent, now.sent_from), key, b"o")


def _blocks(
    view: StateView,
    before: tuple[tuple[Block, ...], int],
    after: tuple[tuple[Block, ...], int],
    key: bytes,
    kind: bytes,
) -> None:
    old = dict(enumerate(before[0], before[1]))
    new = dict(enumerate(after[0], after[1]))
    for number, block in new.items():
        if old.get(number) is not block:
            view.put(b"%b|%b|%d" % (key, kind, number), block)
    for number in old.keys() - new.keys():
        view.put(b"%b|%b|%d" % (key, kind, number), None)


def encode_part(part: Head | SeenBlock | SentBlock) -> bytes:
    """The bytes of one state record."""
    return encode(ConversationState(part))


def decode_part(data: bytes) -> Head | SeenBlock | SentBlock:
    """The head or block again. Raises WireError."""
    return decode(data, ConversationState).part
