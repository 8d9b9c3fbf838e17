"""The stage of the demo: a local cluster of its own, in a fresh folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.local.cluster import Cluster, Name
from deploy.local.keycloak_admin import NAME_CLAIM
from deploy.local.layout import local_dir
from deploy.local.mongod_security import administrator_uri
from deploy.local.processes import is_alive
from shared.contracts.services import SERVICES
from shared.messaging.kafka.connection import KafkaConnection, connection_of, plain
from shared.runtime.settings import PREFIX
from shared.runtime.settings.kafka import KafkaSettings
from tools.demo.actors import EVERYBODY, group_of
from tools.demo.clients import ServiceClients
from tools.demo.signing import Tokens

_ENVIRONMENT: Final[Mapping[str, str]] = {
    "PEYGIR_ENV": "development",
    "PEYGIR_CLOCK": "simulated",
    "PEYGIR_ACKNOWLEDGE_DAYS": "0",  # the season shows the levels of overdue, nothing else
    "PEYGIR_SOON_DAYS": "0",  # reminders would cost the replay a step per day
    "PEYGIR_LEASE_SECONDS": "20",  # a slow machine must not lose its leases
    "PEYGIR_LOG_LEVEL": "warning",
    # The shell may have set these for another installation; here they count as not set.
    "PEYGIR_NAMESPACE": "",
    "PEYGIR_KNOWN_DEPUTIES": "",
    "PEYGIR_DEPUTIES": "",
    "PEYGIR_RUN": "",
    "PEYGIR_THURSDAY_OFF": "",
    "PEYGIR_HOLIDAYS_FILE": "",
    "PEYGIR_FAULT": "",
}


_SECURED: Final[Mapping[str, str]] = {
    "PEYGIR_EVENT_SOURCES": "signed",  # as in production; the simulated clock is not of that
    "PEYGIR_OIDC_USER_CLAIM": NAME_CLAIM,  # Keycloak keeps user names in small letters
}


@contextmanager
def stage(
    environment: Mapping[str, str] = os.environ, *, secured: bool = False
) -> Iterator[Cluster]:
    """Start Kafka, MongoDB and the mail catcher, and create the topics; at the end stop them.

    If it is `secured`, Keycloak too, with users, rights and all actors. The caller starts the
    services. The folder stays: the caller removes it, or the next demo does. Raises PartFailed,
    NoKafka, NoMongod, NoFreePorts, TopicsFailed, and if secured NoKeycloak, AccessFailed and
    AdminFailed.
    """
    local = local_dir(environment)
    for leftover in local.glob("demo-*"):
        pid = leftover.name.removeprefix("demo-")
        if pid.isdecimal() and not is_alive(int(pid)):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = local / f"demo-{os.getpid()}"
    own = {**_ENVIRONMENT, **(_SECURED if secured else {})}
    with Cluster(folder, local / "cache", own, secured=secured) as cluster:
        cluster.launch("mail")
        if secured:
            cluster.start("keycloak")
            cluster.grant({actor.id: group_of(actor) for actor in EVERYBODY})
        cluster.create_topics()
        cluster.wait_until_ready("mail")
        yield cluster


def mongodb_of(cluster: Cluster) -> str:
    """Return the connection string with which everything can be read."""
    return cluster.mongodb_uri if cluster.secured is None else administrator_uri(cluster.layout)


def kafka_of(cluster: Cluster) -> KafkaConnection:
    """Return the connection with which every topic can be read."""
    if cluster.secured is None:
        return plain(cluster.bootstrap)
    variables = cluster.secured.kafka.administrator(cluster.layout)
    given = {name.removeprefix(PREFIX).lower(): value for name, value in variables.items()}
    return connection_of(KafkaSettings.model_validate({"env": "development", **given}))


def clients_of(cluster: Cluster) -> ServiceClients:
    """Return clients of the services that send requests in the name of any actor.

    Raises AdminFailed.
    """
    addresses: dict[str, str] = {name: cluster.address(name) for name in SERVICES}
    secured = cluster.secured
    if secured is None:
        return ServiceClients(addresses)
    tokens = Tokens(secured.keycloak, secured.people)
    return ServiceClients(addresses, tokens.signed_by, secured.trust())


def ended_services(cluster: Cluster, names: Sequence[Name] = SERVICES) -> tuple[Name, ...]:
    """Return which of the services do not run any more."""
    return tuple(name for name in names if not cluster.is_running(name))


def mail_folder(cluster: Cluster) -> Path:
    """Return the folder in which the mail catcher keeps the mails."""
    return cluster.data("mail")
