"""A real Kafka with logins and rights, and whoever logs in to it."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.local.cluster import Cluster
from deploy.local.kafka_security import KafkaSecurity
from deploy.local.layout import PROJECT
from shared.contracts.services import ServiceName
from shared.contracts.topics import Topics
from shared.messaging.kafka.connection import Certificates, FileSecret, KafkaConnection, Login
from shared.runtime.integrators import read_integrators
from shared.runtime.signatures import public_key, signature
from tests.component.harness import Service, binary
from tools.access.kafka import PASSWORD_FILE
from tools.access.kafka_acls import KafkaAccess
from tools.access.kafka_quotas import KafkaQuotas
from tools.access.rights import Grantee, grantees

DEPUTIES: Final = ("civil", "crisis", "coordination")
INTEGRATORS: Final = ("tracker", "other")
SIGNERS: Final = ("scheduler", *INTEGRATORS)


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class House:
    """One installation on a secured Kafka, with the keys and passwords of everybody in it."""

    def __init__(
        self, cluster: Cluster, security: KafkaSecurity, namespace: str, folder: Path
    ) -> None:
        self.cluster = cluster
        self.security = security
        self.namespace = namespace
        self.topics = Topics(DEPUTIES, namespace)
        self.secrets = folder / f"{namespace}-secrets"
        self.integrators = folder / f"{namespace}-integrators.toml"
        self.quotas = folder / f"{namespace}-quotas.toml"
        self.keys = {name: Ed25519PrivateKey.generate() for name in SIGNERS}
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.write_integrators()
        self.quotas.touch()
        self.key_file = folder / f"{namespace}-scheduler.key"
        self.key_file.write_bytes(
            self.keys["scheduler"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )

    def write_integrators(self, *more: str) -> None:
        """Write the file of integrators: one for civil alone, another for civil and crisis."""
        lines = [
            '[[integrators]]\nname = "tracker"\nsources = ["/tracker"]\ndeputies = ["civil"]',
            f'reads = ["followups.civil"]\nkeys = {{ a = "{self._public("tracker")}" }}',
            '[[integrators]]\nname = "other"\nsources = ["/other"]',
            f'deputies = ["civil", "crisis"]\nkeys = {{ a = "{self._public("other")}" }}',
            f'[services.scheduler]\nkeys = {{ a = "{self._public("scheduler")}" }}',
            *more,
        ]
        self.integrators.write_text("\n".join(lines), encoding="utf-8")

    def grantees(self) -> list[Grantee]:
        """Everybody with a login, and the rights of each."""
        return grantees(self.topics, read_integrators(self.integrators, DEPUTIES).all)

    def user(self, name: str) -> str:
        """The user in Kafka of a workload, tool or integrator."""
        return self.namespace + name

    def login(self, name: str) -> Login:
        """How somebody logs in by a password."""
        return Login(
            "SASL_SSL",
            certificates=Certificates(self.security.authority().certificate),
            mechanism="SCRAM-SHA-512",
            username=self.user(name),
            password=FileSecret(self.password_file(name)),
        )

    def connection(self, name: str) -> KafkaConnection:
        """The connection of somebody who logs in by a password."""
        return KafkaConnection((self.cluster.bootstrap,), self.login(name))

    def librdkafka(self, name: str) -> dict[str, Any]:
        """The same for a C client."""
        return {
            "bootstrap.servers": self.cluster.bootstrap,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.user(name),
            "sasl.password": self.password_file(name).read_text(),
            "ssl.ca.location": str(self.security.authority().certificate),
        }

    def password_file(self, name: str) -> Path:
        return self.secrets / name / PASSWORD_FILE

    def administration(self) -> KafkaAccess:
        """The rules and users of the cluster, for whoever may change them."""
        return KafkaAccess(self.security.librdkafka(self.cluster.layout), "the test's Kafka")

    def limiter(self) -> KafkaQuotas:
        """The quotas of the cluster, for whoever may change them."""
        known = self.security.administrator(self.cluster.layout)
        names = ("CA_FILE", "CERT_FILE", "KEY_FILE")
        files = Certificates(*(Path(known[f"PEYGIR_KAFKA_{name}"]) for name in names))
        server = known["PEYGIR_KAFKA_BOOTSTRAP_SERVERS"]
        return KafkaQuotas(KafkaConnection((server,), Login("SSL", certificates=files)))

    def environment(self, name: str) -> dict[str, str]:
        """The variables of a process that logs in as `name`."""
        return {
            "PEYGIR_ENV": "development",
            "PEYGIR_NAMESPACE": self.namespace,
            "PEYGIR_KNOWN_DEPUTIES": ",".join(DEPUTIES),
            "PEYGIR_MONGODB_URI": self.cluster.mongodb_uri,
            "PEYGIR_KAFKA_BOOTSTRAP_SERVERS": self.cluster.bootstrap,
            "PEYGIR_INTEGRATORS_FILE": str(self.integrators),
            "PEYGIR_EVENT_SOURCES": "signed",
            **self.security.client(self.user(name), self.password_file(name)),
        }

    def service(self, service: ServiceName, name: str, **more: str) -> Service:
        """A process of a service that logs in as `name`."""
        environment = {**self.environment(name), **more}
        if service == "scheduler":
            environment["PEYGIR_SIGNING_KEY_FILE"] = str(self.key_file)
        return Service(service, self.cluster, self.namespace, self._folder, **environment)

    def access(self, *arguments: str) -> Done:
        """Run `python -m tools.access kafka` as the administrator."""
        environment = {
            **self.environment("nobody"),
            **_without_login(),
            "PEYGIR_QUOTAS_FILE": str(self.quotas),
            **self.security.administrator(self.cluster.layout),
        }
        return self._run(environment, "tools.access", "kafka", *arguments)

    def tool(self, name: str, *arguments: str, **more: str) -> Done:
        """Run a tool that logs in as `name`."""
        return self._run({**self.environment(name), **more}, *arguments)

    def event(
        self,
        source: str,
        resolution_id: str,
        deputy: str = "civil",
        *,
        by: str | None = None,
    ) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
        """Key, value and headers of an approval, signed with a key of `by`, if any."""
        data = (
            f'{{"resolution_id": "{resolution_id}", "deputy": "{deputy}", "title": "تکمیل پل", '
            '"approved_at": "2026-11-24T10:00:00+03:30", "due_on": "2030-02-01"}'
        )
        key, value = resolution_id.encode(), data.encode()
        headers = binary("ResolutionApproved", resolution_id, source)
        if by is not None:
            headers.append(signature(self.keys[by], key, headers, value))
        return key, value, headers

    def _public(self, name: str) -> str:
        return public_key(self.keys[name])

    def _run(self, environment: Mapping[str, str], *arguments: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=PROJECT,
            env={**os.environ, "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        return Done(done.returncode, done.stdout, done.stderr)


def unsigned_token(user: str) -> dict[str, Any]:
    """A token endpoint's answer with a token that nobody has signed."""
    header, claims = (
        base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode()
        for part in ('{"alg":"none"}', f'{{"sub":"{user}","iat":1,"exp":4102444800}}')
    )
    return {"access_token": f"{header}.{claims}.", "expires_in": 3600, "token_type": "Bearer"}


def _without_login() -> dict[str, str]:
    """Variables that are set, and count as not set."""
    return {"PEYGIR_KAFKA_USERNAME": "", "PEYGIR_KAFKA_PASSWORD_FILE": ""}
