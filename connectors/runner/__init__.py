"""The process around a channel: webhooks in, send requests out. `run` serves one or several connectors."""

from connectors.runner.process import Options, run

__all__ = ["Options", "run"]
