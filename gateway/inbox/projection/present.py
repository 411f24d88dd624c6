"""Rows as the API answers them: names from the directory, statuses by the profile. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.core.capabilities import CapabilityProfile, window_closes
from gateway.core.directory import Directory
from gateway.inbox.content_json import Row
from gateway.inbox.projection.status import status_json

_SUMMARY = (
    "owner",
    "epoch",
    "episode",
    "seq",
    "blocked",
    "attention",
    "last",
    "last_at",
    "waiting_since",
    "completes_at",
)
_ITEM = ("edited_at", "unsent_at", "history", "reactions", "attempts")


@dataclass(frozen=True, slots=True)
class Known:
    """What the replicas know now: the directory, and the profiles by channel account or channel."""

    directory: Directory = field(default_factory=Directory)
    profiles: Mapping[str, CapabilityProfile] = field(default_factory=dict)

    def profile(self, account_id: str, channel: str) -> CapabilityProfile | None:
        """What this channel account can do."""
        return self.profiles.get(account_id) or self.profiles.get(channel)


def conversation_json(summary: Row, unread: int, known: Known) -> Row:
    """A Conversation of the API."""
    account = known.directory.accounts.get(summary["account_id"])
    department = known.directory.departments.get(summary["department_id"])
    profile = known.profile(summary["account_id"], summary["channel"])
    return {
        "id": summary["id"],
        "channel": summary["channel"],
        "account_id": summary["account_id"],
        "account_name": (account.name if account else "") or summary["account_id"],
        "department_id": summary["department_id"],
        "department_name": department.name if department else summary["department_id"],
        "contact": summary["contact"],
        "status": summary["status"],
        **{name: summary[name] for name in _SUMMARY},
        "opened_at": summary["opened_at"],
        "window_closes": window_closes(profile, summary["contact_at"]) if profile else None,
        "unread": unread,
        "capabilities_ref": summary["account_id"],
    }


def item_json(item: Row, profile: CapabilityProfile | None) -> Row:
    """An Item of the API; `profile` is that of the conversation's channel account."""
    if item["kind"] == "system":
        return item
    sent = item["sent"]
    return {
        "kind": "message",
        **{name: item[name] for name in ("seq", "id", "at", "from", "sender", "channel", "content")},
        "fallback": item["fallback"],
        "reply_to": item["reply_to"],
        "status": status_json(sent, profile) if sent else None,
        **{name: item[name] for name in _ITEM},
    }
