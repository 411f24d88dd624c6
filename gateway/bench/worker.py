"""What the benchmark's own processes share: their argument, their answer, the event loop."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import uvloop

Given = dict[str, Any]


def main(work: Callable[[Given], Coroutine[Any, Any, Given]]) -> None:
    """Runs `work` with the JSON of the file named by the first argument and writes what it answers."""
    given: Given = json.loads(Path(sys.argv[1]).read_text())
    answer = uvloop.run(work(given))
    Path(given["answer"]).write_text(json.dumps(answer))


def quantile(values: Sequence[float], q: float) -> float:
    """The value below which the part `q` of the values lies; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * q), len(ordered) - 1)] if ordered else 0.0
