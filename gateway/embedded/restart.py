"""When a child that exited is started again, and when the whole gives up. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# The conversation log ends itself with this code when it was fenced: wanted, so no back-off.
DELIBERATE_EXIT = 75


@dataclass(frozen=True)
class RestartPolicy:
    """Delays double from the first to the longest; `failures` exits within the window are one too many."""

    first_delay: float = 0.5
    longest_delay: float = 15.0
    window: float = 120.0
    failures: int = 5
    deliberate: int = 30


@dataclass(frozen=True)
class Restart:
    """Start the child again after so many seconds."""

    delay: float


@dataclass(frozen=True)
class GiveUp:
    """Stop everything and tell the reason."""

    reason: str


@dataclass(frozen=True)
class ExitHistory:
    """Times (seconds, any monotonic clock) of the exits that still count."""

    failed: tuple[float, ...] = ()
    deliberate: tuple[float, ...] = ()


def after_exit(
    policy: RestartPolicy, history: ExitHistory, code: int, now: float
) -> tuple[ExitHistory, Restart | GiveUp]:
    """What to do about a child that exited with `code` (negative = signal) at `now`."""
    failed = tuple(time for time in history.failed if time > now - policy.window)
    deliberate = tuple(time for time in history.deliberate if time > now - policy.window)
    if code == DELIBERATE_EXIT:
        history = ExitHistory(failed, (*deliberate, now))
        if len(history.deliberate) >= policy.deliberate:
            return history, _give_up(len(history.deliberate), policy.window, code)
        return history, Restart(0.0)
    history = ExitHistory((*failed, now), deliberate)
    if len(history.failed) >= policy.failures:
        return history, _give_up(len(history.failed), policy.window, code)
    delay = policy.first_delay * 2 ** (len(history.failed) - 1)
    return history, Restart(min(delay, policy.longest_delay))


def describe_exit(code: int) -> str:
    """An exit code in words."""
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _give_up(count: int, window: float, code: int) -> GiveUp:
    return GiveUp(f"it ended {count} times within {window:.0f} s, last with {describe_exit(code)}")
