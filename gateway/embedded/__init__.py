"""Kafka and Redis as child processes of this machine: no root, no Docker, everything bound to 127.0.0.1."""
