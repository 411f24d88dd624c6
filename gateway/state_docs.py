"""Draws docs/states.md from the table of states: `python -m gateway.state_docs`."""

from __future__ import annotations

from pathlib import Path

from gateway.core.state_table import markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "states.md"


def main() -> None:
    """Write the page."""
    PAGE.write_text(markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
