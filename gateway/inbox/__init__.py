"""The inbox: projection of the conversation log, HTTP API, live events, the chat screen's server."""
