"""What every act leads to in every state of a conversation (PRODUCT A): data, drawn into docs/states.md.

A test drives `decide` through every cell, so this table and the code cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from gateway.core.errors import Code


class State(StrEnum):
    """Status, owner and block in one. `mine`: the acting agent's own; `other`: another agent's.

    A blocked contact's conversation is always completed: blocking completes it, and nothing reopens it.
    """

    OPEN_BOT = "open, bot"
    OPEN_QUEUE = "open, queue"
    OPEN_MINE = "open, mine"
    OPEN_OTHER = "open, other"
    DONE_BOT = "completed, bot"
    DONE_QUEUE = "completed, queue"
    DONE_MINE = "completed, mine"
    DONE_OTHER = "completed, other"
    BLOCKED_BOT = "blocked, bot"
    BLOCKED_QUEUE = "blocked, queue"
    BLOCKED_MINE = "blocked, mine"
    BLOCKED_OTHER = "blocked, other"


SAME = "="
"""Done, and the state stays as it is."""

Cell = str
"""A `State`, a reason code of a refusal (`errors.Code`), or `SAME`."""
Four = tuple[Cell, Cell, Cell, Cell]
"""Cells for bot, queue, mine, other."""


def _all(cell: Cell) -> Four:
    return cell, cell, cell, cell


def _row(opened: Four, completed: Four, blocked: Four) -> Mapping[State, Cell]:
    return dict(zip(State, (*opened, *completed, *blocked), strict=True))


S, C = State, Code

TABLE: Mapping[str, Mapping[State, Cell]] = {
    "agent assigns to self": _row(
        (S.OPEN_MINE, S.OPEN_MINE, C.ALREADY_OWNER, S.OPEN_MINE), _all(C.ALREADY_COMPLETED), _all(C.BLOCKED)
    ),
    "agent assigns to another": _row(
        (S.OPEN_OTHER, S.OPEN_OTHER, S.OPEN_OTHER, C.ALREADY_OWNER),
        _all(C.ALREADY_COMPLETED),
        _all(C.BLOCKED),
    ),
    "agent accepts": _row(
        (C.ALREADY_TAKEN, S.OPEN_MINE, C.ALREADY_OWNER, C.ALREADY_TAKEN),
        _all(C.ALREADY_COMPLETED),
        _all(C.BLOCKED),
    ),
    "agent transfers to another queue": _row(
        (S.OPEN_QUEUE, SAME, S.OPEN_QUEUE, S.OPEN_QUEUE), _all(C.ALREADY_COMPLETED), _all(C.BLOCKED)
    ),
    "agent puts back into the queue": _row(
        (S.OPEN_QUEUE, C.ALREADY_OWNER, S.OPEN_QUEUE, S.OPEN_QUEUE),
        _all(C.ALREADY_COMPLETED),
        _all(C.BLOCKED),
    ),
    "agent sends": _row((C.NOT_OWNER, C.NOT_OWNER, SAME, C.NOT_OWNER), _all(S.OPEN_MINE), _all(C.BLOCKED)),
    "agent sends and completes": _row(
        (C.NOT_OWNER, C.NOT_OWNER, S.DONE_MINE, C.NOT_OWNER),
        (S.DONE_MINE, S.DONE_MINE, SAME, S.DONE_MINE),
        _all(C.BLOCKED),
    ),
    "agent sends again": _row(
        (C.NOT_OWNER, C.NOT_OWNER, SAME, C.NOT_OWNER), _all(S.OPEN_MINE), _all(C.BLOCKED)
    ),
    "agent ends": _row(
        (C.NOT_ASSIGNED, C.NOT_ASSIGNED, S.DONE_MINE, C.NOT_ASSIGNED),
        _all(C.ALREADY_COMPLETED),
        _all(C.ALREADY_COMPLETED),
    ),
    "agent reopens": _row(_all(C.ALREADY_OPEN), _all(S.OPEN_MINE), _all(C.BLOCKED)),
    "agent blocks": _row(
        (S.BLOCKED_BOT, S.BLOCKED_QUEUE, S.BLOCKED_MINE, S.BLOCKED_OTHER),
        (S.BLOCKED_BOT, S.BLOCKED_QUEUE, S.BLOCKED_MINE, S.BLOCKED_OTHER),
        _all(C.ALREADY_BLOCKED),
    ),
    "agent unblocks": _row(
        _all(C.NOT_BLOCKED), _all(C.NOT_BLOCKED), (S.DONE_BOT, S.DONE_QUEUE, S.DONE_MINE, S.DONE_OTHER)
    ),
    "agent notes": _row(_all(SAME), _all(SAME), _all(SAME)),
    "agent makes a ticket": _row(_all(SAME), _all(SAME), _all(SAME)),
    "agent hands over from the bot": _row(
        (S.OPEN_QUEUE, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
    ),
    "agent acts on an old ownership": _row(_all(C.STALE_EPOCH), _all(C.STALE_EPOCH), _all(C.STALE_EPOCH)),
    "bot sends": _row(
        (SAME, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.BLOCKED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
    ),
    "bot sends and completes": _row(
        (S.DONE_BOT, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.BLOCKED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
    ),
    "bot hands over": _row(
        (S.OPEN_QUEUE, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
    ),
    "bot hands over, nobody would notice": _row(
        (C.NOBODY_AVAILABLE, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
    ),
    "bot ends": _row(
        (S.DONE_BOT, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
    ),
    "bot acts on an old ownership": _row(_all(C.STALE_EPOCH), _all(C.STALE_EPOCH), _all(C.STALE_EPOCH)),
    "rule assigns": _row(
        (C.ALREADY_TAKEN, S.OPEN_OTHER, C.ALREADY_TAKEN, C.ALREADY_OWNER),
        _all(C.ALREADY_COMPLETED),
        _all(C.BLOCKED),
    ),
    "rule hands over": _row(
        (S.OPEN_QUEUE, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
        (C.ALREADY_COMPLETED, C.NOT_OWNER, C.NOT_OWNER, C.NOT_OWNER),
    ),
    "rule offers the offline message": _row(
        (C.NOT_WANTED, SAME, C.NOT_WANTED, C.NOT_WANTED), _all(C.NOT_WANTED), _all(C.BLOCKED)
    ),
    "completion is due": _row(
        (S.DONE_BOT, S.DONE_QUEUE, S.DONE_MINE, S.DONE_OTHER), _all(C.NOT_DUE), _all(C.NOT_DUE)
    ),
    "contact writes": _row(_all(SAME), _all(S.OPEN_QUEUE), _all(SAME)),
    "contact writes, bot attached": _row(_all(SAME), _all(S.OPEN_BOT), _all(SAME)),
    "contact writes, last agent there": _row(
        _all(SAME), (S.OPEN_BOT, S.OPEN_BOT, S.OPEN_MINE, S.OPEN_OTHER), _all(SAME)
    ),
    "contact reacts": _row(_all(SAME), _all(SAME), _all(SAME)),
    "contact opens the chat": _row(_all(SAME), _all(SAME), _all(SAME)),
    "native app writes": _row(_all(SAME), _all(SAME), _all(SAME)),
}
"""The outcome of each act in each state. What an act may meet besides (unknown ids, the service window, limits,
permissions) is left out: it is refused alike in every state."""

_HOLDERS = ("bot", "queue", "mine", "other")
_INTRO = """# States of a conversation

Drawn from `gateway/core/state_table.py` by `python -m gateway.state_docs`; a test drives the code through every cell.

A conversation is open or completed, and a bot, a queue or an agent holds it. *mine* is held by the agent who acts,
*other* by another agent. A blocked contact's conversation is always completed. `=` is done without a change of state;
words like `not_owner` are the reason codes of refusals, and a refused act leaves no trace.
"""


def markdown() -> str:
    """The table as the page docs/states.md."""
    return "\n".join((_INTRO, *_diagram(), *_tables())) + "\n"


def _diagram() -> Iterator[str]:
    yield from ("```mermaid", "stateDiagram-v2")
    edges: dict[tuple[str, str], list[str]] = {}
    for act, row in TABLE.items():
        for state, cell in row.items():
            if cell in list(State):
                acts = edges.setdefault((_node(state), _node(State(cell))), [])
                acts += [] if act in acts else [act]
    for (start, end), acts in edges.items():
        if start != end:
            yield f"    {start} --> {end}: {'<br>'.join(acts)}"
    yield from ("```", "")


def _node(state: State) -> str:
    status, _, holder = state.value.partition(", ")
    if status != "open":
        return status
    return "agent" if holder in ("mine", "other") else holder


def _tables() -> Iterator[str]:
    for status in ("open", "completed", "blocked"):
        yield f"## {status.capitalize()}\n"
        yield "| act | " + " | ".join(_HOLDERS) + " |"
        yield "| --- " * (len(_HOLDERS) + 1) + "|"
        for act, row in TABLE.items():
            cells = (row[State(f"{status}, {holder}")] for holder in _HOLDERS)
            yield f"| {act} | " + " | ".join(_shown(cell) for cell in cells) + " |"
        yield ""


def _shown(cell: Cell) -> str:
    return f"**{cell}**" if cell in list(State) else cell if cell == SAME else f"`{cell}`"
