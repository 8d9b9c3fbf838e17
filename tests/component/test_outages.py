"""The services while Kafka or MongoDB is away, and how they start and end."""

from __future__ import annotations

import asyncio
import http.client
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from deploy.local.cluster import Cluster, Name
from deploy.local.layout import PROJECT
from shared.contracts.reference import DEPUTIES
from shared.contracts.services import SERVICES
from shared.contracts.topics import Topics
from tests.component.harness import Producer, Service, eventually, records

pytestmark = pytest.mark.asyncio(loop_scope="module")

CIVIL = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
IDLE_MIB = 96  # in development; tokens, signatures and certificates take ten more
READY_SECONDS = 2.0
HTTPX_KEEPS_SECONDS = 5.0
ANSWER_SECONDS = 5.0
WEARY_TRIES = 9  # by then its pauses have grown as long as they get


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> AsyncIterator[Mapping[str, Service]]:
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(Service(name, cluster, namespace, test_folder))
            for name in SERVICES
        }


async def stop(cluster: Cluster, name: Name) -> None:
    await asyncio.to_thread(cluster.stop, name)


async def start(cluster: Cluster, name: Name) -> None:
    await asyncio.to_thread(cluster.start, name)


def serves_all(cluster: Cluster) -> bool:
    """Whether the broker answers for every partition, as a client without our code sees it.

    Its metadata names leaders some seconds before they lead, where there are many partitions.
    """
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    topics = admin.list_topics(timeout=10).topics
    latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    ends = {TopicPartition(name, p): latest for name in topics for p in topics[name].partitions}
    return all(asked.exception() is None for asked in admin.list_offsets(ends).values())


async def approve(producer: Producer, topics: Topics, resolution_id: str) -> None:
    data = {
        "resolution_id": resolution_id,
        "deputy": "civil",
        "title": "مرمت راه روستایی",
        "approved_at": "2026-11-01T10:00:00+03:30",
        "due_on": "2030-01-01",
    }
    topic = topics.resolutions("civil")
    await producer.event(topic, "ResolutionApproved", data, key=resolution_id, id_=resolution_id)


async def followed(service: Service, resolution_id: str) -> dict[str, Any]:
    """Wait for the follow-up of a resolution; while the database is away the API may say so."""

    async def found() -> list[dict[str, Any]]:
        answer = await service.http.get("/v1/followups", params={"resolution_id": resolution_id})
        items: list[dict[str, Any]] = answer.json()["items"] if answer.status_code == 200 else []
        return items

    (item,) = await eventually(found, 30, f"the follow-up of {resolution_id}")
    return item


async def only_missing(service: Service, name: str) -> None:
    """Wait until `/readyz` names that check, and that one alone, as failed."""

    async def told() -> bool:
        status, report = await service.readyz()
        failed = [check for check, says in report.get("checks", {}).items() if says != "ok"]
        return status == 503 and report["status"] == "unavailable" and failed == [name]

    await eventually(told, 20, f"{name} being missed")
    _, report = await service.readyz()
    assert name in report["checks"][name] or "answer" in report["checks"][name], "says why"
    without = await service.http.get("/readyz", params={"exclude": name})
    assert (without.status_code, without.json()["checks"][name]) == (200, "excluded")
    assert (await service.http.get("/livez")).status_code == 200


def processes(services: Mapping[str, Service]) -> list[tuple[bool, int]]:
    return [(service.process.is_running, service.pid) for service in services.values()]


@pytest.mark.parametrize("name", SERVICES)
async def test_an_idle_service_is_small(services: Mapping[str, Service], name: str) -> None:
    async def swept() -> bool:
        text = (await services["followups"].http.get("/metrics")).text
        sweep = "peygir_last_sweep_timestamp_seconds"
        return all(f'{sweep}{{deputy="{deputy.id}"}}' in text for deputy in DEPUTIES)

    await eventually(swept, 30, "every deputy's first sweep")
    lines = Path(f"/proc/{services[name].pid}/status").read_text(encoding="ascii").splitlines()  # noqa: ASYNC240  # /proc does not block
    (resident,) = (int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    print(f"idle, {name}: {resident / 1024:.1f} MiB")
    assert resident / 1024 <= IDLE_MIB


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize("name", SERVICES)
async def test_prometheus_accepts_the_metrics(services: Mapping[str, Service], name: str) -> None:
    answer = await services[name].http.get("/metrics")
    checked = await asyncio.to_thread(
        subprocess.run,
        ["promtool", "check", "metrics"],
        input=answer.content,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr.decode()


async def test_without_kafka_people_work_on_and_what_they_did_is_told_later(
    cluster: Cluster, services: Mapping[str, Service], topics: Topics
) -> None:
    before, followups = processes(services), services["followups"]
    async with Producer(cluster) as producer:
        await approve(producer, topics, "before")
    item = await followed(followups, "before")
    await stop(cluster, "kafka")
    try:
        for service in services.values():
            await only_missing(service, "kafka")
        path = f"/v1/followups/{item['followup_id']}/acknowledge"
        answer = await followups.http.post(path, json={}, headers=CIVIL)
        assert (answer.status_code, answer.json()["state"]) == (200, "acknowledged")
    finally:
        await start(cluster, "kafka")
    for service in services.values():
        await service.ready()
    async with Producer(cluster) as producer:
        await approve(producer, topics, "after")
    await followed(followups, "after")

    async def told() -> bool:
        found = await records(cluster, topics.followups("civil"))
        mine = [dict(r.headers)["ce_type"] for r in found if r.key == b"before"]
        return mine == [b"peygir.FollowupOpened.v1", b"peygir.FollowupAcknowledged.v1"]

    await eventually(told, 30, "what was done while Kafka was away")
    assert processes(services) == before


LISTS = {
    "scheduler": "/v1/sessions",
    "reports": "/v1/reports",
    "followups": "/v1/followups",
    "notify": "/v1/notices",
}


async def test_without_mongodb_it_says_so_and_takes_later_what_was_published_meanwhile(
    cluster: Cluster, services: Mapping[str, Service], topics: Topics
) -> None:
    before, followups = processes(services), services["followups"]
    async with Producer(cluster) as producer:
        await approve(producer, topics, "known")
        item = await followed(followups, "known")
        await stop(cluster, "mongod")
        try:
            await approve(producer, topics, "meanwhile")
            for service in services.values():
                await only_missing(service, "mongodb")
            one = f"/v1/followups/{item['followup_id']}"
            waits = await asyncio.gather(
                *(
                    refused(followups, method, path)
                    for method, path in (
                        ("GET", "/v1/followups"),
                        ("GET", "/v1/followups?deputy=civil"),
                        ("GET", one),
                        ("GET", f"{one}/history"),
                        ("POST", f"{one}/acknowledge"),
                        ("GET", "/v1/subscriptions"),
                    )
                )
            )
            await shown(followups, "peygir_followups{", False)
            longest = max(waits)
            print(f"without MongoDB refused after {longest:.1f} s at most")
            assert longest < ANSWER_SECONDS
        finally:
            await start(cluster, "mongod")
    for name, service in services.items():
        await service.ready()
        assert (await service.http.get(LISTS[name])).status_code == 200, "ready is who answers"
    await followed(followups, "meanwhile")
    await shown(followups, "peygir_followups{", True)
    assert (await followed(followups, "known")) == item
    assert processes(services) == before


async def shown(service: Service, series: str, wanted: bool) -> None:
    """Wait until a series is shown, or is not: what is stored is not known without MongoDB."""

    async def is_so() -> bool:
        return (series in (await service.http.get("/metrics")).text) is wanted

    await eventually(is_so, 60, f"{series} being {'shown' if wanted else 'hidden'}")


async def refused(service: Service, method: str, path: str) -> float:
    """Ask what needs the database; the seconds until a problem said that it is away."""
    begun = time.monotonic()
    body = b"{}" if method == "POST" else None
    head = {**CIVIL, "content-type": "application/json"}
    answer = await service.http.request(method, path, content=body, headers=head)
    assert answer.status_code == 503, f"{path}: {answer.text}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 503
    return time.monotonic() - begun


async def test_started_before_kafka_it_is_ready_soon_after_kafka(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> None:
    """The best of three: what else this machine does at that moment is not what is measured."""
    measured: list[float] = []
    while len(measured) < 3 and not any(seconds < READY_SECONDS for seconds in measured):
        await stop(cluster, "kafka")
        early = Service("followups", cluster, namespace, test_folder)
        hasty = Service("followups", cluster, namespace, test_folder, PEYGIR_DEPUTIES="civil")
        try:
            early.launch()
            hasty.launch()
            await weary(early)
            await weary(hasty)
            await ends_while_it_waits(hasty)
            measured.append(await ready_after_kafka(early, cluster))
            async with Producer(cluster) as producer:
                await approve(producer, topics, f"early-{len(measured)}")
            await followed(early, f"early-{len(measured)}")
        finally:
            if not cluster.is_running("kafka"):
                await start(cluster, "kafka")
            await early.close()
            await hasty.close()
    print(f"ready {min(measured):.2f} s after Kafka")
    assert min(measured) < READY_SECONDS, measured


async def ends_while_it_waits(service: Service) -> None:
    """Told to end while it waits for Kafka, it ends."""
    status, report = await service.readyz()
    assert status == 503
    assert report["checks"]["kafka"] != "ok"
    assert service.stop()
    assert service.process.ending == "exit code 0"


async def weary(service: Service) -> None:
    """Wait until it has waited so long for Kafka that its pauses are as long as they get."""

    async def tried() -> bool:
        waiting = (line for line in service.log.splitlines() if '"own topics of ' in line)
        return sum('"waiting"' in line for line in waiting) >= WEARY_TRIES

    await eventually(tried, 60, "having waited long")


async def ready_after_kafka(service: Service, cluster: Cluster) -> float:
    """Start Kafka; the seconds from its serving all partitions to the service's being ready."""

    async def there() -> float:
        await start(cluster, "kafka")
        await eventually(lambda: asyncio.to_thread(serves_all, cluster), 60, "all partitions")
        return time.monotonic()

    async def ready() -> float:
        await service.ready(90)
        return time.monotonic()

    kafka_at, ready_at = await asyncio.gather(there(), ready())
    return max(0.0, ready_at - kafka_at)


async def test_an_idle_connection_outlives_what_a_client_keeps(
    services: Mapping[str, Service],
) -> None:
    """Were the server the first to close it, that would sometimes meet a request on its way."""
    port = services["reports"].port

    def stays_open_for(seconds: float) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/livez")
        connection.getresponse().read()
        assert connection.sock is not None
        closed, _, _ = select.select([connection.sock], [], [], seconds)
        return not closed

    assert await asyncio.to_thread(stays_open_for, HTTPX_KEEPS_SECONDS + 1)


@pytest.mark.parametrize("name", SERVICES)
async def test_told_to_end_it_ends_well(services: Mapping[str, Service], name: str) -> None:
    """The last test of the module's services."""
    service = services[name]
    assert service.process.is_running, service.log[-9000:]
    assert service.stop(), service.log[-9000:]
    assert service.process.ending == "exit code 0", service.log[-9000:]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, "PEYGIR_ENV"),
        ({"PEYGIR_ENV": "production"}, "PEYGIR_ENV"),
        ({"PEYGIR_ENV": "development", "PEYGIR_HTTP_PORT": "many"}, "PEYGIR_HTTP_PORT"),
        ({"PEYGIR_ENV": "development", "PEYGIR_HTTP_HOST": "0.0.0.0"}, "PEYGIR_HTTP_HOST"),
        ({"PEYGIR_ENV": "development", "PEYGIR_DEPUTIES": "civl"}, "PEYGIR_DEPUTIES"),
        ({"PEYGIR_ENV": "development", "PEYGIR_FAULT": "send.red"}, "PEYGIR_FAULT"),
    ],
    ids=["unset", "production", "port", "host", "deputies", "fault"],
)
async def test_wrong_settings_stop_it_at_start_with_one_line(
    environment: dict[str, str], named: str
) -> None:
    others = {name: value for name, value in os.environ.items() if not name.startswith("PEYGIR_")}
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.followups"],
        cwd=PROJECT,
        env={**others, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"{named}: ")
