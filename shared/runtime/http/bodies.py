"""The limits of a request's body: how long, how slow, and how many long ones at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.runtime.http.limits import DEFAULTS, RequestLimits
from shared.runtime.problems import Problem, respond
from shared.runtime.sentences import sentence

_LONG: Final = "peygir.long-body"  # in the scope of a request whose route reads its body itself

_DRAIN_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class LongBody:
    """A route that reads its body in parts, never as a whole, and so has its own limit.

    `path` is the route's template; `limit` is in bytes.
    """

    method: str
    path: str
    limit: int


@dataclass(slots=True)
class _LongRoute:
    """A route of long bodies, with the number of those that it is reading."""

    method: str
    matches: Callable[[str], object]
    limit: int
    open: int = 0


class BodyGate:
    """Refuses a body that is too long with 413, and one that is too slow with 408.

    The Content-Length decides before anything is read, or else the number of bytes received. A
    body may keep the service waiting for `body_seconds`, and for another second for each
    `body_bytes_per_second` that have come: a client that sends a byte a second soon ends, a slow
    line does not. The time in which the route does not read is not counted.

    A route of `long` has its own limit, and as many requests at a time as `uploads` says; others
    get 503 with Retry-After. If such a body is refused, the rest of it is read for a moment and
    ignored: a client that is still sending may miss a response on a connection that is closed at
    once (RFC 9112, 9.6).
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: RequestLimits = DEFAULTS,
        long: Iterable[LongBody] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._limits = limits
        self._long = [
            _LongRoute(body.method, compile_path(body.path)[0].match, body.limit) for body in long
        ]
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = self._route_of(scope)
        if route is None:
            await self._limited(scope, receive, send, self._limits.body_bytes)
            return
        scope[_LONG] = True
        if route.open >= self._limits.uploads:
            await _refuse(_too_many(self._limits.uploads), scope, receive, send)
            return
        route.open += 1
        try:
            await self._limited(scope, receive, send, route.limit)
        finally:
            route.open -= 1

    async def _limited(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        if _announced(scope) > limit:
            await _refuse(_too_large(limit), scope, receive, send)
            return
        body = _Body(receive, limit, self._limits, self._monotonic)

        async def answer(message: Message) -> None:
            body.is_answered = True
            if body.is_refused:
                await _send_and_drain(message, scope, receive, send)
            else:
                await send(message)

        await self._app(scope, body.receive, answer)

    def _route_of(self, scope: Scope) -> _LongRoute | None:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        for route in self._long:
            if scope["method"] == route.method and route.matches(path):
                return route
        return None


class _Body:
    """One request's body as the app receives it. Its `receive` raises Problem 413 and 408."""

    def __init__(
        self,
        receive: Receive,
        limit: int,
        limits: RequestLimits,
        monotonic: Callable[[], float],
    ) -> None:
        self.is_answered = False
        """Whether the response has begun: from then on, the app only waits for a disconnect."""
        self.is_refused = False
        self._receive = receive
        self._limit = limit
        self._limits = limits
        self._monotonic = monotonic
        self._size = 0  # bytes
        self._waited = 0.0  # seconds
        self._is_whole = False

    async def receive(self) -> Message:
        if self._is_whole or self.is_answered:
            return await self._receive()
        message = await self._in_time()
        self._size += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._size > self._limit:
            self.is_refused = True
            raise _too_large(self._limit)
        return message

    async def _in_time(self) -> Message:
        limits, began = self._limits, self._monotonic()
        earned = self._size / limits.body_bytes_per_second
        try:
            async with asyncio.timeout(limits.body_seconds + earned - self._waited):
                return await self._receive()
        except TimeoutError:
            self.is_refused = True
            raise _too_slow(limits.body_bytes_per_second) from None
        finally:
            self._waited += self._monotonic() - began


def has_long_body(scope: Scope) -> bool:
    """Whether the route of a request reads its body itself, in parts."""
    return bool(scope.get(_LONG))


def _announced(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


async def _refuse(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer before the body is read; what is left of a long one is drained."""

    async def answer(message: Message) -> None:
        await _send_and_drain(message, scope, receive, send)

    await respond(problem, scope)(scope, receive, answer)


async def _send_and_drain(message: Message, scope: Scope, receive: Receive, send: Send) -> None:
    is_last = message["type"] == "http.response.body" and not message.get("more_body")
    if is_last and has_long_body(scope):
        await send({**message, "more_body": True})
        await _drain(receive)
        message = {"type": "http.response.body"}
    await send(message)


async def _drain(receive: Receive) -> None:
    """Read and ignore the rest of a body, for long enough that the client gets the response."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while (await receive()).get("more_body"):
                pass


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        "body-too-large",
        "The body is too large",
        sentence("At most {limit} bytes are taken", limit=limit),
        headers={"Connection": "close"},
    )


def _too_slow(rate: int) -> Problem:
    return Problem(
        408,
        "body-too-slow",
        "The body comes too slowly",
        sentence("At least {rate} bytes a second have to come; send it again", rate=rate),
        headers={"Connection": "close"},
    )


def _too_many(limit: int) -> Problem:
    return Problem(
        503,
        "too-many-uploads",
        "Too many uploads at a time",
        sentence("{limit} are being received; send it again in a moment", limit=limit),
        headers={"Retry-After": str(_RETRY_SECONDS), "Connection": "close"},
    )
