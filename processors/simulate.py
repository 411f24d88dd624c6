"""`python -m processors.simulate`: all rules, the log and fake channels in one process, led by a seed.

    python -m processors.simulate --seeds 1000        many seeds on all cores
    python -m processors.simulate --seed 17 --trace   one seed, exactly as it was, step by step

Exit codes: 0 nothing found, 1 a seed found something, 2 wrong use.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from processors.simulation.sweep import Failure, Summary, sweep
from processors.simulation.world import World


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs as the arguments say; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m processors.simulate", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--seed", type=int, help="run this seed only")
    parser.add_argument("--trace", action="store_true", help="with --seed: print every step")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds (default 100)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--jobs", type=int, help="processes (default: one per core)")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _one(options.seed, options.trace)
    return _many(range(options.first, options.first + options.seeds), options.jobs)


def _one(seed: int, trace: bool) -> int:
    lines: list[str] | None = [] if trace else None
    world = World(seed, lines)
    code = 0
    try:
        outcome = world.run()
        verdict = f"seed {seed}: {outcome.events} events, nothing found"
    except Exception:  # noqa: BLE001 (this is what is looked for; it is shown whole)
        code, verdict = 1, f"seed {seed} at {world.schedule.now}:\n{traceback.format_exc()}"
    for line in lines or ():
        _say(line)
    _say(verdict)
    return code


def _many(seeds: range, jobs: int | None) -> int:
    found = Summary()
    for result in sweep(seeds, jobs):
        found.add(result)
        if isinstance(result, Failure):
            _say(f"seed {result.seed}: {result.what}")
            _say(f"  again: python -m processors.simulate --seed {result.seed} --trace")
    _say(f"{found.seeds} seeds, {found.events} events, {len(found.failures)} seeds found something")
    for name, count in found.faults.most_common():
        _say(f"  {count:8} {name}")
    return 1 if found.failures else 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
