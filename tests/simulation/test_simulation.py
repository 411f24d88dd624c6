"""Seeds of the simulation: nothing is found, every fault was hit, and a seed replays exactly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from processors import simulate
from processors.simulation.schedule import FAULTS
from processors.simulation.sweep import summary
from processors.simulation.world import CONVERSATIONS, EVENTS
from tests.helpers import LONG_RUN
from tests.simulation import planted

SEEDS = 1_000 if LONG_RUN else 300
FAULTS_AT_LEAST = 100
ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(900)
def test_nothing_is_found_and_every_fault_was_hit() -> None:
    found = summary(range(SEEDS))
    again = "python -m processors.simulate --seed {} --trace"
    assert not found.failures, [(again.format(f.seed), f.what) for f in found.failures[:5]]
    assert found.seeds == SEEDS
    assert (found.fewest_events or 0) >= EVENTS
    assert (found.fewest_conversations or 0) >= CONVERSATIONS
    rare = {name: found.faults[name] for name in FAULTS if found.faults[name] < FAULTS_AT_LEAST}
    assert not rare, "kinds of faults that were hit too seldom to prove anything"
    assert set(found.faults) <= set(FAULTS)


def traced(seed: int, hash_seed: str) -> str:
    """The whole trace of a seed, in a process of its own."""
    arguments = [sys.executable, "-m", "processors.simulate", "--seed", str(seed), "--trace"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_seed_replays_exactly() -> None:
    one = traced(7, "1")
    assert one == traced(7, "2")
    assert len(one.splitlines()) > EVENTS
    assert one != traced(8, "1")


def test_a_failing_seed_is_printed_with_how_to_replay_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted.result_is_written_twice(monkeypatch)
    assert simulate.main(["--seeds", "2", "--first", "5", "--jobs", "1"]) == 1
    told = capsys.readouterr().out
    assert "seed 5: command" in told
    assert "--seed 5 --trace" in told
    assert simulate.main(["--seed", "5"]) == 1
    assert "results" in capsys.readouterr().out
