"""The process around a channel: webhooks in, send requests out. `run` serves one or several connectors."""
