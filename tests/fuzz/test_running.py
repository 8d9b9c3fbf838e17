"""Schemathesis tests every running service by its OpenAPI document: nothing causes a server error.

`PEYGIR_FUZZ_EXAMPLES` sets the number of random requests per operation (by default 200).
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.local.cluster import Cluster
from shared.contracts.envelope import read
from shared.contracts.events import parse
from shared.contracts.reference import PROVINCE_CODES
from shared.contracts.topics import Topics
from tests.component.harness import Producer, Service, create_topics, eventually, records
from tests.fuzz.campaign import Plan, run

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3_600)]

EXAMPLES: Final = int(os.environ.get("PEYGIR_FUZZ_EXAMPLES", "200"))
COORDINATION: Final = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
VISIT: Final = {
    "kind": "visit",
    "provinces": ["IR-09"],
    "title": "بازدید وزیر از مشهد",
    "starts_at": "2031-05-01T09:00:00+03:30",
    "ends_at": "2031-05-01T13:00:00+03:30",
    "mode": "in-person",
}
BRIDGE: Final = {"deputy": "civil", "title": "تکمیل پل روستای سرآسیاب", "due_on": "2035-01-01"}
DECISIONS: Final = "/(settle|extend|refuse-extension|verify|reopen|close|link)$"


def session(session_id: str) -> dict[str, Any]:
    """A provincial session next month."""
    starts_at = datetime.now(UTC) + timedelta(days=30)
    return {
        "session_id": session_id,
        "kind": "provincial",
        "provinces": ["IR-09"],
        "title": "نشست تخصصی استان خراسان رضوی",
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=4)).isoformat(),
        "mode": "in-person",
    }


async def open_scheduler(service: Service, _: Producer, __: Topics) -> Plan:
    sessions, resolutions = [f"visit-{n}" for n in range(6)], [f"visit-{n}-R1" for n in range(4)]
    for id_ in sessions:
        await post(service, "/v1/sessions", {**VISIT, "session_id": id_}, 201)
    for id_, resolution_id in zip(sessions, resolutions, strict=False):
        await post(service, f"/v1/sessions/{id_}/open", None, 200)
        body = {"resolutions": [{**BRIDGE, "resolution_id": resolution_id}]}
        await post(service, f"/v1/sessions/{id_}/resolutions", body, 201)
    await post(service, "/v1/seasons", {"season": "1410", "starts_on": "2031-08-11"}, 201)
    return Plan(
        {"session_id": sessions, "resolution_id": resolutions, "season": ["1410"]},
        {
            "starts_at": ["2031-06-01T09:00:00+03:30", "2031-06-02T09:00:00Z"],
            "ends_at": ["2031-06-03T09:00:00+03:30", "2031-06-02T12:00:00Z"],
            "starts_on": ["2032-08-09", "2033-08-08"],
            "provinces": [sorted(PROVINCE_CODES), ["IR-09"]],
            "due_on": ["2035-06-01", "2199-12-31", "1405-10-30"],
            "deputy": ["civil", "social"],
            "axis": [None, "crisis"],
        },
    )


async def open_reports(service: Service, producer: Producer, topics: Topics) -> Plan:
    sessions = [f"1405-IR-09-{n}" for n in range(4)]
    for id_ in sessions:
        topic = topics.sessions
        await producer.event(topic, "SessionScheduled", session(id_), key=id_, id_=id_)
    found = await listed(service, "/v1/expectations", len(sessions))
    for id_ in sessions[:2]:
        sent = {"session_id": id_, "province": "IR-09", "catalogue_version": 1, "answers": {}}
        await post(service, "/v1/reports", sent, 201)
    issued = {"catalogue_version": 1, "circular_id": "1405-1"}
    await post(service, "/v1/circulars", issued, 201)
    return Plan(
        {
            "session_id": sessions,
            "report_id": [item["report_id"] for item in found],
            "circular_id": ["1405-1"],
            "version": [1],
        },
        {
            "session_id": sessions,
            "province": ["IR-09"],
            "catalogue_version": [1],
            "answers": [{}, {"crisis": {"relief": "سه انبار تازه آماده شد"}}],
        },
    )


async def open_followups(service: Service, producer: Producer, topics: Topics) -> Plan:
    today = datetime.now(UTC)
    due_on = (today + timedelta(days=60)).date()
    for n in range(24):
        approved = {
            **BRIDGE,
            "resolution_id": f"R-{n}",
            "due_on": due_on.isoformat(),
            "approved_at": today.isoformat(),
            "province": "IR-09",
            "supporting": ["شهرداری مشهد", "social"],
        }
        topic = topics.resolutions("civil")
        await producer.event(topic, "ResolutionApproved", approved, key=f"R-{n}", id_=f"R-{n}")
    ids = [item["followup_id"] for item in await listed(service, "/v1/followups", 24)]
    later = (due_on + timedelta(days=20)).isoformat()
    for id_ in ids[:20]:
        await post(service, f"/v1/followups/{id_}/acknowledge", {}, 200)
    for id_ in ids[:16]:
        work = {"title": "تملک زمین", "owner": "استانداری", "due_on": due_on.isoformat()}
        await post(service, f"/v1/followups/{id_}/items", work, 200)
        wanted = {"due_on": later, "reason": "باران"}
        await post(service, f"/v1/followups/{id_}/request-extension", wanted, 200)
    for id_ in ids[:8]:
        await post(service, f"/v1/followups/{id_}/complete", {}, 200)
    return Plan(
        {"followup_id": ids, "item": [1, 2, 3], "deputy": ["civil", "social"]},
        {
            "to": ["social", "civil", "a.nouri"],
            "body": ["شهرداری مشهد", "social"],
            "due_on": [due_on.isoformat(), later, "1405-10-30"],
            "until": [(today + timedelta(days=2)).date().isoformat(), "1405-10-30"],
        },
        {DECISIONS: "coordination"},
    )


async def open_notify(service: Service, producer: Producer, topics: Topics) -> Plan:
    await producer.event(topics.sessions, "SessionScheduled", session("s-1"), key="s-1", id_="s-1")
    found = await listed(service, "/v1/notices", 1)
    return Plan({"notice_id": [item["notice_id"] for item in found]})


async def post(service: Service, path: str, body: Any, status: int) -> Any:
    answer = await service.http.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def listed(service: Service, path: str, number: int) -> list[dict[str, Any]]:
    """The items of a list, as soon as it has this many."""

    async def found() -> list[dict[str, Any]]:
        items = await service.items(path)
        return items if len(items) >= number else []

    return await eventually(found, 30, f"{number} items of {path}")


@pytest.mark.parametrize(
    ("name", "open_"),
    [
        ("scheduler", open_scheduler),
        ("reports", open_reports),
        ("followups", open_followups),
        ("notify", open_notify),
    ],
)
async def test_no_request_causes_a_server_error(
    cluster: Cluster,
    test_folder: Path,
    local: Path,
    name: str,
    open_: Callable[[Service, Producer, Topics], Awaitable[Plan]],
) -> None:
    namespace = f"f{uuid.uuid4().hex[:10]}"  # only this service writes to its topics
    topics = create_topics(cluster, namespace)
    deputies = {"PEYGIR_DEPUTIES": "civil,social"} if name == "followups" else {}
    async with Service(name, cluster, namespace, test_folder, **deputies) as service:
        async with Producer(cluster) as producer:
            plan = await open_(service, producer, topics)
        url, folder = f"http://127.0.0.1:{service.port}", local / "fuzz" / name
        status, report = await asyncio.to_thread(run, url, plan, folder, EXAMPLES)
        print(report)
        assert "request failed" not in service.log, service.log[-20_000:]
        assert status == 0, report
        await all_published(service, cluster, topics)


async def all_published(service: Service, cluster: Cluster, topics: Topics) -> None:
    """Check that all committed events were published and can be read."""

    async def nothing_waits() -> bool:
        return "peygir_outbox_pending 0.0" in (await service.http.get("/metrics")).text

    await eventually(nothing_waits, 120, "every event published")
    own = [topics.sessions, topics.reports, topics.circulars, topics.notices]
    own.append(topics.reports_restricted)
    own += [
        of(deputy)
        for deputy in ("civil", "social")
        for of in (topics.resolutions, topics.followups)
    ]
    for record in await records(cluster, *own):
        parse(read(record.headers, record.value))
