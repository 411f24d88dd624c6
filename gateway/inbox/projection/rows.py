"""The rows of one conversation, as far as they are loaded: what a projection step reads and changes."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.inbox.content_json import Row


@dataclass(slots=True)
class Rows:
    """Summary, items by the seq of the event that made them, and the seq of each message id.

    `changed`, `received` (seqs of counted messages from the contact) and `tickets` collect what is to be written;
    `orphans` counts events about messages that are not known.
    """

    summary: Row | None = None
    items: dict[int, Row] = field(default_factory=dict)
    seq_of: dict[str, int] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    new_ids: dict[str, int] = field(default_factory=dict)
    received: list[int] = field(default_factory=list)
    tickets: dict[int, Row] = field(default_factory=dict)
    orphans: int = 0

    @property
    def seq(self) -> int:
        """Seq of the newest event applied; 0 before the first."""
        return self.summary["seq"] if self.summary else 0

    def add(self, item: Row) -> None:
        """A new item."""
        seq = item["seq"]
        self.items[seq] = item
        self.changed.add(seq)

    def add_message(self, item: Row) -> None:
        """A new item that later events may name by its id."""
        self.add(item)
        self.seq_of[item["id"]] = self.new_ids[item["id"]] = item["seq"]

    def find(self, message_id: str | None) -> Row | None:
        """The loaded item of this message."""
        seq = self.seq_of.get(message_id) if message_id else None
        return None if seq is None else self.items.get(seq)

    def change(self, message_id: str | None) -> Row | None:
        """The item of this message, to be changed; None (counted) if it is not known."""
        item = self.find(message_id)
        if item is None:
            self.orphans += 1
        else:
            self.changed.add(item["seq"])
        return item
