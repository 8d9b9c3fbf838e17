"""Asks the service that wrote the dead letters, over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import httpx

from shared.messaging.core.model import Outcome
from tools.asking import ApiSettings, as_operator, refusal
from tools.login.errors import LoginError

_ANSWER_SECONDS: Final = 10.0


class ServiceUnavailable(Exception):
    """The API of the service does not answer, or answers with an error; or there is no token."""


class NotPaused(Exception):
    """The subscription, or the named topic of it, is not paused."""


@dataclass(frozen=True, slots=True)
class ReplayAnswer:
    """The service's answer to a replay."""

    outcome: Outcome
    refusal: str  # why it became a dead letter again; empty for other outcomes


@dataclass(frozen=True, slots=True)
class PausedSubscription:
    """A subscription, or one topic of it, that a flood paused."""

    group: str
    topic: str  # empty if all topics are paused
    since: str  # RFC 3339
    reason: str


class ServiceClient:
    """The API of one service; to use with `async with`."""

    def __init__(self, url: str, who: str, settings: ApiSettings) -> None:
        """`settings` say how its requests show who sends them. Raises ServiceUnavailable."""
        self._url = url
        self._settings = settings
        try:
            trusted = settings.trusted()
        except LoginError as error:
            raise ServiceUnavailable(str(error)) from error
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=_ANSWER_SECONDS,
            auth=as_operator(who, settings),  # the triage has the name unchanged
            verify=trusted,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def replay_answer(self, replay_id: str) -> ReplayAnswer | None:
        """Return the answer to a replay; None if there is none yet. Raises ServiceUnavailable."""
        answer = await self._request("GET", f"/v1/replays/{replay_id}")
        if answer is None:
            return None
        refusal = f"{answer['reason']}: {answer['detail']}" if answer["reason"] else ""
        return ReplayAnswer(Outcome(answer["outcome"]), refusal)

    async def paused(self) -> list[PausedSubscription]:
        """Return what a flood paused. Raises ServiceUnavailable."""
        answer = await self._request("GET", "/v1/subscriptions?limit=500")
        if answer is None:
            raise ServiceUnavailable(f"{self._url} is not the API of a service that reads events")
        return [
            PausedSubscription(i["group"], i["topic"] or "", i["paused_since"], i["reason"])
            for i in answer["items"]
        ]

    async def resume(self, group: str, topic: str = "") -> None:
        """Resume a subscription, or one topic of it. Raises NotPaused and ServiceUnavailable."""
        query = {"topic": topic} if topic else {}
        if await self._request("POST", f"/v1/subscriptions/{group}/resume", query) is None:
            raise NotPaused(
                f"{topic} is not paused in {group}" if topic else f"{group} is not paused"
            )

    async def _request(
        self, method: str, path: str, query: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        try:
            answer = await self._http.request(method, path, params=query or None)
            if answer.status_code == httpx.codes.NOT_FOUND:
                return None
            answer.raise_for_status()
            document: dict[str, Any] = answer.json()
        except httpx.HTTPStatusError as error:
            why = refusal(error.response, self._settings) or error.response.text[:500]
            raise ServiceUnavailable(f"{self._url}{path}: {why}") from error
        except LoginError as error:
            raise ServiceUnavailable(str(error)) from error
        except (httpx.HTTPError, ValueError) as error:
            raise ServiceUnavailable(
                f"the service at {self._url} does not answer ({type(error).__name__}); "
                "name it with --api or PEYGIR_API"
            ) from error
        return document
