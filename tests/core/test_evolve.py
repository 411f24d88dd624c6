"""`evolve` is `dataclasses.replace`, only faster."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from gateway.core.evolve import evolve
from tests.core.build import Talk, inbound


def test_it_does_what_replace_does() -> None:
    talk = Talk()
    talk(inbound(1))
    head = talk.head
    made = evolve(head, seq=9, blocked=True)
    assert made == replace(head, seq=9, blocked=True)
    assert type(made) is type(head)
    assert hash(made.contact) == hash(head.contact)
    assert evolve(head) == head
    assert evolve(head) is not head


def test_the_copy_is_frozen_and_the_original_untouched() -> None:
    contact = inbound(1).contact
    made = evolve(contact, name="Other")
    assert contact.name == "Lena"
    with pytest.raises(FrozenInstanceError):
        made.name = "x"  # type: ignore[misc]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError):
        evolve(inbound(1).contact, nickname="x")
