"""What a worker of the transactional loop must be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.bus.batch import BatchRules


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """`inputs`, `state_topic` and `outputs` share one partition count; `other_topics` maps the rest to theirs.

    `instance` = this worker's name, the same after a restart. Times end in their unit.
    """

    bootstrap: str
    group: str
    instance: str
    inputs: tuple[str, ...]
    state_topic: str
    rules: BatchRules
    outputs: tuple[str, ...] = ()
    other_topics: Mapping[str, int] = field(default_factory=dict)
    accept_lost_input: bool = False
    max_poll_records: int = 2_000
    gather_seconds: float = 0.010
    timer_seconds: float = 1.0
    timer_limit: int = 500
    cache_size: int = 10_000
    restores_at_once: int = 4
    session_ms: int = 10_000
    heartbeat_ms: int = 3_000
    rebalance_ms: int = 12_000
    transaction_timeout_ms: int = 15_000
    transaction_seconds: float = 30.0
    start_seconds: float = 60.0
    hanging_seconds: float = 30.0
    stop_seconds: float = 10.0
    stall_seconds: float = 60.0
    group_commit_seconds: float = 5.0
