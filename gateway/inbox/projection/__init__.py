"""From the log to lists, counters and messages in Redis: all of it can be rebuilt from the log."""
