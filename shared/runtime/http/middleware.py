"""What surrounds every request: its measure, its trace, its safety, and the limit of its body.

Plain ASGI, so that a body is never held here.
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

_HEARD_SECONDS: Final = 2.0

_log = structlog.get_logger(__name__)


class Head:
    """Answers HEAD wherever GET is answered: the same status and headers, and no content
    (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_content(message: Message) -> None:
            scope["method"] = "HEAD"  # by which the server knows that no content comes
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # The scope itself, in which the router leaves the route: what surrounds this tells of it.
        scope["method"] = "GET"
        try:
            await self._app(scope, receive, without_content)
        finally:
            scope["method"] = "HEAD"


class Surroundings:
    """Measures and traces each request, adds the security headers, and turns an error that
    nobody foresaw into a 500 that tells nothing, and a line in the log that tells all."""

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
                if status:  # half an answer cannot be taken back; the connection has to break
                    raise
                await respond(internal(), scope)(scope, receive, guarded)
            finally:
                self._metrics.request_answered(
                    scope["method"],
                    template(scope),
                    status or 499,  # the client left before any answer
                    self._monotonic() - started,
                )


@dataclass(frozen=True, slots=True)
class LongBody:
    """A route that takes its body piece by piece, never whole, and so has a limit of its own.

    `path` is the route's template; `limit` is in bytes.
    """

    method: str
    path: str
    limit: int


class BodyLimit:
    """Refuses a body longer than `limit` bytes with 413, without reading on.

    By its Content-Length before anything is read, else as soon as so many bytes have come. A
    route of `long` has its own limit; there the rest is passed over for a moment, since whoever
    is still sending does not hear an answer on a connection that is closed at once (RFC 9112,
    9.6).
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
        taken = self._announced(scope)

        async def answer(message: Message) -> None:
            is_last = message["type"] == "http.response.body" and not message.get("more_body")
            if is_last and taken > limit and has_long_body(scope):
                await send({**message, "more_body": True})
                await _pass_over(receive)
                message = {"type": "http.response.body"}
            await send(message)

        if taken > limit:
            await respond(self._too_large(limit), scope)(scope, receive, answer)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
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


async def _pass_over(receive: Receive) -> None:
    """Read the rest of a body and forget it, for as long as an answer takes to be heard."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_HEARD_SECONDS):
            while (await receive()).get("more_body"):
                pass


def has_long_body(scope: Scope) -> bool:
    """Whether the route of a request reads its body itself, piece by piece."""
    return bool(scope.get(_LONG))


def template(scope: Scope) -> str:
    """The path of the route that answered, with names for its variables: never the path itself.

    A router's own prefix stands in FastAPI's record of how it was included.
    """
    included = scope.get("fastapi", {}).get("effective_route_context")
    path: str = getattr(included or scope.get("route"), "path", UNMATCHED)
    return path
