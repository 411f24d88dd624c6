"""The HTTP API of the inbox (DESIGN section 6)."""
