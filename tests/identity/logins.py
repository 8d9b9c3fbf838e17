"""Tokens of a real Keycloak, for people and for programs."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet

from deploy.local.keycloak import Keycloak
from deploy.local.keycloak_admin import KeycloakAdmin, Person
from shared.runtime.clocks import SystemMachineClock
from tests.identity.browser import Browser
from tools.access.realm import TOOLS
from tools.login.provider import Provider, Tokens

_CLOCK: Final = SystemMachineClock()
_MARGIN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A token whose signature was checked with the published keys."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def person_tokens(keycloak: Keycloak, http: httpx.Client, person: Person) -> Tokens:
    """What the person's tools get once they have confirmed the code in a browser."""
    provider = Provider(http, keycloak.issuer, TOOLS, _CLOCK)
    code = provider.start_device_login("openid")
    assert code.full_address is not None
    with Browser(person, _trust(keycloak)) as browser:
        browser.confirm(code.full_address)
    return provider.device_tokens(code)


def program_token(keycloak: Keycloak, http: httpx.Client, admin: KeycloakAdmin, client: str) -> str:
    """What a program gets for its secret."""
    secret = admin.client_secret(client)
    provider = Provider(http, keycloak.issuer, client, _CLOCK, secret)
    return provider.client_tokens("openid").access


def published_keys(keycloak: Keycloak, http: httpx.Client) -> KeySet:
    """The keys that the realm publishes for signatures."""
    discovery = http.get(f"{keycloak.issuer}/.well-known/openid-configuration").json()
    keys = http.get(discovery["jwks_uri"]).json()["keys"]
    return KeySet.import_key_set({"keys": [key for key in keys if key["use"] == "sig"]})


def decoded(keycloak: Keycloak, http: httpx.Client, token: str) -> Decoded:
    """The token, verified. Raises what joserfc raises for one that is not genuine."""
    verified = jwt.decode(token, published_keys(keycloak, http), ["RS256"])
    return Decoded(verified.header, verified.claims)


class KeptTokens:
    """The tokens of people, each logged in when first asked for, and renewed."""

    def __init__(self, keycloak: Keycloak, http: httpx.Client) -> None:
        self._keycloak = keycloak
        self._http = http
        self._tools = Provider(http, keycloak.issuer, TOOLS, _CLOCK)
        self._people: dict[str, Person] = {}
        self._tokens: dict[str, Tokens] = {}

    def add(self, person: Person) -> None:
        """Somebody whose tokens may be asked for."""
        self._people[person.name] = person

    def of(self, name: str) -> str:
        """A token of the person, valid for a minute at least."""
        kept = self._tokens.get(name)
        if kept is None:
            kept = person_tokens(self._keycloak, self._http, self._people[name])
        elif kept.expires_at - _CLOCK.now() < _MARGIN:
            assert kept.refresh is not None
            kept = self._tools.refreshed(kept.refresh)
        self._tokens[name] = kept
        return kept.access


class People:
    """One person for each role, added and logged in when first asked for."""

    def __init__(self, keycloak: Keycloak, admin: KeycloakAdmin, http: httpx.Client) -> None:
        self._admin = admin
        self._tokens = KeptTokens(keycloak, http)
        self._names: dict[str, str] = {}

    def token(self, role: str) -> str:
        """A token of the person with this role alone, valid for a minute at least."""
        if role not in self._names:
            person = self._add(role)
            self._tokens.add(person)
            self._names[role] = person.name
        return self._tokens.of(self._names[role])

    def _add(self, role: str) -> Person:
        name = role.replace(":", ".").lower()
        group = group_of(role)
        person = self._admin.add_person(name, [group] if group else [])
        if group is None:
            self._admin.give_role(name, role)
        return person


def group_of(role: str) -> str | None:
    """The group that gives the role; None for roles of programs."""
    kind, colon, what = role.partition(":")
    if colon:
        folders = {"deputy": "deputies", "province": "provinces", "adviser": "advisers"}
        return f"/{folders[kind]}/{what}" if kind in folders else None
    return None if role == "system" else f"/{role}"


def _trust(keycloak: Keycloak) -> ssl.SSLContext:
    return ssl.create_default_context(
        cafile=None if keycloak.authority is None else str(keycloak.authority)
    )
