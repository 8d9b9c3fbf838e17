"""Killed with SIGKILL at every named step: nothing is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from shared.messaging.core.failpoints import Failpoint
from tests.component.harness import Producer, Service, binary, eventually
from tests.faults import reading
from tests.promise.checker import Violation, check
from tests.promise.history import Due, Effect, History, Level, Outcome, Sent

GOOD = 20
LONG_PAST = "2025-02-01"
AT_ONCE = 4  # processes, on two cores

DEPUTIES = {step: f"at-{step.value.replace('.', '-')}" for step in Failpoint}
"""A deputy for each step, so that the crashes don't disturb each other."""

KNOWN = ",".join(DEPUTIES.values())


def approval(resolution_id: str, deputy: str) -> bytes:
    """An approval that is overdue by all three levels, so that the sweeper works as well."""
    data = {
        "resolution_id": resolution_id,
        "deputy": deputy,
        "title": "تجهیز پایگاه مدیریت بحران",
        "approved_at": "2025-01-01T10:00:00+03:30",
        "due_on": LONG_PAST,
    }
    return json.dumps(data).encode()


@pytest.mark.timeout(600)
async def test_a_crash_at_any_step_is_harmless(
    cluster: Cluster, namespace: str, test_folder: Path
) -> None:
    """A process a step dies there; then one takes over what all of them left."""
    cluster.create_topics({"PEYGIR_NAMESPACE": namespace, "PEYGIR_KNOWN_DEPUTIES": KNOWN})
    topics = Topics(DEPUTIES.values(), namespace)
    at_once = asyncio.Semaphore(AT_ONCE)

    def process(deputies: str) -> Service:
        settings = {"PEYGIR_DEPUTIES": deputies, "PEYGIR_KNOWN_DEPUTIES": KNOWN}
        return Service("followups", cluster, namespace, test_folder, **settings)

    async def crash(step: Failpoint) -> None:
        async with at_once:
            await send(cluster, topics, DEPUTIES[step])
            await die(process(DEPUTIES[step]), step)

    await asyncio.gather(*(crash(step) for step in Failpoint))
    async with process(KNOWN) as service:
        wrong: list[Violation] = []

        async def well() -> bool:
            nonlocal wrong
            wrong = check(await whole(service, cluster, topics))
            return not wrong

        try:
            await eventually(well, 90)
        except AssertionError:
            pytest.fail(f"{wrong[:20]}\n{service.log[-3000:]}")


def wanted(deputy: str) -> list[str]:
    return [f"{deputy}-{n}" for n in range(GOOD)]


async def send(cluster: Cluster, topics: Topics, deputy: str) -> None:
    """Approvals, some of them twice, and a poison."""
    topic = topics.resolutions(deputy)
    async with Producer(cluster) as producer:
        for n, id_ in enumerate(wanted(deputy)):
            head = binary("ResolutionApproved", id_)
            for _ in range(2 if n % 5 == 0 else 1):
                await producer.send(topic, approval(id_, deputy), key=id_, headers=head)
        await producer.send(topic, b"{", key="poison", headers=binary("ResolutionApproved", "p"))


async def die(service: Service, step: Failpoint) -> None:
    """Run a process that ends itself at a step."""
    try:
        service.launch(PEYGIR_FAULT=step.value)
        reached = await service.died(60) != 0
        assert reached, f"did not reach {step.value}: {service.log[-1000:]}"
    finally:
        await service.close()


async def whole(service: Service, cluster: Cluster, topics: Topics) -> History:
    """What was sent, and what an independent look finds of it."""
    told_in = [topics.followups(deputy) for deputy in DEPUTIES.values()]
    sent_to = [topics.resolutions(deputy) for deputy in DEPUTIES.values()]
    dead_in = [topics.deadletter("followups")]
    told, came, dead = [
        await asyncio.to_thread(reading.everything, cluster.bootstrap, names)
        for names in (told_in, sent_to, dead_in)
    ]
    items = await service.items("/v1/followups")
    return History(
        sent=tuple(chain.from_iterable(sent(topics, deputy) for deputy in DEPUTIES.values())),
        told=tuple(reading.told(told)),
        arrived=tuple(reading.arrived(came)),
        states=tuple(reading.shown(items, topics.followups)),
        letters=tuple(reading.letters(dead, sent_to)),
        dues=tuple(
            Due(Level(id_, LONG_PAST, level))
            for deputy in DEPUTIES.values()
            for id_ in wanted(deputy)
            for level in (1, 2, 3)
        ),
    )


def sent(topics: Topics, deputy: str) -> Iterator[Sent]:
    """What was sent to a deputy: approvals, and a poison."""
    topic = topics.resolutions(deputy)
    for id_ in wanted(deputy):
        effects = (Effect("FollowupOpened", id_),)
        yield Sent(id_, topic, id_, Outcome.ACKNOWLEDGED, effects=effects)
    yield Sent("p", topic, "poison", Outcome.ACKNOWLEDGED, refusal="broken-json")
