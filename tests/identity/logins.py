"""Tokens of a real Keycloak, for people and for programs."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet

from deploy.local.keycloak import Keycloak
from deploy.local.keycloak_admin import KeycloakAdmin, Person
from shared.runtime.clocks import SystemMachineClock
from tests.identity.browser import Browser
from tools.access.realm import TOOLS
from tools.login.provider import Provider, Tokens


@dataclass(frozen=True, slots=True)
class Decoded:
    """A token whose signature was checked with the published keys."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def person_tokens(keycloak: Keycloak, http: httpx.Client, person: Person) -> Tokens:
    """What the person's tools get once they have confirmed the code in a browser."""
    provider = Provider(http, keycloak.issuer, TOOLS, SystemMachineClock())
    code = provider.start_device_login("openid")
    assert code.full_address is not None
    with Browser(person, _trust(keycloak)) as browser:
        browser.confirm(code.full_address)
    return provider.device_tokens(code)


def program_token(keycloak: Keycloak, http: httpx.Client, admin: KeycloakAdmin, client: str) -> str:
    """What a program gets for its secret."""
    secret = admin.client_secret(client)
    provider = Provider(http, keycloak.issuer, client, SystemMachineClock(), secret)
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


def _trust(keycloak: Keycloak) -> ssl.SSLContext:
    return ssl.create_default_context(
        cafile=None if keycloak.authority is None else str(keycloak.authority)
    )
