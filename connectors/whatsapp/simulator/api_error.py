"""Errors as the Graph API answers them, and as a `failed` status shows them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_HTTP = {0: 401, 190: 401, 10: 403, 131000: 500, 131016: 500, 132001: 404, 2: 503, 368: 403, 131031: 403}
_TITLES = {
    33: "Parameter value is not valid",
    100: "Invalid parameter",
    190: "Access token has expired",
    130429: "Rate limit hit",
    131000: "Something went wrong",
    131008: "Required parameter is missing",
    131009: "Parameter value is not valid",
    131021: "Recipient cannot be sender",
    131026: "Message undeliverable",
    131047: "Re-engagement message",
    131051: "Unsupported message type",
    131053: "Media upload error",
    131056: "(Business Account, Consumer Account) pair rate limit hit",
    132000: "Template Param Count Mismatch",
    132001: "Template does not exist",
    132015: "Template is paused",
    132016: "Template is disabled",
}


class ApiError(Exception):
    """An error as the Graph API answers it."""

    def __init__(self, code: int, details: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.details = details

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return _HTTP.get(self.code, 400)

    @property
    def title(self) -> str:
        """Meta's short name of the error."""
        return _TITLES.get(self.code, "Error")

    def body(self, trace: str) -> Json:
        """The answer's error envelope."""
        return {
            "error": {
                "message": f"(#{self.code}) {self.title}",
                "type": "OAuthException",
                "code": self.code,
                "error_data": {"messaging_product": "whatsapp", "details": self.details or self.title},
                "fbtrace_id": trace,
            }
        }

    def in_status(self) -> Json:
        """The error as a `failed` status shows it."""
        return {
            "code": self.code,
            "title": self.title,
            "message": self.title,
            "error_data": {"details": self.details or self.title},
            "href": "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/",
        }
