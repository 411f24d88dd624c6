"""Finds the channels: every folder beside this file whose package exports `CONNECTOR`."""

from __future__ import annotations

import importlib
import pkgutil

import connectors
from connectors.contract import Connector

_NO_CHANNELS = ("runner", "testing")


def discover() -> dict[str, Connector]:
    """The connectors by channel, in the order of their names. A new channel needs a folder and no edit here.

    Raises ValueError when two folders serve the same channel; an import error of a folder passes through.
    """
    found: dict[str, Connector] = {}
    for module in sorted(pkgutil.iter_modules(connectors.__path__), key=lambda m: m.name):
        if not module.ispkg or module.name.startswith("_") or module.name in _NO_CHANNELS:
            continue
        package = importlib.import_module(f"connectors.{module.name}")
        connector: Connector | None = getattr(package, "CONNECTOR", None)
        if connector is None:
            continue
        if connector.channel in found:
            raise ValueError(f"two folders serve the channel {connector.channel}")
        found[connector.channel] = connector
    return found
