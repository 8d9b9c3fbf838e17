"""One run: clients work while parts fail; then all comes to rest, is read and held to the laws."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.cluster import Cluster, Name
from tests.component.harness import Service, create_topics
from tests.faults.replicated.arena import Arena, off
from tests.faults.replicated.nemesis import Nemesis, Struck
from tests.faults.replicated.people import Mover, People
from tests.faults.replicated.producers import SteadyClient, TransactionalClient
from tests.faults.replicated.pulse import Tail
from tests.faults.replicated.resting import REST_SECONDS, history, rest
from tests.faults.replicated.stories import CONSUMED_BY, Stories
from tests.local.disk import Disk
from tests.promise.checker import Violation, check
from tests.promise.history import History

PEOPLE: Final = 6
REPLICAS: Final = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what, by which seed."""

    seed: int
    events: int  # records that clients send, at least
    rate: float  # a second, of the steady client
    faults: Sequence[str]  # names of `nemesis.FAULTS`
    times: int = 1  # of each fault
    pause_seconds: float = 1.0  # between two faults
    move_seconds: float = 5.0
    transaction_seconds: float = 0.7


@dataclass(frozen=True, slots=True)
class Report:
    """What a run showed."""

    plan: Plan
    history: History
    violations: Sequence[Violation]
    struck: Sequence[Struck]
    seconds: float  # of the load
    at_rest: float | None  # seconds from the end of the load until nothing was left to do

    @property
    def ok(self) -> bool:
        return not self.violations and all(one.recovery is not None for one in self.struck)


@asynccontextmanager
async def arena(
    cluster: Cluster,
    namespace: str,
    folder: Path,
    disks: Mapping[Name, Disk] | None = None,
    served: Sequence[str] = CONSUMED_BY,
    **environment: str,
) -> AsyncIterator[Arena]:
    """Two replicas of `followups` on a cluster, ready."""
    topics = await off(create_topics, cluster, namespace)
    settings = {
        "PEYGIR_DEPUTIES": ",".join(served),
        "PEYGIR_LEASE_SECONDS": "3",
        "PEYGIR_SWEEP_SECONDS": "0.5",
        **environment,
    }
    services = [
        Service("followups", cluster, namespace, folder, **settings) for _ in range(REPLICAS)
    ]
    try:
        for service in services:
            service.launch()
        for service in services:
            await service.ready(60)
        yield Arena(cluster, topics, namespace, services, served, disks or {})
    finally:
        for service in services:
            await service.close()


async def run(
    where: Arena, plan: Plan, say: Callable[[str, int], None] = lambda _, __: None
) -> Report:
    """Let it all happen. `say` is told of each fault, and of how many records were sent."""
    stories, people = Stories(plan.seed), People(where.services, plan.seed)
    mover = Mover(where.services, stories, where.pulse)
    bootstrap = where.cluster.bootstrap

    def approved(resolution_id: str) -> None:
        errand = stories.errands.pop(resolution_id, None)
        if errand is not None:
            people.ask(errand)

    steady = SteadyClient(bootstrap, where.topics, stories, where.pulse, approved)
    foreign = TransactionalClient(bootstrap, where.topics, plan.seed)
    faults = Nemesis(
        where, plan.seed, plan.faults, plan.times, lambda name: say(name, steady.handed)
    )
    over = asyncio.Event()

    async def strike() -> None:
        try:
            await faults.run(plan.pause_seconds)
        finally:
            over.set()

    def enough() -> bool:
        return over.is_set() and steady.handed + len(foreign.sent) >= plan.events

    begun = time.monotonic()
    with Tail(bootstrap, list(where.deputies), where.pulse):
        working = [asyncio.create_task(people.work()) for _ in range(PEOPLE)]
        async with asyncio.TaskGroup() as clients:
            clients.create_task(strike())
            clients.create_task(steady.run(plan.rate, enough))
            clients.create_task(foreign.run(plan.transaction_seconds, enough))
            clients.create_task(mover.run(plan.move_seconds, enough))
        say("the end", steady.handed)
        people.close(PEOPLE)
        await asyncio.wait_for(asyncio.gather(*working), REST_SECONDS)
    loaded = time.monotonic() - begun
    at_rest = await rest(where)
    sent, acts = [*steady.sent, *foreign.sent], [*people.acts, *mover.acts]
    whole = await history(where, sent, acts, stories.dues)
    return Report(plan, whole, check(whole), faults.struck, loaded, at_rest)
