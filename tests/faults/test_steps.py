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
    cluster.create_topics({"PEYGIR_NAMESPACE": namespace, "PEYGIR_KNOWN_DEPUTIES": KNOWN})
    topics = Topics(DEPUTIES.values(), namespace)
    at_once = asyncio.Semaphore(AT_ONCE)

    async def crash(step: Step) -> list[str]:
        async with at_once:
            return await crashed(step, cluster, topics, namespace, test_folder)

    wrong = await asyncio.gather(*(crash(step) for step in Step))
    found = {step.value: told for step, told in zip(Step, wrong, strict=True) if told}
    assert not found


async def crashed(
    step: Step, cluster: Cluster, topics: Topics, namespace: str, folder: Path
) -> list[str]:
    """Kill a process at a step, start it again, and say what is wrong in the end."""
    deputy = DEPUTIES[step]
    topic = topics.resolutions(deputy)
    wanted = [f"{deputy}-{n}" for n in range(GOOD)]
    async with Producer(cluster) as producer:
        for n, id_ in enumerate(wanted):
            head = binary("ResolutionApproved", id_)
            for _ in range(2 if n % 5 == 0 else 1):  # some come again
                await producer.send(topic, approval(id_, deputy), key=id_, headers=head)
        await producer.send(topic, b"{", key="poison", headers=binary("ResolutionApproved", "p"))

    settings = {"PEYGIR_DEPUTIES": deputy, "PEYGIR_KNOWN_DEPUTIES": KNOWN}
    service = Service("followups", cluster, namespace, folder, **settings)
    try:
        service.launch(PEYGIR_FAULT=step.value)
        if await service.died() == 0:
            return [f"did not reach the step: {service.log[-1000:]}"]
        await service.start()
        wrong = ["nothing was looked at"]

        async def well() -> bool:
            nonlocal wrong
            items = await service.items("/v1/followups")
            told = events_of(await records(cluster, topics.followups(deputy)))
            wrong = faults(wanted, items, told)
            wrong += [f"not escalated: {i['resolution_id']}" for i in items if i["level"] != 3]
            wrong += [f"at {i['version']}" for i in items if i["version"] != 4]
            return not wrong

        try:
            await eventually(well, 45)
        except AssertionError:
            return [*wrong, service.log[-2000:]]
        letters = dead_letters_of(await records(cluster, topics.deadletter("followups")))
        mine = {origin: reason for origin, reason in letters.items() if origin[0] == topic}
        (poison,) = [r for r in await records(cluster, topic) if r.key == b"poison"]
        if mine != {(topic, poison.partition, poison.offset): "broken-json"}:
            return [f"dead letters: {mine}"]
        return []
    finally:
        await service.close()
