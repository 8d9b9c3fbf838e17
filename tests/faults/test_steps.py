"""Killed with SIGKILL at every named step: nothing is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from shared.messaging.steps import Step
from tests.component.harness import Producer, Service, binary, eventually, records
from tests.faults.reader import dead_letters_of, events_of, faults

GOOD = 20
AT_ONCE = 4  # processes, on two cores

DEPUTIES = {step: f"at-{step.value.replace('.', '-')}" for step in Step}
"""A deputy for each step, so that the crashes don't disturb each other."""

KNOWN = ",".join(DEPUTIES.values())


def approval(resolution_id: str, deputy: str) -> bytes:
    """An approval that is overdue by all three levels, so that the sweeper works as well."""
    data = {
        "resolution_id": resolution_id,
        "deputy": deputy,
        "title": "تجهیز پایگاه مدیریت بحران",
        "approved_at": "2025-01-01T10:00:00+03:30",
        "due_on": "2025-02-01",
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

    async def crash(step: Step) -> None:
        async with at_once:
            await send(cluster, topics, DEPUTIES[step])
            await die(process(DEPUTIES[step]), step)

    await asyncio.gather(*(crash(step) for step in Step))
    async with process(KNOWN) as service:
        wrong: dict[str, list[str]] = {}

        async def well() -> bool:
            nonlocal wrong
            wrong = await wrong_with(service, cluster, topics)
            return not wrong

        try:
            await eventually(well, 90)
        except AssertionError:
            pytest.fail(f"{wrong}\n{service.log[-3000:]}")
    await each_poison_once(cluster, topics)


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


async def die(service: Service, step: Step) -> None:
    """Run a process that ends itself at a step."""
    try:
        service.launch(PEYGIR_FAULT=step.value)
        reached = await service.died(60) != 0
        assert reached, f"did not reach {step.value}: {service.log[-1000:]}"
    finally:
        await service.close()


async def wrong_with(service: Service, cluster: Cluster, topics: Topics) -> dict[str, list[str]]:
    """What is wrong with each deputy's follow-ups, by an independent look."""
    items = await service.items("/v1/followups")
    found: dict[str, list[str]] = {}
    for deputy in DEPUTIES.values():
        mine = [item for item in items if item["deputy"] == deputy]
        told = events_of(await records(cluster, topics.followups(deputy)))
        wrong = faults(wanted(deputy), mine, told)
        wrong += [f"not escalated: {i['resolution_id']}" for i in mine if i["level"] != 3]
        wrong += [f"at {i['version']}" for i in mine if i["version"] != 4]
        if wrong:
            found[deputy] = wrong
    return found


async def each_poison_once(cluster: Cluster, topics: Topics) -> None:
    """Each deputy's poison stands in the dead letters, by its origin, and nothing else does."""
    resolutions = [topics.resolutions(deputy) for deputy in DEPUTIES.values()]
    poison = {
        (record.topic, record.partition, record.offset): "broken-json"
        for record in await records(cluster, *resolutions)
        if record.key == b"poison"
    }
    letters = dead_letters_of(await records(cluster, topics.deadletter("followups")))
    assert letters == poison
