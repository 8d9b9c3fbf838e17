"""The stage of the demo: a local cluster of its own, in a fresh folder."""

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


@contextmanager
def stage(environment: Mapping[str, str] = os.environ) -> Iterator[Cluster]:
    """Start Kafka, MongoDB and the mail catcher, and create the topics; at the end stop them.

    The caller starts the services. The folder stays: the caller removes it, or the next demo does.
    Raises PartFailed, NoKafka, NoMongod, NoFreePorts and TopicsFailed.
    """
    local = local_dir(environment)
    for leftover in local.glob("demo-*"):
        pid = leftover.name.removeprefix("demo-")
        if pid.isdecimal() and not is_alive(int(pid)):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = local / f"demo-{os.getpid()}"
    with Cluster(folder, local / "cache", _ENVIRONMENT) as cluster:
        cluster.launch("mail")
        cluster.create_topics()
        cluster.wait_until_ready("mail")
        yield cluster


def ended_services(cluster: Cluster, names: Sequence[Name] = SERVICES) -> tuple[Name, ...]:
    """Return which of the services do not run any more."""
    return tuple(name for name in names if not cluster.is_running(name))


def mail_folder(cluster: Cluster) -> Path:
    """Return the folder in which the mail catcher keeps the mails."""
    return cluster.data("mail")
