"""Counters and gauges of the inbox."""

from __future__ import annotations

from gateway.metrics import counter, gauge, histogram

PROJECTED = counter("gateway_inbox_projected_total", "Events projected")
ORPHANS = counter("gateway_inbox_orphans_total", "Events about a message that the projection does not know")
GAPS = counter("gateway_inbox_gaps_total", "Gaps found between the rows and the log; each begins a rebuild")
REBUILDS = counter("gateway_inbox_rebuilds_total", "Rebuilds begun because Redis had lost the rows")
READY = gauge("gateway_inbox_ready", "1 when every row is there, 0 while rebuilding")
REDIS_UP = gauge("gateway_inbox_redis_up", "1 when Redis answers")
LAG = gauge("gateway_inbox_lag", "Events not projected yet", ["partition"])
STREAMS = gauge("gateway_inbox_streams", "Open live event streams")
RESYNCS = counter("gateway_inbox_resyncs_total", "Streams that were told to load everything again")
COMMANDS = counter("gateway_inbox_commands_total", "Commands sent for agents", ["outcome"])
SIGN_INS = counter("gateway_inbox_sign_ins_total", "Attempts to sign in", ["outcome"])
COMMAND_SECONDS = histogram(
    "gateway_inbox_command_seconds",
    "From the request to the log's answer",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
