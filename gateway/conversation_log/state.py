"""A conversation in the partition's state: one record for the head, one for each block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

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
    seen: Blocks[SeenBlock] = Blocks(view, key, seen_key, head.seen_from, head.seen_to)
    sent: Blocks[SentBlock] = Blocks(view, key, sent_key, head.sent_from, head.sent_to)
    return Conversation(head, seen, sent)


class Blocks(Sequence[Block]):
    """Blocks that are decoded when they are looked at: a message needs no sent block, a receipt no seen one.

    Good for one record only, since it reads the view as it is then. Raises KeyError when a block is missing.
    """

    __slots__ = ("_first", "_found", "_key", "_name", "_view")

    def __init__(
        self, view: StateView, key: bytes, name: Callable[[bytes, int], bytes], first: int, end: int
    ) -> None:
        self._view = view
        self._key = key
        self._name = name
        self._first = first
        self._found: list[Block | None] = [None] * (end - first)

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, at: int) -> Block: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Block, ...]: ...
    def __getitem__(self, at: int | slice) -> Block | tuple[Block, ...]:
        numbers = range(len(self._found))[at]
        return self._load(numbers) if isinstance(numbers, int) else tuple(self._load(n) for n in numbers)

    def _load(self, number: int) -> Block:
        block = self._found[number]
        if block is None:
            key = self._name(self._key, self._first + number)
            block = self._found[number] = self._view.get(key)
            if block is None:
                raise KeyError(f"the state lacks the block {key!r}")
        return block

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


def store(view: StateView, key: bytes, before: Conversation | None, after: Conversation) -> None:
    """Put what changed; blocks that were dropped become tombstones."""
    if before is None or before.head is not after.head:
        view.put(key, after.head)
    if before is None or before.seen is not after.seen:
        old: tuple[Sequence[SeenBlock], int] = (before.seen, before.head.seen_from) if before else ((), 0)
        _blocks(view, key, seen_key, old, (after.seen, after.head.seen_from))
    if before is None or before.sent is not after.sent:
        old_sent: tuple[Sequence[SentBlock], int] = (
            (before.sent, before.head.sent_from) if before else ((), 0)
        )
        _blocks(view, key, sent_key, old_sent, (after.sent, after.head.sent_from))


def _blocks(
    view: StateView,
    key: bytes,
    name: Callable[[bytes, int], bytes],
    before: tuple[Sequence[Block], int],
    after: tuple[Sequence[Block], int],
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
