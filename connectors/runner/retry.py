"""What follows an attempt to send: end it, or try again when. Pure; chance and time are passed in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connectors.contract import Next, Rates, Scope, SendOutcome
from gateway.core.receipts import Fault, Problem, Verdict

LONGEST_BACKOFF = 5 * 60_000


@dataclass(frozen=True, slots=True)
class Again:
    """Try again, not before `at`. `tries` is how many tries count as used up."""

    at: int
    tries: int
    problem: Problem | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The request is settled. No verdict = the channel took it."""

    verdict: Verdict | None = None
    provider_message_id: str | None = None
    problem: Problem | None = None


def follow_up(
    outcome: SendOutcome, tries: int, now: int, not_after: int, rates: Rates, dice: float
) -> Again | Ended:
    """What to do after try number `tries` (1, 2, …). `dice` in [0, 1) spreads the waiting.

    What stops a whole account (rate of the account, credentials) is not the message's fault and uses up
    none of its tries: it waits until `not_after`.
    """
    match outcome.next:
        case Next.DONE:
            return Ended(None, outcome.provider_message_id, outcome.problem)
        case Next.UNKNOWN:
            return Ended(Verdict.UNKNOWN, outcome.provider_message_id, outcome.problem or NO_ANSWER)
        case Next.FAIL:
            return Ended(Verdict.FAILED, outcome.provider_message_id, outcome.problem)
    whole_account = outcome.stop_account or outcome.scope is Scope.ACCOUNT
    used = tries - 1 if whole_account else tries
    if used >= rates.retries:
        return Ended(Verdict.FAILED, None, _given_up(outcome.problem, used))
    at = now + waiting(outcome, tries, rates.backoff, dice)
    if at >= not_after:
        return Ended(Verdict.EXPIRED, None, outcome.problem or TOO_LATE)
    return Again(at, used, outcome.problem)


def waiting(outcome: SendOutcome, tries: int, backoff: int, dice: float) -> int:
    """Milliseconds to wait: what the provider asked for plus up to a tenth, else doubling with jitter (½ to 1)."""
    if outcome.retry_after is not None:
        grown = outcome.retry_after * outcome.growth ** min(max(tries, 1) - 1, 20)
        return int(grown * (1 + dice / 10))
    full: int = min(LONGEST_BACKOFF, backoff << min(max(tries, 1) - 1, 20))
    return max(1, int(full * (0.5 + dice / 2)))


def expired(account_usable: bool = True) -> Ended:
    """The request's time is over and it never left."""
    return Ended(Verdict.EXPIRED, None, TOO_LATE if account_usable else ACCOUNT_STOPPED)


def broken(error: BaseException, left: bool) -> Ended:
    """Our own code failed while sending; `left`: a request had gone out before."""
    detail = f"The connector failed ({type(error).__name__}). Tell the operator; the log has the details."
    problem = Problem("connector_error", detail, Fault.GATEWAY, retry=not left)
    return Ended(Verdict.UNKNOWN if left else Verdict.FAILED, None, problem)


def _given_up(problem: Problem | None, tries: int) -> Problem:
    if problem is None:
        return Problem(
            "no_success", f"The channel could not be reached in {tries} tries.", Fault.CHANNEL, True
        )
    return replace(problem, retry=True)


TOO_LATE = Problem(
    "too_late", "The message could not be sent in its time and was not sent.", Fault.CHANNEL, retry=True
)
ACCOUNT_STOPPED = Problem(
    "account_stopped",
    "The channel account could not send for too long; the message was not sent. Its health says what to do.",
    Fault.ACCOUNT,
    retry=True,
)
TOO_LARGE = Problem(
    "too_large", "The message is too large to be handled. Make it shorter.", Fault.CONTENT, retry=False
)
NO_ANSWER = Problem(
    "no_answer",
    "The channel did not answer; the message may have arrived. Sending again may double it.",
    Fault.CHANNEL,
    retry=False,
)
RESTARTED = Problem(
    "restarted",
    "The connector was restarted while sending; the message may have arrived. Sending again may double it.",
    Fault.GATEWAY,
    retry=False,
)
