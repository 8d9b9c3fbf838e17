"""The stage: a cluster of its own in a fresh folder, every service on it, all gone with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.local.cluster import Cluster, Name
from deploy.local.layout import local_dir
from deploy.local.processes import is_alive
from shared.contracts.services import SERVICES

_ENVIRONMENT: Final[Mapping[str, str]] = {
    "PEYGIR_ENV": "development",
    "PEYGIR_CLOCK": "simulated",
    "PEYGIR_ACKNOWLEDGE_DAYS": "0",  # the season shows levels of being overdue alone
    "PEYGIR_SOON_DAYS": "0",  # what comes near costs the replay a step a day
    "PEYGIR_LEASE_SECONDS": "20",  # a machine that is short of time is no reason to hand over
    "PEYGIR_LOG_LEVEL": "warning",
    # What this shell may have set for another installation counts as not set.
    "PEYGIR_NAMESPACE": "",
    "PEYGIR_KNOWN_DEPUTIES": "",
    "PEYGIR_DEPUTIES": "",
    "PEYGIR_RUN": "",
    "PEYGIR_THURSDAY_OFF": "",
    "PEYGIR_HOLIDAYS_FILE": "",
    "PEYGIR_FAULT": "",
}


@contextmanager
def stage(environment: Mapping[str, str] = os.environ) -> Iterator[Cluster]:
    """Kafka, mongod, the mail catcher and the topics; the services start on it later.

    Raises PartFailed, NoKafka, NoMongod, NoFreePorts and TopicsFailed. The folder stays; whoever
    knows how it went removes it, or else the next demo does.
    """
    local = local_dir(environment)
    for left in local.glob("demo-*"):
        pid = left.name.removeprefix("demo-")
        if pid.isdecimal() and not is_alive(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    folder = local / f"demo-{os.getpid()}"
    with Cluster(folder, local / "cache", _ENVIRONMENT) as cluster:
        cluster.launch("mail")
        cluster.create_topics()
        cluster.wait_until_ready("mail")
        yield cluster


def fallen(cluster: Cluster, names: Sequence[Name] = SERVICES) -> tuple[Name, ...]:
    """The services that do not run any more."""
    return tuple(name for name in names if not cluster.is_running(name))


def mail_folder(cluster: Cluster) -> Path:
    """Where the mail catcher keeps what it caught."""
    return cluster.data("mail")
