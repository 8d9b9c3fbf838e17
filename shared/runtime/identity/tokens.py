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
from shared.runtime.sentences import sentence

LONGEST: Final = 8_192
"""Characters of a token; longer ones are refused before they are read."""

_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_REASONS: Final[Mapping[str, str]] = {
    "iss": sentence("it comes from another issuer"),
    "aud": sentence("it is for another audience"),
    "nbf": sentence("it is not valid yet"),
    "iat": sentence("it was issued in the future"),
}


class BadToken(Exception):
    """A token that proves nothing. The message may be shown: it repeats nothing of the token."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why  # a sentence, which can be translated


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Which tokens are accepted, and where they say who somebody is."""

    issuer: str
    audience: str
    roles_claim: str = "roles"  # dots lead into nested claims
    user_claim: str = "preferred_username"
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")
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
            raise BadToken(sentence("it has expired")) from None
        except MissingClaimError as error:
            raise BadToken(sentence("it lacks the claim {claim}", claim=error.claim)) from None
        except InvalidClaimError as error:
            template = "its claim {claim} is not as it has to be"
            other = sentence(template, claim=error.claim)
            raise BadToken(_REASONS.get(error.claim, other)) from None
        except (JoseError, ValueError, TypeError):
            raise BadToken(sentence("it is not signed by the provider")) from None
        return self._claims(read.claims)

    async def _key_of(self, token: str) -> Key:
        """The key that the header names, if the header is one that is accepted."""
        if len(token) > LONGEST:
            raise BadToken(sentence("it is longer than {most} characters", most=LONGEST))
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
        except (JoseError, ValueError, TypeError):
            raise BadToken(sentence("it is no JSON Web Token")) from None
        algorithm = header.get("alg")
        if algorithm not in self._policy.algorithms:
            raise BadToken(sentence("it is signed by an algorithm that is not accepted"))
        kind = header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.lower() not in _TYPES:
            raise BadToken(sentence("it is no access token"))
        if "crit" in header:  # RFC 7515, 4.1.11: what is critical and not known is refused
            raise BadToken(sentence("it has a critical header, and none is known here"))
        kid = header.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise BadToken(sentence("it names no key"))
        try:
            key = await self._keys.find(kid)
        except UnknownKey:
            template = "it is signed by a key that the provider does not have"
            raise BadToken(sentence(template)) from None
        if key.alg not in {None, algorithm}:
            raise BadToken(sentence("it is signed by an algorithm that is not its key's"))
        return key

    def _claims(self, claims: Mapping[str, Any]) -> Claims:
        user = _at(claims, self._policy.user_claim)
        if not isinstance(user, str) or not USER.fullmatch(user):
            claim = self._policy.user_claim
            raise BadToken(sentence("it names nobody in the claim {claim}", claim=claim))
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
    raise BadToken(sentence("its claim {claim} is no list of roles", claim=claim))


def _at(claims: Mapping[str, Any], path: str) -> object:
    """The value of a claim: by its whole name, or else by the path of its parts."""
    if path in claims:
        return claims[path]
    value: object = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
