"""The demo: a pretend company, simulated channels, and contacts who write and answer."""
