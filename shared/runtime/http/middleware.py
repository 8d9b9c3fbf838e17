"""Middleware around every request: metrics, trace, security headers, and the limit of its body.

Plain ASGI, so that no body is buffered here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.runtime.logs import trace_id
from shared.runtime.metrics import Metrics
from shared.runtime.problems import Problem, internal, respond
from shared.runtime.sentences import sentence

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
}

UNMATCHED = "unmatched"

_LONG: Final = "peygir.long-body"  # in the scope of a request whose route reads its body itself

_DRAIN_SECONDS: Final = 2.0

_log = structlog.get_logger(__name__)


class Head:
    """Answers HEAD on every route of GET, with the same status and headers and no content
    (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_content(message: Message) -> None:
            scope["method"] = "HEAD"  # so the server knows that there is no content
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # Not a copy of the scope: the router puts the route into it, and outer middleware reads it.
        scope["method"] = "GET"
        try:
            await self._app(scope, receive, without_content)
        finally:
            scope["method"] = "HEAD"


class Observation:
    """Measures and traces each request, and adds the security headers. An unexpected error becomes
    a 500 without details, and a log line with them."""

    def __init__(
        self, app: ASGIApp, metrics: Metrics, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = self._monotonic()
        status = 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        trace = trace_id(Headers(scope=scope).get("traceparent"))
        with structlog.contextvars.bound_contextvars(**({} if trace is None else {"trace": trace})):
            try:
                await self._app(scope, receive, guarded)
            except Exception:
                _log.exception("request failed", method=scope["method"], route=template(scope))
                if status:  # the response has begun; only a broken connection shows the error
                    raise
                await respond(internal(), scope)(scope, receive, guarded)
            finally:
                self._metrics.request_answered(
                    scope["method"],
                    template(scope),
                    status or 499,  # the client disconnected before a response
                    self._monotonic() - started,
                )


@dataclass(frozen=True, slots=True)
class LongBody:
    """A route that reads its body in parts, never as a whole, and so has its own limit.

    `path` is the route's template; `limit` is in bytes.
    """

    method: str
    path: str
    limit: int


class BodyLimit:
    """Refuses a body longer than `limit` bytes with 413, and reads no more of it.

    The Content-Length decides before anything is read, or else the number of bytes received. A
    route of `long` has its own limit. There the rest of the body is read for a moment and ignored:
    a client that is still sending may miss a response on a connection that is closed at once
    (RFC 9112, 9.6).
    """

    def __init__(self, app: ASGIApp, limit: int, long: Iterable[LongBody] = ()) -> None:
        self._app = app
        self._limit = limit
        self._long = [(body.method, compile_path(body.path)[0], body.limit) for body in long]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope)
        size = self._announced(scope)

        async def answer(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and size > limit and has_long_body(scope):
                await send({**message, "more_body": True})
                await _drain(receive)
                message = {"type": "http.response.body"}
            await send(message)

        if size > limit:
            await respond(self._too_large(limit), scope)(scope, receive, answer)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise self._too_large(limit)
            return message

        await self._app(scope, counted, answer)

    def _limit_of(self, scope: Scope) -> int:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        for method, pattern, limit in self._long:
            if scope["method"] == method and pattern.match(path):
                scope[_LONG] = True
                return limit
        return self._limit

    def _announced(self, scope: Scope) -> int:
        length = Headers(scope=scope).get("content-length", "")
        return int(length) if length.isascii() and length.isdigit() else 0

    def _too_large(self, limit: int) -> Problem:
        return Problem(
            413,
            "body-too-large",
            "The body is too large",
            sentence("At most {limit} bytes are taken", limit=limit),
            headers={"Connection": "close"},
        )


async def _drain(receive: Receive) -> None:
    """Read and ignore the rest of a body, for long enough that the client gets the response."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while (await receive()).get("more_body"):
                pass


def has_long_body(scope: Scope) -> bool:
    """Whether the route of a request reads its body itself, in parts."""
    return bool(scope.get(_LONG))


def template(scope: Scope) -> str:
    """The path template of the route that answered, never the path itself.

    A router's own prefix is in FastAPI's record of its inclusion.
    """
    included = scope.get("fastapi", {}).get("effective_route_context")
    path: str = getattr(included or scope.get("route"), "path", UNMATCHED)
    return path
