"""How the actors of a secured demo show who they are: by tokens of the identity provider."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import httpx

from deploy.local.keycloak import Keycloak
from deploy.local.keycloak_admin import KeycloakAdmin
from tools.demo.actors import Actor
from tools.demo.clients import UnexpectedResponse

_CLIENT: Final = "peygir-demo"
_MARGIN_SECONDS: Final = 60.0


class Tokens:
    """The tokens of all actors; each is asked for when it is needed, and again before it ends."""

    def __init__(self, keycloak: Keycloak, passwords: Path) -> None:
        """`passwords` is a folder with a file for each actor. Raises AdminFailed."""
        self._address = f"{keycloak.issuer}/protocol/openid-connect/token"
        self._passwords = passwords
        self._kept: dict[str, tuple[str, float]] = {}  # with the monotonic time of its end
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        with KeycloakAdmin(keycloak) as admin:
            admin.add_password_client(_CLIENT)

    def signed_by(self, actor: Actor) -> httpx.Auth:
        """How a request of the actor is signed."""
        return _Bearer(self, actor)

    def kept(self, actor: Actor) -> str | None:
        """The actor's token, if it lives for another minute."""
        token, ends = self._kept.get(actor.id, ("", 0.0))
        return token if ends - time.monotonic() > _MARGIN_SECONDS else None

    def request(self, actor: Actor) -> httpx.Request:
        """The request for a token of the actor."""
        form = {
            "grant_type": "password",
            "client_id": _CLIENT,
            "username": actor.id,
            "password": (self._passwords / actor.id).read_text(encoding="utf-8"),
            "scope": "openid",
        }
        return httpx.Request("POST", self._address, data=form)

    def turn(self, actor: Actor) -> asyncio.Lock:
        """Lets one request at a time ask for a token of the actor."""
        return self._turns[actor.id]

    def keep(self, actor: Actor, answer: httpx.Response) -> str:
        """Keep the token of an answer, and return it. Raises UnexpectedResponse."""
        if not answer.is_success:
            raise UnexpectedResponse(f"a token for {actor.id}: {answer.status_code} {answer.text}")
        document = answer.json()
        token: str = document["access_token"]
        self._kept[actor.id] = token, time.monotonic() + document["expires_in"]
        return token


class _Bearer(httpx.Auth):
    requires_response_body = True

    def __init__(self, tokens: Tokens, actor: Actor) -> None:
        self._tokens = tokens
        self._actor = actor

    async def async_auth_flow(
        self, request: httpx.Request
    ) -> AsyncGenerator[httpx.Request, httpx.Response]:
        async with self._tokens.turn(self._actor):
            token = self._tokens.kept(self._actor)
            if token is None:
                answer = yield self._tokens.request(self._actor)
                await answer.aread()
                token = self._tokens.keep(self._actor, answer)
        request.headers["Authorization"] = f"Bearer {token}"
        yield request
