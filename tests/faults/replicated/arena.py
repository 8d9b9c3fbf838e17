"""The replicated cluster with the services under test, and disks that can be full."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import pytest

from deploy.local.cluster import Cluster, Name
from deploy.local.toxiproxy import NoToxiproxy
from shared.contracts.topics import Topics
from tests.component.harness import Service
from tests.faults.replicated.pulse import Pulse
from tests.local.disk import Disk, small_disk

P = ParamSpec("P")
R = TypeVar("R")

SMALL_DISKS: Final[Mapping[Name, int]] = {"kafka-2": 1_500, "mongod-3": 2_000}
"""In megabytes, of the parts whose disks can be filled."""


@contextmanager
def small_disks(folder: Path) -> Iterator[Mapping[Name, Disk]]:
    """A disk for each of the parts whose disks can be filled; where there are none, it skips."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(small_disk(folder / name, size))
            for name, size in SMALL_DISKS.items()
        }


@dataclass(slots=True)
class Arena:
    """Everything that may fail, and the pulse by which that is felt."""

    cluster: Cluster
    topics: Topics
    namespace: str
    services: Sequence[Service]
    served: Sequence[str]  # the deputies that are looked at
    disks: Mapping[Name, Disk] = field(default_factory=dict)
    pulse: Pulse = field(default_factory=Pulse)

    @property
    def deputies(self) -> Mapping[str, str]:
        """Each topic of follow-ups and whose it is."""
        return {self.topics.followups(deputy): deputy for deputy in self.served}

    @property
    def inputs(self) -> Sequence[str]:
        """The topics of resolutions."""
        return [self.topics.resolutions(deputy) for deputy in self.served]

    @property
    def databases(self) -> Mapping[str, str]:
        """Each deputy's database, and the topic that tells what it holds."""
        return {
            f"{self.namespace}followups_{deputy}": topic for topic, deputy in self.deputies.items()
        }

    @property
    def groups(self) -> Mapping[str, Sequence[str]]:
        """Each consumer group and what it reads."""
        return {
            f"{self.namespace}followups-{deputy}": [self.topics.resolutions(deputy)]
            for deputy in self.served
        }

    def of(self, *deputies: str) -> Arena:
        """The same, looking at these deputies alone."""
        return replace(self, served=deputies)

    def signal(self, service: Service, sign: signal.Signals) -> None:
        """Send a service's process a signal."""
        os.kill(service.pid, sign)


def started(
    folder: Path, local: Path, disks: Mapping[Name, Disk] | None = None
) -> Iterator[Cluster]:
    """Three brokers and three members behind proxies, gone with their data afterwards.

    Where there can be no proxies, it skips.
    """
    data_on = {name: disk.folder for name, disk in (disks or {}).items()}
    try:
        with Cluster(folder, local / "cache", nodes=3, proxied=True, data_on=data_on) as running:
            yield running
            running.close(remove=True)
    except NoToxiproxy as error:
        pytest.skip(str(error))


async def off(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Let a thread wait for what blocks."""
    return await asyncio.to_thread(call, *args, **kwargs)
