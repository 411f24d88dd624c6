"""The top-level records, one type per topic (DESIGN section 6), and where their released schemas are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint as fastavro_fingerprint
from fastavro.schema import to_parsing_canonical_form

from gateway.core.capabilities import CapabilityProfile
from gateway.core.commands import Command, CommandResult
from gateway.core.conversation import ConversationState
from gateway.core.directory import DirectoryEntry
from gateway.core.events import ConversationEvent
from gateway.core.messages import (
    ConnectorHealth,
    ContactAlias,
    DeadLetter,
    InboundEvent,
    LedgerEntry,
    Presence,
    Receipt,
    SendRequest,
)

RECORDS: tuple[type, ...] = (
    InboundEvent,
    Receipt,
    Command,
    CommandResult,
    ConversationEvent,
    ConversationState,
    SendRequest,
    LedgerEntry,
    DirectoryEntry,
    Presence,
    CapabilityProfile,
    ConnectorHealth,
    ContactAlias,
    DeadLetter,
)


def fingerprint(schema: Any) -> bytes:
    """CRC-64-AVRO of the schema's Parsing Canonical Form, 8 bytes little-endian as on the wire."""
    return bytes.fromhex(fastavro_fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def released(folder: Path, record: str) -> list[tuple[Path, Any]]:
    """Released schemas of a record, oldest first, from `history/<record>/<n>.avsc` under `folder`.

    Raises OSError when a file cannot be read and ValueError when it is no JSON or its name no number.
    """
    files = sorted((folder / "history" / record).glob("*.avsc"), key=lambda path: int(path.stem))
    return [(path, json.loads(path.read_text(encoding="utf-8"))) for path in files]
