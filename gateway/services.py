"""The child processes of `gateway up`: what runs, on which port, and when it is ready."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence

from gateway.settings import Settings
from gateway.up import Child, answers


def children(settings: Settings, channels: Sequence[str], env: Mapping[str, str]) -> list[Child]:
    """Every service of one machine; connectors share a process, and so do the rules."""
    shared = {"GATEWAY_PARTITIONS": str(settings.conversation_partitions), **env}

    def child(name: str, *arguments: str, port: int) -> Child:
        argv = (sys.executable, "-m", "gateway.cli", "run", *arguments)
        return Child(name, argv, shared, _ready(port, settings.host), ports=(port,))

    return [
        child("log", "log", port=settings.log_port),
        child("connectors", "connector", *channels, port=settings.connectors_port),
        child("processors", "processor", "all", port=settings.processors_port),
        child("bots", "bots", port=settings.bots_port),
        child("inbox", "inbox", port=settings.inbox_port),
    ]


def simulators(settings: Settings, env: Mapping[str, str]) -> Child:
    """The simulated providers."""
    argv = (sys.executable, "-m", "gateway.cli", "run", "simulators")
    port = settings.simulators_port
    return Child("simulators", argv, dict(env), _ready(port, settings.host), ports=(port,))


def _ready(port: int, host: str) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        return await answers(port, host=host)

    return ready
