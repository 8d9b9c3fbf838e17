"""The limits of requests: how long, how many, how complex; and those that need no body to check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.runtime.problems import FieldError, Problem, respond
from shared.runtime.sentences import sentence

OPERATIONAL_PATHS: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""Answered however busy the service is: otherwise a load would look like a failure."""

_RETRY_SECONDS: Final = 1
_SEPARATORS: Final = 4  # bytes of `: ` and of the line's end, which each header has besides


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """What a request may be. Lengths are in bytes, durations in seconds."""

    body_bytes: int = 1_000_000
    """Longest body, except on routes with a limit of their own."""
    target_bytes: int = 8_192
    """Longest path and query."""
    header_bytes: int = 16_384
    """All headers together."""
    query_parameters: int = 200
    json_depth: int = 32
    """Lists and objects inside each other."""
    json_values: int = 50_000
    """All values of a body, at any depth."""
    json_characters: int = 100_000
    """Longest text in a body; most fields allow less."""
    body_seconds: float = 20.0
    """How long a body may keep the service waiting, whatever its length."""
    body_bytes_per_second: int = 2_000
    """What it has to bring for each further second."""
    uploads: int = 16
    """Bodies at a time on each route that reads its body in parts."""
    requests: int = 500
    """Requests at a time."""


DEFAULTS: Final = RequestLimits()


class RequestGate:
    """Refuses a request by its first line and its headers, and when too many are open.

    414 for the path and query, 431 for the headers, 422 for the number of parameters, and 503 with
    Retry-After while as many requests are being answered as may be.
    """

    def __init__(self, app: ASGIApp, limits: RequestLimits = DEFAULTS) -> None:
        self._app = app
        self._limits = limits
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPERATIONAL_PATHS:
            await self._app(scope, receive, send)
            return
        problem = self._refusal(scope)
        if problem is not None:
            await respond(problem, scope)(scope, receive, send)
            return
        self._open += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open -= 1

    def _refusal(self, scope: Scope) -> Problem | None:
        limits, query = self._limits, scope["query_string"]
        path = scope.get("raw_path") or scope["path"].encode()
        if len(path) + len(query) > limits.target_bytes:
            return _target_too_long(limits.target_bytes)
        headers = sum(len(name) + len(value) + _SEPARATORS for name, value in scope["headers"])
        if headers > limits.header_bytes:
            return _headers_too_large(limits.header_bytes)
        if query.count(b"&") >= limits.query_parameters:
            return _too_many_parameters(limits.query_parameters)
        return _busy(limits.requests) if self._open >= limits.requests else None


def _target_too_long(limit: int) -> Problem:
    return Problem(
        414,
        "address-too-long",
        "The address is too long",
        sentence("A path and its query may have {limit} bytes; ask in parts", limit=limit),
    )


def _headers_too_large(limit: int) -> Problem:
    return Problem(
        431,
        "headers-too-large",
        "The headers are too large",
        sentence("All headers together may have {limit} bytes", limit=limit),
    )


def _too_many_parameters(limit: int) -> Problem:
    why = sentence("A query may have {limit} parameters; ask in parts", limit=limit)
    return Problem(
        422,
        "too-many-parameters",
        "The query has too many parameters",
        why,
        errors=[FieldError("query", why)],
    )


def _busy(limit: int) -> Problem:
    return Problem(
        503,
        "too-many-requests-open",
        "Too many requests at a time",
        sentence("{limit} requests are being answered; try again in a moment", limit=limit),
        headers={"Retry-After": str(_RETRY_SECONDS)},
    )
