"""A simulation that finds nothing proves nothing: every bug that is planted must be found."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from processors.simulation.sweep import Failure, sweep
from tests.simulation.planted import PLANTED


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    seeds, said = PLANTED[plant]
    found = next((r for r in sweep(range(seeds), jobs=1) if isinstance(r, Failure)), None)
    assert found is not None, "the simulation is blind for this"
    assert re.search(said, found.what), found.what


def test_there_are_at_least_ten() -> None:
    assert len(PLANTED) >= 10
