"""HTTP clients of the four services; each request is sent in the name of its actor."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tools.asking import OpenHeaders
from tools.demo.actors import Actor

_PARALLEL_REQUESTS: Final = 12
_TIMEOUT_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 1.0  # the servers keep idle connections longer, so none is closed under us
_PAGE: Final = 500  # the most items that a page of a list can have


class UnexpectedResponse(Exception):
    """A service did not answer with success; the message has the request and the response."""


def by_headers(actor: Actor) -> httpx.Auth:
    """The actor as the open identity of development believes it."""
    return OpenHeaders(actor.id, actor.role)


class ServiceClients:
    """Sends requests to the services by their names; a context manager."""

    def __init__(
        self,
        addresses: Mapping[str, str],
        signed_by: Callable[[Actor], httpx.Auth] = by_headers,
        trust: ssl.SSLContext | bool = True,
    ) -> None:
        """`addresses` has the base address of each service.

        `signed_by` says how a request shows its sender; by default in development's headers.
        `trust` says whose certificates are accepted.
        """
        self._signed_by = signed_by
        limits = httpx.Limits(max_connections=_PARALLEL_REQUESTS, keepalive_expiry=_IDLE_SECONDS)
        self._clients = {
            name: httpx.AsyncClient(
                base_url=f"{url}/v1", timeout=_TIMEOUT_SECONDS, limits=limits, verify=trust
            )
            for name, url in addresses.items()
        }
        self._slots = asyncio.Semaphore(_PARALLEL_REQUESTS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def post(
        self, service: str, path: str, by: Actor, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Send a body and return the response's. Raises UnexpectedResponse for all but 2xx."""
        return await self._send("POST", service, path, by, json=body)

    async def get(self, service: str, path: str, by: Actor, **query: Any) -> dict[str, Any]:
        """Return the body of the response. Raises UnexpectedResponse for all but 2xx."""
        return await self._send("GET", service, path, by, params=query)

    async def list_all(
        self, service: str, path: str, by: Actor, **query: Any
    ) -> list[dict[str, Any]]:
        """Return the items of all pages of a list. Raises UnexpectedResponse for all but 2xx."""
        items: list[dict[str, Any]] = []
        query["limit"] = _PAGE
        while True:
            page = await self.get(service, path, by, **query)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            query["cursor"] = page["next_cursor"]

    async def _send(
        self, method: str, service: str, path: str, by: Actor, **content: Any
    ) -> dict[str, Any]:
        request = f"{method} {service}{path}"
        async with self._slots:
            try:
                response = await self._clients[service].request(
                    method, path, auth=self._signed_by(by), **content
                )
            except httpx.HTTPError as error:
                raise UnexpectedResponse(f"{request}: {type(error).__name__}") from error
        if not response.is_success:
            raise UnexpectedResponse(
                f"{request} by {by.id}: {response.status_code} {response.text}"
            )
        body: dict[str, Any] = response.json()
        return body
