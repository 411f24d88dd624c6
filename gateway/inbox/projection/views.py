"""Which lists a conversation is in, and where: pure, from its summary alone."""

from __future__ import annotations

from gateway.inbox.content_json import Row

VIEWS = ("mine", "unassigned", "all", "completed", "blocked", "attention")
OLDEST_FIRST = frozenset({"unassigned"})


def list_key(view: str, department: str, channel: str = "", agent: str = "") -> str:
    """Name of one list: of a view in a department, of one channel or (none) all, for `mine` of an agent."""
    return f"list:{view}:{department}:{channel}:{agent}"


def lists(summary: Row | None) -> dict[str, int]:
    """Every list that holds the conversation, with its score (Unix milliseconds)."""
    if summary is None:
        return {}
    found: dict[str, int] = {}
    for view, score in _views(summary).items():
        agent = summary["owner"]["id"] if view == "mine" else ""
        for channel in ("", summary["channel"]):
            found[list_key(view, summary["department_id"], channel, agent)] = score
    return found


def _views(summary: Row) -> dict[str, int]:
    newest = summary["last_at"]
    if summary["blocked"]:
        return {"blocked": newest}
    views = {"attention": newest} if summary["attention"] else {}
    if summary["status"] == "completed":
        return views | {"completed": newest}
    views["all"] = newest
    kind = summary["owner"]["kind"]
    if kind == "queue":
        views["unassigned"] = queue_score(summary)
    elif kind == "agent":
        views["mine"] = newest
    return views


def queue_score(summary: Row) -> int:
    """Since when somebody waits: the contact, or else the conversation in the queue."""
    since: int | None = summary["waiting_since"]
    return summary["queued_at"] if since is None else since
