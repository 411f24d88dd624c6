"""Errors as RFC 9457 problem JSON with a stable `code`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from gateway.bus.producer import BrokerUnavailable, RecordTooLarge
from gateway.core.errors import Code, Refusal
from gateway.inbox import metrics
from gateway.inbox.projection.store import LostError, RebuildingError

_FORBIDDEN = (Code.FORBIDDEN, Code.UNKNOWN_AGENT)
_CODES = {
    401: "unauthenticated",
    403: Code.FORBIDDEN.value,
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
}


class Problem(Exception):
    """An answer that is an error."""

    def __init__(
        self, status: int, code: str, detail: str, *, offer: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.offer = offer
        self.retry_after = retry_after


def invalid(detail: str) -> Problem:
    """What was sent cannot be understood."""
    return Problem(422, "invalid", detail)


def refused(code: str, detail: str, offer: str | None) -> Problem:
    """A command that the log refused."""
    if code in _FORBIDDEN:
        return Problem(403, code, detail, offer=offer)
    status = 404 if code.startswith("unknown_") else 409
    return Problem(status, code, detail, offer=offer)


def check(refusal: Refusal | None) -> None:
    """Raises Problem if there is a refusal."""
    if refusal is not None:
        raise refused(refusal.code.value, refusal.detail, refusal.offer)


def problem_response(problem: Problem) -> Response:
    """The problem as a response."""
    body: dict[str, Any] = {
        "type": f"urn:channel-gateway:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    if problem.offer is not None:
        body["offer"] = problem.offer
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    return Response(to_json(body), problem.status, headers, "application/problem+json")


def _unavailable(what: str) -> Problem:
    return Problem(503, "unavailable", f"{what} cannot be reached; try again.", retry_after=1)


def install(app: FastAPI) -> None:
    """Turns every error that may leave a route into a problem."""

    @app.exception_handler(Problem)
    async def _problem(_request: Request, error: Problem) -> Response:
        return problem_response(error)

    @app.exception_handler(RequestValidationError)
    async def _validation(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return problem_response(invalid(f"{place}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "error")
        return problem_response(Problem(error.status_code, code, str(error.detail)))

    @app.exception_handler(RedisError)
    async def _redis(_request: Request, _error: RedisError) -> Response:
        metrics.REDIS_UP.set(0)
        return problem_response(_unavailable("Redis"))

    @app.exception_handler(BrokerUnavailable)
    async def _kafka(_request: Request, _error: BrokerUnavailable) -> Response:
        return problem_response(_unavailable("Kafka"))

    @app.exception_handler(RecordTooLarge)
    async def _large(_request: Request, _error: RecordTooLarge) -> Response:
        return problem_response(Problem(413, Code.CONTENT_TOO_LONG.value, "The content is too large."))

    async def _rebuilding(_request: Request, _error: Exception) -> Response:
        detail = "The lists are being rebuilt from the log; try again."
        return problem_response(Problem(503, "rebuilding", detail, retry_after=1))

    app.exception_handler(RebuildingError)(_rebuilding)
    app.exception_handler(LostError)(_rebuilding)
