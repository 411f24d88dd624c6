"""What a row of the benchmark says, and how it is printed. Pure but for reading what machine this is."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement. `bare` = the bare loop's figure in the same unit; `ratio` = measured in parts of it.

    `met` None = the target cannot be judged yet. `more` holds further figures, `growth` the figure at 1× and
    10× the conversations.
    """

    name: str
    what: str
    unit: str
    measured: float
    bare: float | None
    bare_is: str
    target: str
    met: bool | None
    more: Mapping[str, Any] = field(default_factory=dict)
    growth: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Measured ÷ bare."""
        return self.measured / self.bare if self.bare else None

    def as_json(self) -> dict[str, Any]:
        """One line of `--json`."""
        return {"kind": "row", **asdict(self), "ratio": self.ratio}


@dataclass(frozen=True, slots=True)
class Failed:
    """A row that could not be measured, and why."""

    name: str
    reason: str

    def as_json(self) -> dict[str, Any]:
        """One line of `--json`."""
        return {"kind": "failed", **asdict(self)}


def number(value: float) -> str:
    """A figure for a person: no more digits than it deserves."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def lines(row: Row | Failed) -> list[str]:
    """The row for a person."""
    if isinstance(row, Failed):
        return [f"{row.name}: NOT MEASURED: {row.reason}"]
    verdict = {True: "met", False: "MISSED", None: "cannot be judged yet"}[row.met]
    text = [f"{row.name}: {row.what}", f"    measured  {number(row.measured)} {row.unit}"]
    if row.bare is not None:
        text.append(f"    bare      {number(row.bare)} {row.unit} ({row.bare_is}); ratio {row.ratio:.2f}")
    text.append(f"    target    {row.target}: {verdict}")
    text += [f"    {name}: {_value(value)}" for name, value in row.more.items()]
    if row.growth:
        grown = ", ".join(f"{size}: {number(value)} {row.unit}" for size, value in row.growth.items())
        text.append(f"    by conversations  {grown}")
    return text


def _value(value: Any) -> str:
    return number(value) if isinstance(value, int | float) else str(value)


def machine(kafka: str) -> dict[str, Any]:
    """Where the figures come from; `load` is the 1-minute load average before the run."""
    return {
        "kind": "machine",
        "cores": os.cpu_count(),
        "memory_gb": round(_total_memory() / 2**30, 1),
        "cpu": _cpu_model(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "kafka": kafka,
        "load": round(os.getloadavg()[0], 2),
    }


def _total_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cpu_model() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
