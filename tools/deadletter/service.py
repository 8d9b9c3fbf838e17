"""The service whose dead letters they are, asked over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx

from shared.messaging.core.model import Outcome
from tools.asking import as_operator

_ANSWER_SECONDS: Final = 10.0


class NoService(Exception):
    """The service's HTTP does not answer, or not as it should."""


class NotPaused(Exception):
    """Nothing of the subscription is paused, or not that topic."""


@dataclass(frozen=True, slots=True)
class Became:
    """What became of a replay."""

    outcome: Outcome
    told: str  # why, if it became a dead letter again


@dataclass(frozen=True, slots=True)
class Paused:
    """What waits of a subscription."""

    group: str
    topic: str  # empty: all of it
    since: str
    reason: str


class Service:
    """One service's API; opened with `async with`."""

    def __init__(self, url: str, who: str) -> None:
        self._url = url
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=_ANSWER_SECONDS,
            headers=as_operator(who),  # the book keeps the name as it was given
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def became(self, replay_id: str) -> Became | None:
        """What became of a replay; None while nothing did. Raises NoService."""
        answer = await self._ask("GET", f"/v1/replays/{replay_id}")
        if answer is None:
            return None
        told = f"{answer['reason']}: {answer['detail']}" if answer["reason"] else ""
        return Became(Outcome(answer["outcome"]), told)

    async def paused(self) -> list[Paused]:
        """What a flood paused. Raises NoService."""
        answer = await self._ask("GET", "/v1/subscriptions?limit=500")
        if answer is None:
            raise NoService(f"{self._url} is no API of a service that reads events")
        return [
            Paused(i["group"], i["topic"] or "", i["paused_since"], i["reason"])
            for i in answer["items"]
        ]

    async def resume(self, group: str, topic: str = "") -> None:
        """Let a subscription go on, or one topic of it. Raises NotPaused and NoService."""
        wanted = {"topic": topic} if topic else {}
        if await self._ask("POST", f"/v1/subscriptions/{group}/resume", wanted) is None:
            raise NotPaused(
                f"{topic} is not paused in {group}" if topic else f"{group} is not paused"
            )

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        try:
            answer = await self._http.request(method, path, params=query or None)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            answer.raise_for_status()
            document: dict[str, Any] = answer.json()
        except httpx.HTTPStatusError as error:
            raise NoService(f"{self._url}{path}: {error.response.text[:500]}") from error
        except (httpx.HTTPError, ValueError) as error:
            raise NoService(
                f"the service at {self._url} does not answer ({type(error).__name__}); "
                "name it with --api or PEYGIR_API"
            ) from error
        return document
