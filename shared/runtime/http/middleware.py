"""Middleware around every request: metrics, trace and security headers.

Plain ASGI, so that no body is buffered here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.runtime.http.security_headers import secured
from shared.runtime.logs import trace_id
from shared.runtime.metrics import Metrics
from shared.runtime.problems import internal, respond

UNMATCHED = "unmatched"

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
        self,
        app: ASGIApp,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        is_encrypted: bool = False,
    ) -> None:
        """`is_encrypted`: whether clients come over TLS, here or at a proxy in front."""
        self._app = app
        self._metrics = metrics
        self._monotonic = monotonic
        self._is_encrypted = is_encrypted

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
                secured(message, scope["path"], self._is_encrypted)
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


def template(scope: Scope) -> str:
    """The path template of the route that answered, never the path itself.

    A router's own prefix is in FastAPI's record of its inclusion.
    """
    included = scope.get("fastapi", {}).get("effective_route_context")
    path: str = getattr(included or scope.get("route"), "path", UNMATCHED)
    return path
