"""Counts of what inputs led to: every input ends in exactly one outcome (PRODUCT X1)."""

from __future__ import annotations

from functools import cache

from prometheus_client import Counter

OUTCOMES = Counter("gateway_log_outcomes_total", "Inputs by kind and outcome", ["input", "outcome"])


def count(kind: str, outcome: str) -> None:
    """One more input of this kind with this outcome."""
    _child(kind, outcome).inc()


@cache
def _child(kind: str, outcome: str) -> Counter:
    return OUTCOMES.labels(kind, outcome)
