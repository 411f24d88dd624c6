"""WhatsApp's closed error list: what each code means for us.

Source: developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes, read 2026-11-21. The same code
may come as the answer to a send or later in a `failed` status. Only the code decides.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors._meta import graph
from connectors._meta.graph import GraphError
from connectors.contract import HttpResponse, Next, Scope, SendOutcome
from gateway.core.receipts import Fault, Problem

_SECOND = 1_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE


@dataclass(frozen=True, slots=True)
class Row:
    """What to make of one error code.

    `code` is our stable name and `meaning` a sentence for the agent. `retry`: sending it again can help.
    `next` says what the runner does; `wait` is milliseconds before the first repeat, `growth` times longer with each
    further one, `scope` what pauses until then; `stop`: the whole account pauses until somebody acts. `quiet`: Meta's own words stay out,
    since they may repeat a token.
    """

    code: str
    meaning: str
    fault: Fault
    next: Next = Next.FAIL
    retry: bool = False
    wait: int | None = None
    growth: int = 1
    scope: Scope = Scope.CONVERSATION
    stop: bool = False
    quiet: bool = False


def _again(code: str, meaning: str, wait: int | None = None) -> Row:
    return Row(code, meaning, Fault.CHANNEL, Next.RETRY, retry=True, wait=wait)


def _rate(meaning: str, wait: int, scope: Scope = Scope.ACCOUNT) -> Row:
    return Row("rate_limited", meaning, Fault.CHANNEL, Next.RETRY, retry=True, wait=wait, scope=scope)


def _stop(code: str, meaning: str) -> Row:
    # Nothing went out, and the message is worth sending as soon as somebody has mended the account.
    return Row(
        code, meaning, Fault.ACCOUNT, Next.RETRY, retry=True, scope=Scope.ACCOUNT, stop=True, quiet=True
    )


def _setup(code: str, meaning: str) -> Row:
    return Row(code, meaning, Fault.ACCOUNT, retry=True)


def _content(code: str, meaning: str) -> Row:
    return Row(code, meaning, Fault.CONTENT)


def _contact(code: str, meaning: str) -> Row:
    return Row(code, meaning, Fault.CONTACT)


_CREDENTIALS = _stop("credentials", "WhatsApp does not accept the access token; a new one is needed.")
_PERMISSION = _stop("permission", "The access token lacks a permission for this WhatsApp account.")
_REGISTRATION = _setup("not_registered", "The business number is not registered as it should be.")
_TEMPLATE = _content("template_invalid", "The template does not exist or its values do not fit.")
_PARAMETER = _content("invalid_request", "WhatsApp does not accept a part of the message.")
_UNAVAILABLE = _again("channel_unavailable", "WhatsApp has a disturbance.")
# Meta: "wait 4^X seconds, X = 0, 1, 2, …".
_PAIR = Row(
    "rate_limited",
    "Too many messages to this contact in a short time.",
    Fault.CHANNEL,
    Next.RETRY,
    retry=True,
    wait=_SECOND,
    growth=4,
)

TABLE: dict[int, Row] = {
    0: _CREDENTIALS,
    190: _CREDENTIALS,
    3: _PERMISSION,
    10: _PERMISSION,
    **dict.fromkeys(range(200, 300), _PERMISSION),
    131005: _PERMISSION,
    1: _again("channel_unavailable", "WhatsApp could not handle the request.", 5 * _SECOND),
    2: _UNAVAILABLE,
    131000: _UNAVAILABLE,
    131016: _UNAVAILABLE,
    133004: _UNAVAILABLE,
    131057: _again("channel_unavailable", "The business account is in maintenance.", 5 * _MINUTE),
    134101: _again("template_syncing", "The template is still being set up.", 10 * _MINUTE),
    4: _rate("The app makes too many requests.", _MINUTE),
    613: _rate("The app makes too many requests.", _MINUTE),
    80007: _rate("The WhatsApp account makes too many requests.", _MINUTE),
    130429: _rate("The business number sends too fast.", _SECOND),
    131056: _PAIR,
    131048: _rate("WhatsApp has slowed this number down because contacts reported it.", _HOUR),
    131064: _rate("The number's messaging limit for templates is reached.", _HOUR),
    132069: _rate("The form was sent too often.", _HOUR, Scope.CONVERSATION),
    133016: _setup("registration_limit", "The number was registered and removed too often; wait three days."),
    33: _stop("account_gone", "The business number does not exist any more."),
    368: _stop("account_blocked", "WhatsApp has blocked the account for a breach of its rules."),
    131031: _stop("account_blocked", "WhatsApp has locked the account."),
    131030: _setup("test_number", "A test number writes only to the numbers on its list."),
    131037: _setup("display_name", "The number's display name still needs WhatsApp's approval."),
    131042: _setup("payment", "The payment method of the WhatsApp account does not work."),
    134011: _setup("payment", "The terms for payments were not accepted."),
    131045: _REGISTRATION,
    133000: _REGISTRATION,
    133005: _REGISTRATION,
    133006: _REGISTRATION,
    133008: _REGISTRATION,
    133009: _REGISTRATION,
    133010: _REGISTRATION,
    133015: _REGISTRATION,
    131063: _setup("marketing_off", "Marketing templates are switched off for this account."),
    132015: _setup("template_paused", "The template is paused because of its quality."),
    132016: _setup("template_disabled", "The template is disabled for good because of its quality."),
    131047: Row("window_closed", "The contact wrote more than 24 hours ago: send a template.", Fault.WINDOW),
    131021: _contact("own_number", "The recipient is the business number itself."),
    131026: _contact("undeliverable", "The contact cannot be reached: not on WhatsApp, or has blocked us."),
    131062: _contact("needs_phone_number", "This template needs the contact's phone number."),
    130497: _contact("country", "WhatsApp does not allow this message to the contact's country."),
    130472: _contact(
        "experiment", "WhatsApp withheld the marketing message: the contact is in a test group."
    ),
    131049: _contact("marketing_withheld", "WhatsApp withheld the marketing message; not before 24 hours."),
    131050: _contact("marketing_stopped", "The contact does not want marketing messages."),
    137000: _contact("identity_changed", "The contact's identity changed and was not confirmed yet."),
    100: _PARAMETER,
    131008: _PARAMETER,
    131009: _PARAMETER,
    131055: _PARAMETER,
    135000: _PARAMETER,
    131051: _content("unsupported_content", "WhatsApp does not know this kind of message."),
    131052: _content("media_unavailable", "The contact's file could not be fetched; it may be too large."),
    131053: Row(
        "media_rejected",
        "WhatsApp could not fetch the file or cannot take its type.",
        Fault.CONTENT,
        retry=True,
    ),
    132000: _TEMPLATE,
    132001: _TEMPLATE,
    132005: _TEMPLATE,
    132007: _TEMPLATE,
    132008: _TEMPLATE,
    132012: _TEMPLATE,
    132018: _TEMPLATE,
    132068: _content("form_blocked", "The form is blocked."),
    131035: Row("not_stored", "WhatsApp gave up: our webhook was not reachable in time.", Fault.GATEWAY),
    131036: Row("not_stored", "WhatsApp lost the message.", Fault.CHANNEL, retry=True),
    139100: _contact("block_failed", "Some contacts could not be blocked."),
    139101: _setup("block_list_full", "The block list is full."),
    139102: _again("block_list_busy", "The block list was changed at the same time."),
    139103: _UNAVAILABLE,
}

_THROTTLED = _rate("WhatsApp asks us to slow down.", _MINUTE)
_BROKEN = _again("channel_unavailable", "WhatsApp has a disturbance.")
_UNLISTED = Row(
    "unknown_error",
    "WhatsApp refused it with an error we do not know.",
    Fault.CHANNEL,
    retry=True,
    quiet=True,
)
_UNCLEAR = Row("no_answer", "WhatsApp's answer was lost: it may have been sent.", Fault.CHANNEL, Next.UNKNOWN)


def problem_of(error: GraphError | None) -> Problem:
    """The problem that a `failed` status tells with this error, or without any."""
    return _problem(TABLE.get(error.code, _UNLISTED) if error else _UNLISTED, error)


def outcome(response: HttpResponse) -> SendOutcome:
    """How an attempt ended that the provider answered with anything but success."""
    error = graph.read_error(response)
    row = _row(response.status, error)
    problem = _problem(row, error)
    if row.next is not Next.RETRY:
        return SendOutcome(row.next, problem=problem)
    asked = graph.retry_after(response)
    wait, growth = (row.wait, row.growth) if asked is None else (asked, 1)
    return SendOutcome(row.next, None, problem, wait, row.scope, row.stop, growth)


def _row(status: int, error: GraphError | None) -> Row:
    listed = TABLE.get(error.code) if error else None
    if status == 429:
        # Throttling whatever the code; only the pair's own limit concerns no one else.
        return listed if listed and listed.code == "rate_limited" else _THROTTLED
    if listed:
        return listed
    if status == 401:
        return _CREDENTIALS
    if status == 503 or (status >= 500 and error):
        return _BROKEN
    # A bare 500, 502 or 504 of some machine in between: the message may have gone through.
    return _UNCLEAR if status >= 500 else _UNLISTED


def _problem(row: Row, error: GraphError | None) -> Problem:
    words = error.words[:300] if error and not row.quiet else ""
    detail = f"{row.meaning} ({words})" if words else row.meaning
    return Problem(row.code, detail, row.fault, row.retry, str(error.code) if error else None)
