"""Counters and gauges of the bus, in the default registry of prometheus-client."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

PRODUCER_SENT = Counter("gateway_producer_sent_total", "Records acknowledged by every in-sync replica")
PRODUCER_FAILED = Counter("gateway_producer_failed_total", "Records not acknowledged in time, or refused")
PRODUCER_OPENED = Counter(
    "gateway_producer_opened_total", "Producers opened; more than one = deliveries failed"
)

LOOP_RECORDS = Counter("gateway_loop_records_total", "Input records decided", ["group", "topic"])
LOOP_DEAD = Counter("gateway_loop_dead_total", "Records written to the dead letters", ["group", "reason"])
LOOP_PARKED = Gauge("gateway_loop_parked", "Conversations that wait for an operator", ["group", "partition"])
LOOP_LAG = Gauge("gateway_loop_lag", "Input records not decided yet", ["group", "topic", "partition"])
LOOP_TRANSACTION = Histogram(
    "gateway_loop_transaction_seconds",
    "From the first write to the committed transaction",
    ["group"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15),
)
LOOP_RESTORE = Histogram(
    "gateway_loop_restore_seconds",
    "Restoring one partition",
    ["group"],
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
LOOP_OFFSET_COMMITS_FAILED = Counter(
    "gateway_loop_offset_commits_failed_total", "Group offsets (for lag tools only) not written", ["group"]
)
LOOP_LOST_INPUT = Counter(
    "gateway_loop_lost_input_total",
    "Input records that were deleted before they were read",
    ["group", "topic"],
)

REPLICA_RECORDS = Gauge("gateway_replica_records", "Keys held", ["topic"])
REPLICA_RESTARTS = Counter("gateway_replica_restarts_total", "Reads begun again after an error", ["topic"])

CONSUMER_HANDLED = Counter("gateway_consumer_handled_total", "Records handled", ["group", "topic"])
CONSUMER_IN_FLIGHT = Gauge("gateway_consumer_in_flight", "Records handed out and not finished", ["group"])


def count_batch(group: str, records: Mapping[str, int], dead: Mapping[str, int], seconds: float) -> None:
    """One committed transaction: input records per topic, dead letters per reason, how long it took."""
    LOOP_TRANSACTION.labels(group).observe(seconds)
    for topic, count in records.items():
        LOOP_RECORDS.labels(group, topic).inc(count)
    for reason, count in dead.items():
        LOOP_DEAD.labels(group, reason).inc(count)
