"""Tokens for Kafka's OAUTHBEARER: client credentials (RFC 6749, section 4.4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shared.runtime.certificates import BadPem, client_context

_ANSWER_SECONDS: Final = 10.0
_USED_SHARE: Final = 0.8  # of a token's life: it must outlast the connection's start


class NoToken(Exception):
    """The provider gave no token; the message says why."""


class ClientCredentials:
    """Asks the token endpoint, and keeps the token for most of its life."""

    def __init__(
        self,
        url: str,
        client_id: str,
        secret: Callable[[], str],
        ca: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`secret` is called for each token; `ca` vouches for the provider."""
        self.client_id = client_id
        self._url = url
        self._secret = secret
        self._ca = ca
        self._monotonic = monotonic
        self._token = ""
        self._until = 0.0  # monotonic
        self._asking = asyncio.Lock()

    async def token(self) -> str:
        """A valid token; callers at the same time wait for one answer. Raises NoToken."""
        async with self._asking:
            if self._monotonic() >= self._until:
                asked = self._monotonic()
                self._token, seconds = await self._ask()
                self._until = asked + seconds * _USED_SHARE
            return self._token

    async def _ask(self) -> tuple[str, float]:
        import httpx  # noqa: PLC0415  # it takes memory that a login by password does not need

        try:
            verify = client_context(self._ca, None, None)
            async with httpx.AsyncClient(verify=verify, timeout=_ANSWER_SECONDS) as http:
                answer = await http.post(
                    self._url,
                    data={"grant_type": "client_credentials"},
                    auth=(self.client_id, self._secret()),
                )
            if answer.status_code != httpx.codes.OK:
                raise NoToken(
                    f"the token endpoint answers {answer.status_code} to {self.client_id}; check "
                    "PEYGIR_KAFKA_OAUTH_CLIENT_ID and its secret"
                )
            body = answer.json()
            return str(body["access_token"]), float(body.get("expires_in", 60))
        except (httpx.HTTPError, OSError, BadPem) as error:
            raise NoToken(f"the token endpoint does not answer ({type(error).__name__})") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NoToken("the token endpoint answers no token") from error
