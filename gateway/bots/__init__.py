"""Bots that the gateway drives: webhook bots and the built-in menu bot. Bots on Kafka drive themselves (docs/bots.md)."""
