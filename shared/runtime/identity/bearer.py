"""The identity of everything but development: a bearer token of the provider (RFC 6750)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from fastapi import Request

from shared.runtime.identity.tokens import BadToken, Tokens
from shared.runtime.principals import Authority, Principal, Roles
from shared.runtime.problems import Problem
from shared.runtime.sentences import sentence

_SCHEME: Final = "bearer"
_REALM: Final = 'Bearer realm="peygir"'


class BearerIdentity:
    """Makes a principal of the token in `Authorization`.

    Roles that do not exist here are passed over: a provider serves other systems too.
    """

    def __init__(self, tokens: Tokens, existing: Callable[[], Roles]) -> None:
        self._tokens = tokens
        self._existing = existing

    async def authenticate(self, request: Request) -> Principal:
        """The sender. Raises Problem 401, with `WWW-Authenticate`."""
        sent = request.headers.getlist("Authorization")
        if not sent:
            detail = "this needs a token of the identity provider: Authorization: Bearer …"
            raise _unauthorized(detail, _REALM)
        scheme, _, token = sent[0].partition(" ")
        if len(sent) > 1 or scheme.lower() != _SCHEME or not token.strip():
            raise _invalid(sentence("Authorization holds one bearer token and nothing else"))
        try:
            claims = await self._tokens.read(token.strip())
        except BadToken as error:
            raise _invalid(error.why) from error
        existing = self._existing()
        roles = sorted({role for role in claims.roles if existing.has(role)})
        found = Principal.with_roles(claims.user, roles, existing)
        address = None if request.client is None else request.client.host
        token_id = claims.token_id or _digest(token.strip())
        authority = Authority(token_id, claims.client, address, tuple(roles))
        return replace(found, authority=authority)


def _digest(token: str) -> str:
    """What names a token that has no id, and does not let anybody use it."""
    return f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"


def _invalid(why: str) -> Problem:
    said = f'{_REALM}, error="invalid_token", error_description="{why}"'
    return _unauthorized(sentence("the token is refused: {why}", why=why), said)


def _unauthorized(detail: str, challenge: str) -> Problem:
    return Problem(
        401,
        "unauthorized",
        "Not signed in",
        detail,
        headers={"WWW-Authenticate": challenge, "Cache-Control": "no-store"},
    )
