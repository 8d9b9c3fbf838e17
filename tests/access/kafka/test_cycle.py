"""Each workload does all of its work with its own rights alone, and forgers get nowhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from shared.contracts.topics import Topics
from tests.access.kafka.house import House
from tests.component.harness import Service, eventually

pytestmark = [
    pytest.mark.secured,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
]

SECONDS = 60.0
OFFICE = {"X-Peygir-User": "m.rezaei", "X-Peygir-Roles": "minister-office"}
COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
CIVIL = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
KHORASAN = {"X-Peygir-User": "g.rezaei", "X-Peygir-Roles": "province:IR-09"}


class Running:
    """All workloads, each a process with a login of its own."""

    def __init__(self, house: House) -> None:
        self.house = house
        worker = "consumer,relay,sweeper"
        self.scheduler = house.service("scheduler", "scheduler")
        self.reports = house.service("reports", "reports")
        self.notify = house.service("notify", "notify")
        self.api = house.service("followups", "followups-api", PEYGIR_RUN="api")
        self.civil = house.service(
            "followups", "followups-civil", PEYGIR_RUN=worker, PEYGIR_DEPUTIES="civil"
        )
        self.crisis = house.service(
            "followups", "followups-crisis", PEYGIR_RUN=worker, PEYGIR_DEPUTIES="crisis"
        )
        self.all = (
            self.scheduler, self.reports, self.notify, self.api, self.civil, self.crisis
        )  # fmt: skip

    @property
    def topics(self) -> Topics:
        return self.house.topics

    async def follow_up(self, resolution_id: str, deputy: str = "civil") -> dict[str, Any]:
        """Wait for the follow-up of a resolution."""

        async def found() -> list[dict[str, Any]]:
            return await self.api.items("/v1/followups", resolution_id=resolution_id, deputy=deputy)

        return (await eventually(found, SECONDS, f"the follow-up of {resolution_id}"))[0]

    async def read(self, name: str, topic: str) -> list[Any]:
        """Everything in a topic, as somebody who may read it."""
        options = self.house.connection(name).options()
        consumer = AIOKafkaConsumer(
            topic, **options, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        try:
            partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
            ends = await consumer.end_offsets(partitions)
            found: list[Any] = []
            while any([await consumer.position(p) < ends[p] for p in partitions]):
                for batch in (await consumer.getmany(timeout_ms=200)).values():
                    found += batch
            return found
        finally:
            await consumer.stop()

    async def send(self, name: str, topic: str, *args: Any, **options: Any) -> None:
        """Send an event as somebody who may."""
        key, value, headers = self.house.event(*args, **options)
        async with AIOKafkaProducer(**self.house.connection(name).options()) as producer:
            await producer.send_and_wait(topic, value, key=key, headers=headers)

    async def rejections(self) -> dict[str, dict[str, Any]]:
        """Which events followups has rejected, as an integrator hears it."""
        found = await self.read("integrator-tracker", self.topics.rejections)
        data = [json.loads(record.value) for record in found]
        return {one["id"]: one for one in data if one["service"] == "followups"}

    async def rejected(self, id_: str) -> tuple[str, str]:
        """Wait for a rejection; its reason, and the origin of the event."""

        async def found() -> dict[str, Any]:
            return (await self.rejections()).get(id_, {})

        one = await eventually(found, SECONDS, f"the rejection of {id_}")
        return one["reason"], f"{one['topic']}/{one['partition']}/{one['offset']}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(house: House) -> AsyncIterator[Running]:
    made = Running(house)
    try:
        for service in made.all:
            service.launch()
        await asyncio.gather(*(service.ready(120) for service in made.all))
        yield made
    finally:
        for service in made.all:
            await service.close()


async def post(service: Service, path: str, body: Any, by: dict[str, str]) -> Any:
    answer = await service.http.post(path, json=body, headers=by)
    assert answer.is_success, answer.text
    return answer.json()


async def test_one_cycle_from_the_session_to_the_mail(running: Running) -> None:
    starts = datetime.now(UTC) + timedelta(days=10)
    session = {
        "session_id": "s-1",
        "kind": "provincial",
        "provinces": ["IR-09"],
        "title": "نشست تخصصی استان خراسان رضوی",
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(hours=4)).isoformat(),
        "mode": "in-person",
    }
    await post(running.scheduler, "/v1/sessions", session, COORDINATION)

    async def awaited() -> bool:
        return bool(await running.reports.items("/v1/expectations", session_id="s-1"))

    await eventually(awaited, SECONDS, "the report being awaited")
    report = {
        "session_id": "s-1",
        "province": "IR-09",
        "catalogue_version": 1,
        "answers": {"crisis": {"relief": "سه انبار"}, "security": {"borders": "آرام"}},
    }
    await post(running.reports, "/v1/reports", report, KHORASAN)
    await post(running.scheduler, "/v1/sessions/s-1/open", {}, COORDINATION)
    resolutions = [
        {"deputy": deputy, "title": f"طرح {deputy}", "due_on": "2035-01-01"}
        for deputy in ("civil", "crisis")
    ]
    approved = await post(
        running.scheduler,
        "/v1/sessions/s-1/resolutions",
        {"resolutions": resolutions},
        COORDINATION,
    )
    ids = {item["deputy"]: item["resolution_id"] for item in approved["items"]}
    for deputy, id_ in ids.items():
        assert (await running.follow_up(id_, deputy))["state"] == "opened"

    async def noticed() -> bool:
        return bool(await running.notify.items("/v1/notices", subject=ids["civil"]))

    await eventually(noticed, SECONDS, "the notice")
    followup = await running.follow_up(ids["civil"])
    path = f"/v1/followups/{followup['followup_id']}/acknowledge"
    await post(running.api, path, {}, CIVIL)

    async def published() -> bool:
        found = await running.read("notify", running.topics.followups("civil"))
        types = [dict(record.headers)["ce_type"] for record in found]
        return b"peygir.FollowupAcknowledged.v1" in types

    await eventually(published, SECONDS, "what the API has committed, in the topic")


async def test_an_integrators_signed_event_takes_effect_once(running: Running) -> None:
    topic = running.topics.resolutions("civil")
    for _ in range(2):
        await running.send("integrator-tracker", topic, "/tracker", "t-1", by="tracker")
    await running.follow_up("t-1")
    await running.send("integrator-tracker", topic, "/tracker", "t-2", by="tracker")
    await running.follow_up("t-2")
    assert len(await running.api.items("/v1/followups", resolution_id="t-1")) == 1
    assert "t-1" not in await running.rejections()


@pytest.mark.parametrize(
    ("id_", "source", "signed_by"),
    [
        ("f-scheduler", "urn:peygir:scheduler", "tracker"),
        ("f-unsigned", "urn:peygir:scheduler", None),
        ("f-other", "/other", "tracker"),
        ("f-nobody", "/nobody", "tracker"),
        ("f-careless", "/tracker", None),
    ],
)
async def test_a_forger_gets_nowhere_and_its_source_hears_of_it(
    running: Running, id_: str, source: str, signed_by: str | None
) -> None:
    topic = running.topics.resolutions("civil")
    await running.send("integrator-tracker", topic, source, id_, by=signed_by)
    assert (await running.rejected(id_))[0] == "forbidden"
    assert await running.api.items("/v1/followups", resolution_id=id_) == []


async def test_an_event_for_another_deputy_is_forbidden_also_on_a_topic_that_one_may_write_to(
    running: Running,
) -> None:
    topic = running.topics.resolutions("civil")
    await running.send("integrator-tracker", topic, "/tracker", "f-crisis", "crisis", by="tracker")
    assert (await running.rejected("f-crisis"))[0] == "forbidden"


async def test_a_forged_event_cannot_come_back_unless_an_operator_mends_it(
    running: Running,
) -> None:
    house = running.house
    topic = running.topics.resolutions("civil")
    await running.send("integrator-tracker", topic, "/tracker", "f-mended", by=None)
    reason, origin = await running.rejected("f-mended")
    assert reason == "forbidden"
    tool = {"PEYGIR_API": str(running.api.http.base_url)}

    def deadletter(*arguments: str) -> Any:
        return house.tool("deadletter", "tools.deadletter", *arguments, **tool)

    replayed = await asyncio.to_thread(deadletter, "replay", origin, "--who", "o.sadeghi")
    assert "forbidden" in replayed.out + replayed.err
    mended = await asyncio.to_thread(
        deadletter, "mend", origin, "--set", "title=پل", "--why", "asked", "--who", "o.sadeghi"
    )
    assert mended.code == 0, mended.out + mended.err
    replayed = await asyncio.to_thread(deadletter, "replay", origin, "--who", "o.sadeghi")
    assert replayed.code == 0, replayed.out + replayed.err
    assert (await running.follow_up("f-mended"))["title"] == "پل"


async def test_what_comes_for_a_follow_up_that_has_moved_is_forwarded(running: Running) -> None:
    body = {"to": "crisis", "reason": "ادغام", "resolution_ids": ["t-2"], "dry_run": False}
    answer = await post(running.api, "/v1/deputies/civil/move", body, OFFICE)
    assert answer["moved"] == 1, answer
    await running.send(
        "integrator-tracker", running.topics.resolutions("civil"), "/tracker", "t-2", by="tracker"
    )

    async def forwarded() -> bool:
        metrics = (await running.civil.http.get("/metrics")).text
        return any(
            sample.labels.get("outcome") == "forwarded" and sample.value > 0
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name == "peygir_events_consumed_total"
        )

    await eventually(forwarded, SECONDS, "the event being forwarded")


async def test_nothing_waits_for_a_right(running: Running) -> None:
    """After all of the above, with sessions that end every few seconds."""
    for service in running.all:
        status, report = await service.readyz()
        assert status == 200, report
        assert report["checks"]["rights"] == "ok", (service.name, report)
        metrics = (await service.http.get("/metrics")).text
        assert 'cause="no-right"' not in metrics
        assert 'cause="not-authenticated"' not in metrics
