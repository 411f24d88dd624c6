"""`gateway explain`: the automatic acts and recorded decisions of one conversation, in words."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

from gateway.bus.catalogue import Catalogue
from gateway.explain import explain, read_conversation, told
from gateway.explain_texts import language_of, say


async def print_acts(
    bootstrap: str, catalogue: Catalogue, conversation_id: str, language: str, json_lines: bool
) -> int:
    """Print them, as JSON lines if asked; 1 when there is no such conversation. Raises KafkaError, WireError."""
    events = await read_conversation(bootstrap, catalogue, conversation_id)
    if not events:
        print(f"gateway: there is no conversation {conversation_id}", file=sys.stderr)  # noqa: T201
        return 1
    acts = explain(events, language)
    if not acts and not json_lines:
        print(say(language_of(language), "nothing"))  # noqa: T201
    for act in acts:
        lines = [json.dumps(asdict(act), ensure_ascii=False)] if json_lines else told(act)
        for line in lines:
            print(line)  # noqa: T201
    return 0
