"""A secured installation on one machine: production with certificates, users and people of its own.

Everything secret is made at run time, below `secrets/` of the installation's folder. Its data are
apart from those of the open installation.
"""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient

from deploy.local.certificates import write_private
from deploy.local.kafka_access import (
    AccessFailed,
    grant_access,
    login_of,
    prepare_sources,
    sources_of,
)
from deploy.local.kafka_security import KafkaSecurity
from deploy.local.keycloak import AUDIENCE, Certificate, Keycloak
from deploy.local.keycloak_admin import KeycloakAdmin
from deploy.local.layout import HOST, PROJECT, Layout
from deploy.local.mongod_security import administrator, administrator_uri
from shared.contracts.reference import DEPUTIES
from tools.access.passwords import new_login, read, write

PEOPLE: Final[Mapping[str, str]] = {
    "c.ahmadi": "/coordination",
    "m.karimi": "/minister-office",
    "d.karimi": "/deputies/civil",
    "g.razavi": "/provinces/IR-09",
    "o.rezaei": "/operator",
}
"""People to try it out with, and the group of each."""

_ACCESS_TO_MONGODB: Final = (
    *(sys.executable, "-m", "tools.access"),
    *("mongodb", "--together", "--secrets"),
)
_ROLES_OF_TOOLS: Final[Mapping[str, str]] = {
    "deadletter": "operator",
    "audit": "auditor",
    "erase": "eraser",
}
_HTTP: Final = "services"
_KEYCLOAK: Final = "keycloak"


class Secured:
    """What a secured installation has besides its parts."""

    def __init__(self, layout: Layout) -> None:
        """Makes the certificates that are not there yet."""
        self._layout = layout
        self._secrets = layout.root / "secrets"
        self._secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.kafka = KafkaSecurity(self._secrets / "certificates")
        authority = self.kafka.authority()
        self.authority = authority.certificate
        """Who vouches for Kafka, Keycloak and the services."""
        self._http = authority.issue(_HTTP)
        pair = authority.issue(_KEYCLOAK)
        certificate = Certificate(pair.certificate, pair.key, self.authority)
        self.keycloak = Keycloak(layout, certificate)
        self._integrators = prepare_sources(
            self._secrets / "sources", tuple(deputy.id for deputy in DEPUTIES)
        )

    def trust(self) -> ssl.SSLContext:
        """How a client trusts the services."""
        return ssl.create_default_context(cafile=str(self.authority))

    def provider(self) -> Mapping[str, str]:
        """The variables of everybody who asks for tokens, or checks them."""
        return {
            "PEYGIR_OIDC_ISSUER": self.keycloak.issuer,
            "PEYGIR_OIDC_CA_FILE": str(self.authority),
        }

    def service(self, name: str) -> Mapping[str, str]:
        """The variables of a service: what production asks for."""
        return {
            "PEYGIR_ENV": "production",
            "PEYGIR_HTTP_TLS": "here",
            "PEYGIR_HTTP_CERT_FILE": str(self._http.certificate),
            "PEYGIR_HTTP_KEY_FILE": str(self._http.key),
            "PEYGIR_OIDC_AUDIENCE": AUDIENCE,
            **self.provider(),
            **self._stores(name),
            **login_of(name, self.kafka, self._users),
            **sources_of(name, self._integrators.parent),
        }

    def topics(self) -> Mapping[str, str]:
        """The variables of the command that creates the topics."""
        login = login_of("topics", self.kafka, self._users)
        return {"PEYGIR_ENV": "production", "PEYGIR_FEW_COPIES": "accepted", **login}

    def tool(self, name: str) -> Mapping[str, str]:
        """The variables of a tool that is a user of its own in Kafka or MongoDB."""
        login = login_of(name, self.kafka, self._users)
        is_in_kafka = Path(login["PEYGIR_KAFKA_PASSWORD_FILE"]).exists()
        return {
            "PEYGIR_ENV": "production",
            "PEYGIR_API_CA_FILE": str(self.authority),
            **self.provider(),
            **self._stores(name),
            **(login if is_in_kafka else {}),
        }

    def grant(
        self, people: Mapping[str, str], environment: Mapping[str, str] | None = None
    ) -> None:
        """Make users, rights and people, once Kafka, MongoDB and Keycloak answer.

        `people` are names, each with a group. `environment` is that of the services. What is there
        stays. Raises AccessFailed and AdminFailed.
        """
        given = environment or {}
        grant_access(self._layout, self.kafka, self._users, self._integrators, given)
        self._grant_mongodb(given)
        self._add_people(people)

    @property
    def _users(self) -> Path:
        return self._secrets / "users"

    @property
    def people(self) -> Path:
        """The folder with everybody's password, in a file of their name."""
        return self._secrets / "people"

    def _stores(self, name: str) -> Mapping[str, str]:
        return {
            "PEYGIR_MONGODB_URI": self._layout.mongodb_uri,
            "PEYGIR_SECRETS_DIR": str(self._users / name),  # the user in MongoDB and its password
        }

    def _grant_mongodb(self, environment: Mapping[str, str]) -> None:
        found = administrator(self._layout)
        done = subprocess.run(
            (*_ACCESS_TO_MONGODB, str(self._users)),
            cwd=PROJECT,
            env={
                **os.environ,
                **environment,
                "PEYGIR_ENV": "development",
                "PEYGIR_MONGODB_URI": self._layout.mongodb_uri,
                "PEYGIR_MONGODB_USERNAME": found.user,
                "PEYGIR_MONGODB_PASSWORD": found.password,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise AccessFailed(f"granting access to MongoDB failed:\n{done.stdout}{done.stderr}")
        self._add_people_of_mongodb()

    def _add_people_of_mongodb(self) -> None:
        """The users of the tools that read MongoDB, with the roles that the command has made."""
        with MongoClient[dict[str, Any]](administrator_uri(self._layout)) as client:
            for tool, role in _ROLES_OF_TOOLS.items():
                folder = self._users / tool
                if read(folder) is None:
                    login = new_login(tool)
                    granted = [{"role": role, "db": "admin"}]
                    client.admin.command("createUser", tool, pwd=login.password, roles=granted)
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    write(folder, login)

    def _add_people(self, people: Mapping[str, str]) -> None:
        self.people.mkdir(mode=0o700, exist_ok=True)
        with KeycloakAdmin(self.keycloak) as admin:
            for name, group in people.items():
                file = self.people / name
                if not file.exists():
                    person = admin.add_person(name, [group])
                    write_private(file, person.password.encode())


def how_to_log_in(secured: Secured, layout: Layout) -> tuple[str, ...]:
    """What somebody at the terminal does first."""
    api = f"https://{HOST}:{layout.ports.of('followups')}/v1/followups?limit=1"
    return (
        f"log in: ./peygir login, as one of {', '.join(PEOPLE)}; "
        f"their passwords are in {secured.people}",
        f"then: curl --cacert {secured.authority} "
        f'-H "Authorization: Bearer $(./peygir login token)" {api}',
    )
