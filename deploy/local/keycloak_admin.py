"""Administers the local Keycloak over its REST API: people, secrets, keys. For tests and trials."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

import httpx

from deploy.local.keycloak import ADMIN, AUDIENCE, REALM, Keycloak

NAME_CLAIM: Final = "written_name"
_AS_WRITTEN: Final[Mapping[str, Any]] = {
    "name": NAME_CLAIM,
    "protocol": "openid-connect",
    "protocolMapper": "oidc-usermodel-attribute-mapper",
    "config": {
        "user.attribute": "firstName",
        "claim.name": NAME_CLAIM,
        "jsonType.label": "String",
        "access.token.claim": "true",
    },
}

TOOLS: Final = "peygir-tools"
"""The client of the command line, as the realm names it."""

_ANSWER_SECONDS: Final = 30.0
_TOKEN_SECONDS: Final = 30.0  # half of what a token of the master realm lives


class AdminFailed(Exception):
    """Keycloak refused a request; the message has both."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in."""

    name: str
    password: str = field(repr=False)


class KeycloakAdmin:
    """A context manager. Every method raises AdminFailed."""

    def __init__(self, keycloak: Keycloak) -> None:
        self._keycloak = keycloak
        authority = keycloak.authority
        trust = ssl.create_default_context(cafile=None if authority is None else str(authority))
        self._http = httpx.Client(base_url=keycloak.url, timeout=_ANSWER_SECONDS, verify=trust)
        self._token = ""
        self._asked_at = float("-inf")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def add_person(
        self, name: str, groups: Iterable[str] = (), *, second_factor: bool = False
    ) -> Person:
        """A person in groups such as `/provinces/IR-09`, with a password of their own.

        With `second_factor` they are asked to set one up at the first login, as the realm wants it.
        """
        password = secrets.token_urlsafe(16)
        representation: dict[str, Any] = {
            "username": name,  # in small letters from now on
            "firstName": name,
            "enabled": True,
            "groups": list(groups),
            "credentials": [{"type": "password", "value": password, "temporary": False}],
        }
        self._realm("POST", "/users", json=representation)
        if not second_factor:  # a new person always has the realm's default actions
            address = f"/users/{self._user(name)}"
            given = self._realm("GET", address).json()
            self._realm("PUT", address, json={**given, "requiredActions": []})
        return Person(name, password)

    def has_person(self, name: str) -> bool:
        """Whether somebody has this name."""
        query = {"username": name, "exact": "true"}
        return bool(self._realm("GET", "/users", params=query).json())

    def remove_person(self, name: str) -> None:
        """Forget the person."""
        self._realm("DELETE", f"/users/{self._user(name)}")

    def join(self, name: str, group: str) -> None:
        """Put the person into a group too."""
        found = self._realm("GET", f"/group-by-path/{group.lstrip('/')}").json()
        self._realm("PUT", f"/users/{self._user(name)}/groups/{found['id']}")

    def add_role(self, role: str, folder: str, group: str) -> None:
        """A further role of people, and the group below `folder` that gives it."""
        client = self._client(AUDIENCE)
        self._realm("POST", f"/clients/{client}/roles", json={"name": role})
        above = self._realm("GET", f"/group-by-path/{folder}").json()
        self._realm("POST", f"/groups/{above['id']}/children", json={"name": group})
        made = self._realm("GET", f"/group-by-path/{folder}/{group}").json()
        found = self._realm("GET", f"/clients/{client}/roles/{role}").json()
        self._realm("POST", f"/groups/{made['id']}/role-mappings/clients/{client}", json=[found])

    def give_role(self, name: str, role: str) -> None:
        """Give the person a role that no group has, such as `system`."""
        client = self._client(AUDIENCE)
        found = self._realm("GET", f"/clients/{client}/roles/{role}").json()
        address = f"/users/{self._user(name)}/role-mappings/clients/{client}"
        self._realm("POST", address, json=[found])

    def set_enabled(self, name: str, *, enabled: bool) -> None:
        """Let the person log in, or not."""
        self._realm("PUT", f"/users/{self._user(name)}", json={"enabled": enabled})

    def end_sessions(self, name: str) -> None:
        """Sign the person out everywhere."""
        self._realm("POST", f"/users/{self._user(name)}/logout")

    def client_secret(self, client: str) -> str:
        """The secret of a confidential client."""
        answer = self._realm("GET", f"/clients/{self._client(client)}/client-secret")
        return str(answer.json()["value"])

    def renew_client_secret(self, client: str) -> str:
        """A new secret for a confidential client."""
        answer = self._realm("POST", f"/clients/{self._client(client)}/client-secret")
        return str(answer.json()["value"])

    def add_password_client(self, client: str) -> None:
        """A public client that gets tokens for passwords; the realm itself has none.

        It is for programs that play many people, and for an installation of their own alone. The
        claim NAME_CLAIM names a person as `add_person` was given the name.
        """
        like = dict(self.clients()[TOOLS])
        for name in ("id", "attributes"):
            like.pop(name, None)
        for mapper in like["protocolMappers"]:
            mapper.pop("id", None)
        like |= {"clientId": client, "directAccessGrantsEnabled": True}
        like["protocolMappers"].append(_AS_WRITTEN)
        self._realm("POST", "/clients", json=like)

    def realm(self) -> Mapping[str, Any]:
        """The realm as Keycloak has it."""
        representation: dict[str, Any] = self._realm("GET", "").json()
        return representation

    def clients(self) -> Mapping[str, Mapping[str, Any]]:
        """Every client by its name."""
        return {each["clientId"]: each for each in self._realm("GET", "/clients").json()}

    def roles(self) -> frozenset[str]:
        """The roles that the services know."""
        answer = self._realm("GET", f"/clients/{self._client(AUDIENCE)}/roles", params={"max": 500})
        return frozenset(role["name"] for role in answer.json())

    def rotate_key(self, algorithm: str = "RS256") -> str:
        """A new signing key beside the former one; returns its id. From now on it signs."""
        keys = self._realm("GET", "/keys").json()
        priority = max(int(key.get("providerPriority", 0)) for key in keys["keys"]) + 1
        component = {
            "name": f"{algorithm}-{secrets.token_hex(4)}",
            "providerId": "rsa-generated",
            "providerType": "org.keycloak.keys.KeyProvider",
            "parentId": self.realm()["id"],
            "config": {
                "priority": [str(priority)],
                "enabled": ["true"],
                "active": ["true"],
                "algorithm": [algorithm],
                "keySize": ["2048"],
            },
        }
        self._realm("POST", "/components", json=component)
        return self.signing_key(algorithm)

    def signing_key(self, algorithm: str = "RS256") -> str:
        """The id of the key that signs."""
        return str(self._realm("GET", "/keys").json()["active"][algorithm])

    def withdraw_key(self, kid: str) -> None:
        """Neither sign with a key any more nor publish it."""
        [provider] = {
            key["providerId"] for key in self._realm("GET", "/keys").json()["keys"]
            if key.get("kid") == kid
        }  # fmt: skip
        component = self._realm("GET", f"/components/{provider}").json()
        component["config"] |= {"enabled": ["false"], "active": ["false"]}
        self._realm("PUT", f"/components/{provider}", json=component)

    def _user(self, name: str) -> str:
        query = {"username": name, "exact": "true"}
        [found] = self._realm("GET", "/users", params=query).json()
        return str(found["id"])

    def _client(self, client: str) -> str:
        [found] = self._realm("GET", "/clients", params={"clientId": client}).json()
        return str(found["id"])

    def _realm(self, method: str, path: str, **content: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._own_token()}"}
        address = f"/admin/realms/{REALM}{path}"
        answer = self._http.request(method, address, headers=headers, **content)
        if answer.is_error:
            raise AdminFailed(f"{method} {address}: {answer.status_code} {answer.text}")
        return answer

    def _own_token(self) -> str:
        if time.monotonic() - self._asked_at > _TOKEN_SECONDS:
            self._asked_at = time.monotonic()
            answer = self._http.post(
                "/realms/master/protocol/openid-connect/token",
                data={"grant_type": "client_credentials"},
                auth=(ADMIN, self._keycloak.admin_secret()),
            )
            if answer.is_error:
                raise AdminFailed(f"logging in: {answer.status_code} {answer.text}")
            self._token = answer.json()["access_token"]
        return self._token
