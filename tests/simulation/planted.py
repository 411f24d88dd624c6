"""Bugs planted on purpose: the simulation must find each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.conversation_log import logic as log_logic
from gateway.core import apply as core_apply
from gateway.core import (
    decide,
    decide_automatic,
    decide_commands,
    decide_receipts,
    decide_sending,
    decide_timers,
)
from gateway.core import events as e
from gateway.core.actors import ActorKind
from gateway.core.conversation import Conversation
from gateway.core.errors import Code
from gateway.core.evolve import evolve
from gateway.core.timers import TimerKind
from processors.escalation import rules as escalation
from processors.offline import rules as offline
from processors.simulation.broker import Broker


def offline_guard_ignores_the_period(patch: pytest.MonkeyPatch) -> None:
    """O14: neither the rule nor the log asks whether one was sent already."""
    patch.setattr(decide_automatic, "sent_in_this_period", lambda *_: False)
    patch.setattr(offline, "sent_in_this_period", lambda *_: False)


def only_the_log_guards_no_period(patch: pytest.MonkeyPatch) -> None:
    """O14: the rule asks, by its memory alone; a rule that runs twice or forgets must be stopped by the log."""
    patch.setattr(decide_automatic, "sent_in_this_period", lambda *_: False)


def timer_ignores_generation(patch: pytest.MonkeyPatch) -> None:
    """A firing of a timer that was set anew since does its work all the same."""
    fire = decide_timers.fire_timer

    def fired(draft, action, facts):  # type: ignore[no-untyped-def]
        present = next((t for t in draft.conversation.head.timers if t.kind is action.kind), None)
        stale = present is not None and present.generation != action.generation
        if stale and action.kind is TimerKind.COMPLETION:
            draft.add(e.ConversationCompleted(e.Completion.AUTOMATIC), decide_timers.COMPLETION)
            return None
        return fire(draft, action, facts)

    patch.setitem(decide_commands._ACTIONS, decide_commands.k.FireTimer, fired)


def epoch_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    """A command of a former ownership is taken."""
    check = decide_commands._check

    def checked(state, command, facts):  # type: ignore[no-untyped-def]
        return check(state, replace(command, epoch=state.head.epoch), facts)

    patch.setattr(decide_commands, "_check", checked)


def receipts_lower_a_status(patch: pytest.MonkeyPatch) -> None:
    """The newest receipt is the status, whatever was known."""
    patch.setattr(
        decide_receipts, "join", lambda a, b: evolve(b, provider_ids=(*a.provider_ids, *b.provider_ids))
    )


def early_receipts_are_dropped(patch: pytest.MonkeyPatch) -> None:
    """What came before the answer of the channel is never joined."""
    patch.setattr(decide_receipts, "_waiting_for", lambda state, status: [])


def nothing_is_recognised_as_repeated(patch: pytest.MonkeyPatch) -> None:
    """Dedupe is off."""
    patch.setattr(Conversation, "seq_of_cause", lambda self, cause: None)


def a_message_does_not_clear_the_completion(patch: pytest.MonkeyPatch) -> None:
    """The silence goes on being counted though the contact wrote."""
    patch.setattr(core_apply, "_CONTACT_ACTED", {"warned": False, "offline_hold": False})


def hold_is_not_set(patch: pytest.MonkeyPatch) -> None:
    """After an offline message the conversation is completed by time (O13)."""
    decided = core_apply._decided

    def without(head, event, decision):  # type: ignore[no-untyped-def]
        return {**decided(head, event, decision), "offline_hold": False}

    patch.setattr(core_apply, "_decided", without)


def zombie_is_not_fenced(patch: pytest.MonkeyPatch) -> None:
    """A worker that lost its partition still commits."""
    patch.setattr(Broker, "is_fenced", lambda self, transactional_id, epoch: False)


def result_is_written_twice(patch: pytest.MonkeyPatch) -> None:
    """A command that asked gets two answers."""
    outputs = log_logic.ConversationLogic._outputs

    def doubled(*arguments):  # type: ignore[no-untyped-def]
        found = outputs(*arguments)
        return found + found[-1:] if found and "result" in found[-1].topic else found

    patch.setattr(log_logic.ConversationLogic, "_outputs", doubled)


def bot_answers_after_take_over(patch: pytest.MonkeyPatch) -> None:
    """The log lets a bot send though an agent took over."""
    may_send = decide_sending._may_send
    check = decide_commands._check

    def sends(draft):  # type: ignore[no-untyped-def]
        return None if draft.origin.actor.kind is ActorKind.BOT else may_send(draft)

    def checked(state, command, facts):  # type: ignore[no-untyped-def]
        return None if command.actor.kind is ActorKind.BOT else check(state, command, facts)

    patch.setattr(decide_sending, "_may_send", sends)
    patch.setattr(decide_commands, "_check", checked)


def rule_answers_our_own_messages(patch: pytest.MonkeyPatch) -> None:
    """The offline rule judges what we sent as well."""
    judged = offline._judged

    def also_ours(memory, event):  # type: ignore[no-untyped-def]
        if isinstance(event.happening, e.MessageQueued) and not event.blocked:
            return offline._holder(memory, event)
        return judged(memory, event)

    patch.setattr(offline, "_judged", also_ours)
    offline_guard_ignores_the_period(patch)


def blocked_contacts_are_written_to(patch: pytest.MonkeyPatch) -> None:
    """Sending does not look at the block."""
    may_send = decide_sending._may_send

    def sends(draft):  # type: ignore[no-untyped-def]
        refusal = may_send(draft)
        return None if refusal and refusal.code is Code.BLOCKED else refusal

    patch.setattr(decide_sending, "_may_send", sends)


def the_log_has_no_net(patch: pytest.MonkeyPatch) -> None:
    """What a rule left lying is never applied by the log."""
    patch.setattr(log_logic.ConversationLogic, "due", lambda self, partition, now, limit: [])


def a_restart_forgets_the_deadlines(patch: pytest.MonkeyPatch) -> None:
    """The index of deadlines is not rebuilt from the restored state."""
    patch.setattr(log_logic.ConversationLogic, "restored", lambda self, partition, items: None)


def a_message_does_not_reopen(patch: pytest.MonkeyPatch) -> None:
    """A message to a completed conversation leaves it completed."""
    patch.setattr(decide, "_reopen", lambda draft, facts: None)


def the_outcome_of_a_hand_over_is_lost(patch: pytest.MonkeyPatch) -> None:
    """The escalation rule never says what came of it (B6)."""
    patch.setattr(escalation, "_due", lambda state, now: [])
    patch.setattr(escalation, "_outcome", lambda event: None)


def the_offline_rule_is_deaf(patch: pytest.MonkeyPatch) -> None:
    """Nothing is judged, so nothing is sent and nothing explained."""
    patch.setattr(offline, "_judged", lambda memory, event: None)


def everybody_may_do_everything(patch: pytest.MonkeyPatch) -> None:
    """Departments are no border (A12)."""
    patch.setattr(decide_commands, "check_permission", lambda agent, tenant, department_id: None)


PLANTED: dict[Callable[[pytest.MonkeyPatch], None], tuple[int, str]] = {
    offline_guard_ignores_the_period: (20, "two offline messages in one closed period"),
    only_the_log_guards_no_period: (120, "two offline messages in one closed period"),
    timer_ignores_generation: (60, "before its time|while the contact waits|was not due"),
    epoch_is_not_checked: (10, "a command of epoch"),
    receipts_lower_a_status: (10, "went down"),
    early_receipts_are_dropped: (20, "the channel told"),
    nothing_is_recognised_as_repeated: (10, "twice|answered otherwise"),
    a_message_does_not_clear_the_completion: (20, "while the contact waits"),
    hold_is_not_set: (60, "after an offline message|the log keeps"),
    zombie_is_not_fenced: (10, "^seq|accepted, then|results|twice"),
    result_is_written_twice: (10, "results"),
    bot_answers_after_take_over: (20, "robo sent though|a command of epoch"),
    rule_answers_our_own_messages: (20, "answers what is no message"),
    blocked_contacts_are_written_to: (30, "blocked"),
    the_log_has_no_net: (40, "past its deadline|should have been completed|the bot is silent"),
    a_restart_forgets_the_deadlines: (40, "past its deadline|should have been completed|the bot is silent"),
    a_message_does_not_reopen: (10, "did not reopen"),
    the_outcome_of_a_hand_over_is_lost: (20, "outcome of a hand-over"),
    the_offline_rule_is_deaf: (20, "nothing was decided"),
    everybody_may_do_everything: (20, "holds a conversation of"),
}
"""Each bug: within how many seeds it must be found, and what is said of it (a pattern)."""
