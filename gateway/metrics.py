"""Prometheus metrics of every process: one registry, one text page.

Modules make their metrics with `counter`, `gauge` and `histogram`; asking again for a name gives the same
one, so that several services can share a process. Names begin with `gateway_`. Labels hold ids of channels
and accounts, never an address, a message or a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; DESIGN section 7 asks for 50 ms and 200 ms."""

_known: dict[str, Counter | Gauge | Histogram] = {}


def counter(name: str, doc: str, labels: Sequence[str] = ()) -> Counter:
    """A count that only grows; its name ends in `_total`. Raises TypeError for the name of another kind."""
    return _once(Counter, name, lambda: Counter(name, doc, labels))


def gauge(name: str, doc: str, labels: Sequence[str] = ()) -> Gauge:
    """A value that goes up and down. Raises as `counter`."""
    return _once(Gauge, name, lambda: Gauge(name, doc, labels))


def histogram(
    name: str, doc: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_BUCKETS
) -> Histogram:
    """A distribution, of seconds unless the name says otherwise. Raises as `counter`."""
    return _once(Histogram, name, lambda: Histogram(name, doc, labels, buckets=buckets))


def _once(kind: type[_Metric], name: str, make: Callable[[], _Metric]) -> _Metric:
    made = _known.get(name)
    if made is None:
        made = _known[name] = make()
    if not isinstance(made, kind):
        raise TypeError(f"{name} is a {type(made).__name__.lower()} already")
    return made


def page() -> tuple[bytes, str]:
    """Everything this process counts, as the text that Prometheus reads, and its content type."""
    return generate_latest(REGISTRY), CONTENT_TYPE_LATEST


def value(name: str, **labels: str) -> float:
    """The present value of one sample, 0 if there is none yet. For `doctor` and for tests."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
