"""What a bot may ask of the log, and where it may hand over to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core import commands as k
from gateway.core.actors import Actor, ActorKind
from gateway.core.directory import Department
from tests.core.build import ANN, ROBO, WITH_BOT, Talk, command, inbound, send

OTHER = Actor(ActorKind.BOT, "other", "Other")
ANN_THE_BOT = Actor(ActorKind.BOT, "ann", "Ann")
OVER = k.HandOver(k.HandOverReason.BOT_ASKED, anyway=True)


@pytest.mark.parametrize(
    ("actor", "action", "epoch", "outcome"),
    [
        (ROBO, k.End(), 1, "accepted"),
        (ROBO, k.End(), 2, "refused:stale_epoch"),
        (ROBO, k.End(), None, "refused:stale_epoch"),
        (ROBO, OVER, 1, "accepted"),
        (ROBO, k.Transfer("sales"), 1, "refused:forbidden"),
        (ROBO, k.Assign("ann"), 1, "refused:forbidden"),
        (ROBO, k.Block(), 1, "refused:forbidden"),
        (ROBO, k.CreateTicket("x"), 1, "refused:forbidden"),
        (OTHER, k.End(), 1, "refused:not_owner"),
        (OTHER, OVER, 1, "refused:not_owner"),
    ],
)
def test_a_bot_acts_on_what_it_holds(actor: Actor, action: k.Action, epoch: int | None, outcome: str) -> None:
    talk = Talk(WITH_BOT)
    talk(inbound(1))
    assert talk(command(1, actor, action, epoch=epoch)).outcome == outcome


def test_a_bot_named_like_the_owning_agent_is_not_that_agent() -> None:
    talk = Talk(WITH_BOT)
    talk(inbound(1), command(1, ANN, k.Assign("ann")))
    assert talk(send(2, actor=ANN_THE_BOT, epoch=2)).outcome == "refused:not_owner"
    assert talk(command(3, ANN_THE_BOT, k.End(), epoch=2)).outcome == "refused:not_owner"


def test_nothing_is_handed_over_to_another_tenant() -> None:
    foreign = Department("foreign", "another", "Foreign")
    talk = Talk(replace(WITH_BOT, directory=WITH_BOT.directory.with_entity(foreign)))
    talk(inbound(1))
    action = replace(OVER, department_id="foreign")
    assert talk(command(1, ROBO, action, epoch=1)).outcome == "refused:unknown_department"
