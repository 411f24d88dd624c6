"""Timers within a decision: set them anew after what happened, and what happens when one fires (PRODUCT T, B2)."""

from __future__ import annotations

from gateway.core import commands as k
from gateway.core import events as e
from gateway.core.actors import Actor, ActorKind
from gateway.core.capabilities import window_closes
from gateway.core.conversation import Head
from gateway.core.decide_automatic import send_automatic
from gateway.core.decide_escalation import to_queue
from gateway.core.directory import AutoCompletion
from gateway.core.draft import LOG, Draft
from gateway.core.errors import Code, Refusal
from gateway.core.facts import Facts
from gateway.core.timers import TimerKind, TimerRules, changed, wanted

COMPLETION = Actor(ActorKind.RULE, "completion", "auto_completion")


def timer_rules(head: Head, facts: Facts) -> TimerRules:
    """What the directory says about this conversation's timers."""
    account = facts.directory.accounts.get(head.account_id)
    department = facts.directory.departments.get(head.department_id)
    completion = account.completion if account else None
    if completion is None and department:
        completion = department.completion
    bot = facts.directory.bots.get(head.owner.id)
    profile = facts.profile(head.account_id)
    closes = window_closes(profile, head.contact_at) if profile else None
    return TimerRules(completion or AutoCompletion(), bot.answer_within if bot else None, closes)


def settle_timers(draft: Draft, facts: Facts) -> None:
    """Add TimersChanged when what happened, or a changed setting, wants other timers."""
    if not draft.events:
        return
    head = draft.conversation.head
    timers = changed(head.timers, wanted(head, timer_rules(head, facts)), head.seq + 1)
    if timers is not None:
        draft.add(e.TimersChanged(timers), LOG)


def fire_timer(draft: Draft, action: k.FireTimer, facts: Facts) -> Refusal | None:
    """What a due timer does. A timer that was set anew, or is not due yet, is refused."""
    head = draft.conversation.head
    timer = next((t for t in head.timers if t.kind is action.kind), None)
    if timer is None or timer.generation != action.generation or draft.now < timer.at:
        return Refusal(Code.NOT_DUE, "The timer was set anew, or is not due yet.")
    rules = timer_rules(head, facts)
    wish = wanted(head, rules)
    if wish.get(timer.kind, draft.now + 1) > draft.now:
        _set_anew(draft, wish)
        return None
    completion = rules.completion
    match timer.kind:
        case TimerKind.COMPLETION:
            if completion.farewell:
                send_automatic(draft, facts, completion.farewell, COMPLETION)
            draft.add(e.ConversationCompleted(e.Completion.AUTOMATIC), COMPLETION)
        case TimerKind.WARNING:
            if not completion.warning or not send_automatic(draft, facts, completion.warning, COMPLETION):
                draft.add(_warning_left_out(draft, action))
        case TimerKind.BOT_ANSWER:
            to_queue(draft, facts, head.department_id, k.HandOverReason.BOT_SILENT)
    return None


def _set_anew(draft: Draft, wish: dict[TimerKind, int]) -> None:
    """The settings changed since the timer was set, and do not want it now."""
    timers = changed(draft.conversation.head.timers, wish, draft.conversation.head.seq + 1)
    if timers is not None:
        draft.add(e.TimersChanged(timers), LOG)


def _warning_left_out(draft: Draft, action: k.FireTimer) -> e.AutomaticDecision:
    about = str(action.generation)
    return e.AutomaticDecision("completion", "warning", "not_possible", about, draft.now, {})
