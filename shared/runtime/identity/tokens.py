"""Checks OIDC tokens (RFC 7519, 8725 and 9068): signature, issuer, audience, time, roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import Key

from shared.runtime.clocks import MachineClock
from shared.runtime.identity.caller import USER
from shared.runtime.identity.keys import ProviderKeys, UnknownKey

LONGEST: Final = 8_192
"""Characters of a token; longer ones are refused before they are read."""

_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_REASONS: Final[Mapping[str, str]] = {
    "iss": "another issuer",
    "aud": "for another audience",
    "exp": "its time of expiry cannot be read",
    "nbf": "not valid yet",
    "iat": "issued in the future",
}


class BadToken(Exception):
    """A token that proves nothing. The message may be shown: it repeats nothing of the token."""


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Which tokens are accepted, and where they say who somebody is."""

    issuer: str
    audience: str
    roles_claim: str = "roles"  # dots lead into nested claims
    user_claim: str = "preferred_username"
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    skew_seconds: int = 30


@dataclass(frozen=True, slots=True)
class Claims:
    """What an accepted token says."""

    user: str
    roles: tuple[str, ...]
    token_id: str | None  # `jti`
    client: str | None  # `azp` or `client_id`: the program that asked for it


class Tokens:
    """Checks the tokens of one provider."""

    def __init__(self, policy: TokenPolicy, keys: ProviderKeys, clock: MachineClock) -> None:
        self._policy = policy
        self._keys = keys
        self._registry = jwt.JWTClaimsRegistry(
            now=lambda: int(clock.now().timestamp()),
            leeway=policy.skew_seconds,
            iss={"essential": True, "value": policy.issuer},
            aud={"essential": True, "value": policy.audience},
            exp={"essential": True},
        )

    async def read(self, token: str) -> Claims:
        """The claims of a token. Raises BadToken if anything about it is not as it has to be."""
        key = await self._key_of(token)
        try:
            read = jwt.decode(token, key, algorithms=list(self._policy.algorithms))
            self._registry.validate(read.claims)
        except ExpiredTokenError:
            raise BadToken("the token has expired") from None
        except MissingClaimError as error:
            raise BadToken(f"the token lacks the claim {error.claim}") from None
        except InvalidClaimError as error:
            raise BadToken(f"the token is {_REASONS.get(error.claim, 'not valid')}") from None
        except (JoseError, ValueError, TypeError):
            raise BadToken("the token is not signed by the provider") from None
        return self._claims(read.claims)

    async def _key_of(self, token: str) -> Key:
        """The key that the header names, if the header is one that is accepted."""
        if len(token) > LONGEST:
            raise BadToken(f"the token is longer than {LONGEST} characters")
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
        except (JoseError, ValueError, TypeError):
            raise BadToken("this is no JSON Web Token") from None
        algorithm = header.get("alg")
        if algorithm not in self._policy.algorithms:
            raise BadToken("the token is signed by an algorithm that is not accepted")
        kind = header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise BadToken("this is no access token")
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise BadToken("the token names no key")
        try:
            key = await self._keys.find(kid)
        except UnknownKey:
            raise BadToken("the token is signed by a key that the provider does not have") from None
        if key.alg not in {None, algorithm}:
            raise BadToken("the token is signed by an algorithm that is not its key's")
        return key

    def _claims(self, claims: Mapping[str, Any]) -> Claims:
        user = _at(claims, self._policy.user_claim)
        if not isinstance(user, str) or not USER.fullmatch(user):
            raise BadToken(f"the token names nobody in the claim {self._policy.user_claim}")
        token_id, client = claims.get("jti"), claims.get("azp", claims.get("client_id"))
        return Claims(
            user,
            _roles(_at(claims, self._policy.roles_claim), self._policy.roles_claim),
            token_id if isinstance(token_id, str) else None,
            client if isinstance(client, str) else None,
        )


def _roles(value: object, claim: str) -> tuple[str, ...]:
    """The roles in a claim: a list of texts, or one text with blanks between. None is no role."""
    if value is None:
        return ()
    if isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, Sequence) and all(isinstance(role, str) for role in value):
        return tuple(value)
    raise BadToken(f"the token's claim {claim} is no list of roles")


def _at(claims: Mapping[str, Any], path: str) -> object:
    """The value of a claim: by its whole name, or else by the path of its parts."""
    if path in claims:
        return claims[path]
    value: object = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
