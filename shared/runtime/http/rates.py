"""How many requests a sender may send: by who it is, or by its address while that is unknown.

A refused request gets 429 with Retry-After. `RateLimit` and `RateLimit-Policy` say what is left
(draft-ietf-httpapi-ratelimit-headers-10).
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.runtime.http.limits import OPERATIONAL_PATHS
from shared.runtime.http.token_buckets import Level, TokenBuckets
from shared.runtime.problems import Problem, respond
from shared.runtime.sentences import sentence

_SCOPE: Final = "peygir.rate"  # in the scope: what the answer says of the sender's rate
_CHARGED: Final = "peygir.rate.address"  # in the scope: the address that this request counts for
_NETWORK_BITS: Final = 64  # of an IPv6 address: whoever has one has all of its network


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Requests per second, and at once after a rest; a rate of 0 is no limit."""

    per_second: float = 0
    burst: int = 200
    unknown_per_second: float = 0
    """Of one address, as long as the sender is not known: wrong tokens, pages, probing."""
    unknown_burst: int = 200
    remembered: int = 10_000
    """Senders, and addresses, of which the rate is kept."""


NO_LIMITS: Final = RateLimits()


class Rates:
    """The rates of one process. `admit` is for known senders; the middleware is for the others."""

    def __init__(
        self, limits: RateLimits = NO_LIMITS, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._known = _buckets(limits.per_second, limits.burst, limits, monotonic)
        self._unknown = _buckets(limits.unknown_per_second, limits.unknown_burst, limits, monotonic)

    async def admit(self, key: str, scope: Scope) -> None:
        """Count a request for its sender, now that it is known. Raises Problem 429.

        `key` is one per sender and program: the principal's id with the client of its token.
        """
        address = scope.pop(_CHARGED, None)
        if self._unknown is not None and address is not None:
            self._unknown.give_back(address)
        if self._known is not None:
            self._count(self._known, key, "sender", scope)

    def charge(self, scope: Scope) -> None:
        """Count a request for its address, until `admit` takes that back. Raises Problem 429."""
        if self._unknown is not None:
            address = address_of(scope)
            self._count(self._unknown, address, "address", scope)
            scope[_CHARGED] = address

    def _count(self, buckets: TokenBuckets, key: str, policy: str, scope: Scope) -> None:
        level = buckets.take(key)
        scope[_SCOPE] = headers = _headers(buckets, level, policy)
        if level.wait:
            raise _too_many(buckets, level, headers)


class RateGate:
    """Counts each request for its address, and adds the headers about the rate to its answer."""

    def __init__(self, app: ASGIApp, rates: Rates) -> None:
        self._app = app
        self._rates = rates

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPERATIONAL_PATHS:
            await self._app(scope, receive, send)
            return

        async def with_rate(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(scope.get(_SCOPE, {}))
            await send(message)

        try:
            self._rates.charge(scope)
        except Problem as problem:
            await respond(problem, scope)(scope, receive, with_rate)
            return
        await self._app(scope, receive, with_rate)


def address_of(scope: Scope) -> str:
    """The client's address; of an IPv6 address its network of 64 bits."""
    host = (scope.get("client") or ("unknown", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a name, as tests have it
        return str(host)
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, _NETWORK_BITS), strict=False))


def _buckets(
    rate: float, burst: int, limits: RateLimits, monotonic: Callable[[], float]
) -> TokenBuckets | None:
    return TokenBuckets(rate, burst, limits.remembered, monotonic) if rate else None


def _headers(buckets: TokenBuckets, level: Level, policy: str) -> dict[str, str]:
    window = max(math.ceil(buckets.burst / buckets.rate), 1)
    return {
        "RateLimit-Policy": f'"{policy}";q={buckets.burst};w={window}',
        "RateLimit": f'"{policy}";r={level.left};t={level.full_in}',
    }


def _too_many(buckets: TokenBuckets, level: Level, headers: dict[str, str]) -> Problem:
    return Problem(
        429,
        "too-many-requests",
        "Too many requests",
        sentence(
            "{burst} requests at once and {rate} each second are taken; try again in {wait} s",
            burst=buckets.burst,
            rate=buckets.rate,
            wait=level.wait,
        ),
        headers={"Retry-After": str(level.wait), **headers},
    )
