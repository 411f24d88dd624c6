"""From the bot to people: hand-over and its outcome (PRODUCT B2–B7)."""

from __future__ import annotations

from gateway.core import commands as k
from gateway.core import events as e
from gateway.core.actors import ActorKind, Owner, OwnerKind
from gateway.core.conversation import ConversationStatus
from gateway.core.directory import enabled_agents
from gateway.core.draft import Draft
from gateway.core.errors import Code, Refusal
from gateway.core.facts import Facts


def hand_over(draft: Draft, action: k.HandOver, facts: Facts) -> Refusal | None:
    """Put a bot's conversation into a department's queue."""
    head, actor = draft.conversation.head, draft.origin.actor
    if head.owner.kind is not OwnerKind.BOT:
        return Refusal(Code.NOT_OWNER, "No bot holds this conversation any more.")
    if actor.kind is ActorKind.BOT and actor.id != head.owner.id:
        return Refusal(Code.NOT_OWNER, "Another bot holds this conversation.")
    if head.status is ConversationStatus.COMPLETED:
        return Refusal(Code.ALREADY_COMPLETED, "The conversation is completed.")
    department_id = action.department_id or head.department_id
    department = facts.directory.departments.get(department_id)
    if department is None or department.tenant != head.tenant:
        return Refusal(Code.UNKNOWN_DEPARTMENT, "There is no such department.")
    if (
        actor.kind is ActorKind.BOT
        and not action.anyway
        and nobody_would_notice(facts, head.account_id, department_id)
    ):
        detail = "Nobody is available, and no offline message would be sent. Keep it, or hand over `anyway`."
        return Refusal(Code.NOBODY_AVAILABLE, detail)
    to_queue(draft, facts, department_id, action.reason)
    return None


def nobody_would_notice(facts: Facts, account_id: str, department_id: str) -> bool:
    """Whether a hand-over would meet an empty room in silence: nobody is online and no offline message would go out."""
    department = facts.directory.departments.get(department_id)
    agents = enabled_agents(facts.directory, facts.directory.accounts.get(account_id), department_id)
    if not facts.presence_known or agents & facts.online:
        return False
    if department is None or department.offline is None or not department.offline.enabled:
        return True
    return department.hours is None and not department.offline.by_presence_without_hours


def to_queue(draft: Draft, facts: Facts, department_id: str, reason: k.HandOverReason) -> None:
    """The hand-over itself."""
    head = draft.conversation.head
    department = facts.directory.departments.get(department_id)
    owner = Owner(OwnerKind.QUEUE, department_id, department.name if department else department_id)
    how = e.OwnerChange.HANDED_OVER
    draft.add(e.OwnerChanged(owner, head.owner, head.epoch + 1, how, reason.value))


def record_escalation(draft: Draft, action: k.RecordEscalation, facts: Facts) -> Refusal | None:
    """Keep what came of the last hand-over, once."""
    if not draft.conversation.head.escalated:
        return Refusal(Code.ALREADY_RECORDED, "The outcome of the last hand-over is recorded.")
    draft.add(e.EscalationRecorded(action.outcome))
    return None
