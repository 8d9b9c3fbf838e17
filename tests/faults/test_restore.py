"""A mongod restored from an older copy: the service reads on by itself, and ends equal."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from deploy.local.cluster import Cluster
from tests.component.harness import (
    Producer,
    Service,
    binary,
    create_topics,
    eventually,
    records,
)
from tests.faults.reader import events_of, faults

CIVIL = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}


def approval(resolution_id: str, due_on: str) -> bytes:
    data = {
        "resolution_id": resolution_id,
        "deputy": "civil",
        "title": "مرمت راه روستایی",
        "approved_at": "2025-01-01T10:00:00+03:30",
        "due_on": due_on,
    }
    return json.dumps(data).encode()


@pytest.mark.timeout(600)
async def test_a_restored_copy_ends_equal(
    cluster: Cluster, namespace: str, test_folder: Path
) -> None:
    topics = create_topics(cluster, namespace)
    topic = topics.resolutions("civil")
    service = Service("followups", cluster, namespace, test_folder, PEYGIR_DEPUTIES="civil")
    early = [f"early-{n}" for n in range(20)]
    late = [f"late-{n}" for n in range(20)]

    async def send(producer: Producer, ids: list[str], due_on: str) -> None:
        for id_ in ids:
            head = binary("ResolutionApproved", id_)
            await producer.send(topic, approval(id_, due_on), key=id_, headers=head)

    async def act(id_: str, action: str, who: dict[str, str], **body: Any) -> None:
        answer = await service.http.post(f"/v1/followups/{id_}/{action}", json=body, headers=who)
        assert answer.status_code == 200, answer.text

    async def stored() -> dict[str, dict[str, Any]]:
        return {item["resolution_id"]: item for item in await service.items("/v1/followups")}

    async def published() -> bool:
        text = (await service.http.get("/metrics")).text
        return "peygir_outbox_pending 0.0" in text

    async with service, Producer(cluster) as producer:
        await send(producer, early, "2030-01-01")

        async def there(ids: list[str]) -> bool:
            return set(ids) <= (await stored()).keys()

        await eventually(lambda: there(early))
        one = (await stored())["early-0"]["followup_id"]
        await act(one, "acknowledge", CIVIL)
        await eventually(published)

        # The back-up is taken here.
        copy = test_folder / "copy"
        await asyncio.to_thread(cluster.stop, "mongod")
        await asyncio.to_thread(cluster.copy_data, "mongod", copy)
        await asyncio.to_thread(cluster.start, "mongod")
        await service.ready()

        # What comes after it: by Kafka, by HTTP, by the clock, and an amendment.
        await send(producer, late, "2025-02-01")  # overdue by three levels
        await eventually(lambda: there(late))
        items = await stored()
        for id_ in early[1:6]:
            await act(items[id_]["followup_id"], "acknowledge", CIVIL)
            await act(items[id_]["followup_id"], "progress", CIVIL, progress=60)
        await act(items["early-1"]["followup_id"], "complete", CIVIL)
        await act(items["early-1"]["followup_id"], "verify", COORDINATION)
        for due_on, id_ in (("2031-01-01", "a"), ("2032-01-01", "b")):
            change = {
                "resolution_id": "early-9",
                "deputy": "civil",
                "amended_at": "2025-01-02T00:00:00Z",
                "due_on": due_on,
            }
            await producer.event(topic, "ResolutionAmended", change, key="early-9", id_=id_)

        async def all_done() -> bool:
            now = await stored()
            levels = all(now[id_]["level"] == 3 for id_ in late)
            return levels and now["early-9"]["due_on"] == "2032-01-01"

        await eventually(all_done)
        await eventually(published)
        before = await stored()

        await asyncio.to_thread(cluster.kill, "mongod")
        await asyncio.to_thread(cluster.restore_data, "mongod", copy)
        await asyncio.to_thread(cluster.start, "mongod")
        await eventually_ended(service)  # it notices by itself that history has changed
        assert "was restored" in service.log or "went back" in service.log
        await service.start()  # as its supervisor does

        async def equal() -> bool:
            return await stored() == before

        await eventually(equal, 30, "the same follow-ups as before")
        await eventually(published)
        told = events_of(await records(cluster, topics.followups("civil")))
        assert not faults([*early, *late], list(before.values()), told)
        await act(one, "progress", CIVIL, progress=10)  # and it goes on


async def eventually_ended(service: Service) -> None:
    """Wait until the process has ended by itself."""

    async def ended() -> bool:
        return not service.process.is_running

    await eventually(ended, 30, "the process ending")
