"""The conformance kit: what must hold of every connector, here or anybody's (PRODUCT X7).

A connector's folder has a module `samples` with `SAMPLES`. Each check of `CHECKS` takes the connector and
its samples and returns what it found wrong, in sentences; an empty list is a pass. Nothing does I/O.
"""

from __future__ import annotations

from importlib import import_module

from connectors.contract import Connector
from connectors.registry import discover
from connectors.testing.general_checks import profile_sourced, secrets_kept
from connectors.testing.samples import RECEIVED, Check, Samples
from connectors.testing.send_checks import (
    answers_understood,
    contents_as_profiled,
    drive,
    errors_mapped,
    lost_answers,
    nothing_over_the_limit,
    throttling,
)
from connectors.testing.webhook_checks import (
    accounted_for,
    every_secret,
    repeats_share_ids,
    signature_missing,
    signature_of_raw_bytes,
    signature_wrong,
    survives_mutations,
)

__all__ = ["CHECKS", "RECEIVED", "Check", "Samples", "drive", "installed", "run"]


def installed() -> dict[str, tuple[Connector, Samples]]:
    """Every connector in `connectors/` with its samples, by channel. Raises ImportError if samples are missing."""
    found: dict[str, tuple[Connector, Samples]] = {}
    for channel, connector in discover().items():
        folder = type(connector).__module__
        found[channel] = (connector, import_module(f"{folder}.samples").SAMPLES)
    return found


def run(connector: Connector, samples: Samples) -> dict[str, list[str]]:
    """Every check by name, with what it found."""
    return {name: check(connector, samples) for name, check in CHECKS.items()}


CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        signature_missing,
        signature_wrong,
        signature_of_raw_bytes,
        every_secret,
        repeats_share_ids,
        accounted_for,
        survives_mutations,
        errors_mapped,
        answers_understood,
        lost_answers,
        throttling,
        contents_as_profiled,
        nothing_over_the_limit,
        secrets_kept,
        profile_sourced,
    )
}
