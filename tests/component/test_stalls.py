"""What has to wait stays where it is: it is shown by its cause, and keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from shared.messaging.kafka.connection import plain
from tests.component.harness import Producer, Service, eventually, topics_of
from tools.topics.ensure import ensure

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECONDS = 30.0
DEPUTIES = ("civil", "crisis", "social")


class Installation:
    """One process for three deputies: one has no topic of resolutions, one none of follow-ups."""

    def __init__(self, cluster: Cluster, service: Service, topics: Topics) -> None:
        self.cluster = cluster
        self.service = service
        self.topics = topics
        self.producer = Producer(cluster)

    async def make(self, *missing: str) -> None:
        """Create all topics but these."""
        specs = [spec for spec in self.topics.all() if spec.name not in missing]
        await ensure(plain(self.cluster.bootstrap), specs, say=print)

    async def delete(self, topic: str) -> None:
        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap})
        await asyncio.to_thread(admin.delete_topics([topic])[topic].result)

        async def gone() -> bool:
            return topic not in (await asyncio.to_thread(admin.list_topics, timeout=10)).topics

        await eventually(gone, SECONDS, "the end of the topic")

    async def approve(self, deputy: str, id_: str) -> None:
        data = {
            "resolution_id": id_,
            "deputy": deputy,
            "title": "مرمت راه روستایی",
            "approved_at": "2026-11-01T10:00:00+03:30",
            "due_on": "2030-01-01",
        }
        topic = self.topics.resolutions(deputy)
        await self.producer.event(topic, "ResolutionApproved", data, key=id_, id_=id_)

    async def followed(self, id_: str) -> None:
        async def found() -> bool:
            return bool(await self.service.items(f"/v1/followups?resolution_id={id_}"))

        await eventually(found, SECONDS, f"the follow-up of {id_}")

    async def causes(self, topic: str, part: str = "consumer") -> set[str]:
        """Why something waits at a topic, or for whatever a group reads."""
        metrics = (await self.service.http.get("/metrics")).text
        return {
            sample.labels["cause"]
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name == "peygir_stalled"
            and sample.labels["part"] == part
            and sample.labels["topic"] == topic
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def installation(
    cluster: Cluster, namespace: str, test_folder: Path
) -> AsyncIterator[Installation]:
    deputies = ",".join(DEPUTIES)
    service = Service("followups", cluster, namespace, test_folder, PEYGIR_DEPUTIES=deputies)
    made = Installation(cluster, service, topics_of(namespace))
    await made.make(made.topics.resolutions("crisis"), made.topics.followups("social"))
    try:
        service.launch()
        await service.ready(recovered=False)
        async with made.producer:
            yield made
    finally:
        await service.close()


async def test_a_missing_topic_keeps_its_own_group_waiting_alone(
    installation: Installation,
) -> None:
    await installation.approve("civil", "c-1")
    await installation.followed("c-1")
    assert await installation.causes("", "subscription") == {"topics-missing"}
    assert (await installation.service.readyz())[0] == 200


async def test_a_database_that_cannot_be_recovered_keeps_its_own_deputy_waiting_alone(
    installation: Installation,
) -> None:
    """What it has forgotten may stand in its topic, so nothing is decided on it before."""
    assert await installation.causes("", "recovery") == {"topics-missing"}
    status, report = await installation.service.readyz()
    assert (status, report["status"]) == (200, "degraded")
    assert "followups_social: " in report["checks"]["recovery"]
    answer = await installation.service.http.get("/v1/followups")
    assert (answer.status_code, answer.json()["partial"]) == (200, ["social"])
    answer = await installation.service.http.get("/v1/followups", params={"deputy": "social"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:peygir:problem:unavailable")
    await installation.approve("social", "s-0")
    await installation.approve("civil", "c-0")
    await installation.followed("c-0")


async def test_all_goes_on_by_itself_when_the_topics_are_there(
    installation: Installation,
) -> None:
    await installation.make()
    await installation.approve("crisis", "k-1")
    await installation.followed("k-1")
    await installation.followed("s-0")

    async def over() -> bool:
        return not {
            cause
            for part in ("subscription", "recovery")
            for cause in await installation.causes("", part)
        }

    await eventually(over, SECONDS, "no stall")
    answer = await installation.service.http.get("/v1/followups")
    assert answer.json()["partial"] == []


async def test_a_topic_that_was_made_anew_while_it_is_read_is_told_and_waits_alone(
    installation: Installation,
) -> None:
    topic = installation.topics.resolutions("social")
    for n in range(12):
        await installation.approve("social", f"s-{n}")
    for n in range(12):
        await installation.followed(f"s-{n}")
    await installation.delete(topic)
    await installation.make()
    await installation.approve("social", "anew")  # into one of three that are shorter now

    async def told() -> bool:
        return await installation.causes(topic) == {"topic-went-back"}

    await eventually(told, SECONDS, "the cause")
    await installation.approve("civil", "c-2")
    await installation.followed("c-2")
    assert (await installation.service.readyz())[0] == 200
