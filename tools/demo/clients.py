"""HTTP to the services, each request from the person whose business it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tools.demo.lives import Actor

_TOGETHER: Final = 12  # requests at a time
_SECONDS: Final = 30.0
_IDLE_SECONDS: Final = 1.0  # less than after what a server hangs up, so that no request meets that


class Unwanted(Exception):
    """A service answered otherwise than the script has it; the message has the answer."""


class Services:
    """The HTTP interfaces of the four services; a context manager."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        limits = httpx.Limits(max_connections=_TOGETHER, keepalive_expiry=_IDLE_SECONDS)
        self._clients = {
            name: httpx.AsyncClient(base_url=f"{url}/v1", timeout=_SECONDS, limits=limits)
            for name, url in addresses.items()
        }
        self._together = asyncio.Semaphore(_TOGETHER)

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
        """Send and return what is answered. Raises Unwanted for all but 2xx."""
        return await self._ask("POST", service, path, by, json=body)

    async def get(self, service: str, path: str, by: Actor, **query: Any) -> dict[str, Any]:
        """Ask and return the answer. Raises Unwanted for all but 2xx."""
        return await self._ask("GET", service, path, by, params=query)

    async def _ask(
        self, method: str, service: str, path: str, by: Actor, **what: Any
    ) -> dict[str, Any]:
        headers = {"X-Peygir-User": by.id, "X-Peygir-Roles": by.role}
        client = self._clients[service]
        async with self._together:
            try:
                answer = await client.request(method, path, headers=headers, **what)
            except httpx.HTTPError as error:
                raise Unwanted(f"{method} {service}{path}: {type(error).__name__}") from error
        if not answer.is_success:
            raise Unwanted(
                f"{method} {service}{path} by {by.id}: {answer.status_code} {answer.text}"
            )
        answered: dict[str, Any] = answer.json()
        return answered
