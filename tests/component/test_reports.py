"""The service `reports` on the real Kafka and MongoDB, used by a client without our code."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from tests.component.harness import (
    Producer,
    Service,
    eventually,
    records,
)

COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
KHORASAN = {"X-Peygir-User": "g.rezaei", "X-Peygir-Roles": "province:IR-09"}
FARS = {"X-Peygir-User": "g.fazeli", "X-Peygir-Roles": "province:IR-07"}
CIVIL = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
TITLE = "نشست تخصصی استان خراسان رضوی"


def session(session_id: str, due_in_seconds: float = 3_600, **changes: Any) -> dict[str, Any]:
    """The data of a session whose report is due in so many seconds."""
    due_at = datetime.now(UTC) + timedelta(seconds=due_in_seconds)
    starts_at = due_at + timedelta(hours=72)
    return {
        "session_id": session_id,
        "kind": "provincial",
        "provinces": ["IR-09"],
        "title": TITLE,
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(hours=4)).isoformat(),
        "mode": "in-person",
        **changes,
    }


def report(session_id: str, **changes: Any) -> dict[str, Any]:
    """The body of a report with one open and one restricted answer."""
    return {
        "session_id": session_id,
        "province": "IR-09",
        "catalogue_version": 1,
        "answers": {
            "crisis": {"relief": "سه انبار تازه آماده شد"},
            "security": {"borders": "مرز دوغارون آرام است"},
        },
        "initiatives": [{"title": "قرارگاه جهادی محله‌ها", "text": "در چهل محله"}],
        **changes,
    }


@pytest.fixture
async def reports(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> AsyncIterator[Service]:
    async with Service("reports", cluster, namespace, test_folder) as service:
        yield service


@pytest.fixture
async def producer(cluster: Cluster) -> AsyncIterator[Producer]:
    async with Producer(cluster) as producer:
        yield producer


async def expectation(service: Service, session_id: str, **wanted: Any) -> dict[str, Any]:
    """Wait until what is expected for a session has these values."""

    async def found() -> list[dict[str, Any]]:
        items = await service.items("/v1/expectations", session_id=session_id)
        return [item for item in items if wanted.items() <= item.items()]

    return (await eventually(found, 20, f"{session_id} as {wanted}"))[0]


async def told(cluster: Cluster, topic: str, key: str, count: int) -> list[tuple[str, int, Any]]:
    """Wait for so many events of a key; their types, sequences and data."""

    async def found() -> list[Any]:
        # A process that is killed between sending and marking sends again, under the same id.
        mine = {
            dict(r.headers)["ce_id"]: r
            for r in await records(cluster, topic)
            if r.key == key.encode()
        }
        return list(mine.values()) if len(mine) >= count else []

    events = await eventually(found, 20, f"{count} events of {key}")
    assert len(events) == count
    heads = [dict(event.headers) for event in events]
    return [
        (head["ce_type"].decode().split(".")[1], int(head["ce_sequence"]), json.loads(event.value))
        for head, event in zip(heads, events, strict=True)
    ]


async def schedule(producer: Producer, topics: Topics, data: dict[str, Any], id_: str) -> None:
    await producer.event(topics.sessions, "SessionScheduled", data, key=data["session_id"], id_=id_)


async def test_a_report_is_received_revised_and_distributed(
    cluster: Cluster, reports: Service, producer: Producer, topics: Topics
) -> None:
    await schedule(producer, topics, session("whole"), "1")
    assert (await expectation(reports, "whole", state="awaited"))["title"] == TITLE
    first = await reports.http.post("/v1/reports", json=report("whole"), headers=KHORASAN)
    assert first.status_code == 201
    id_ = first.json()["report_id"]
    answers = {"crisis": {"relief": "چهار انبار", "earthquake": "پایدارسازی شد"}}
    again = report("whole", answers=answers, url="https://khorasan.example/report.pdf")
    second = (await reports.http.post("/v1/reports", json=again, headers=KHORASAN)).json()
    assert (second["report_id"], second["revision"], second["late"]) == (id_, 2, False)
    path = f"/v1/reports/{id_}/distribute"
    assert (await reports.http.post(path, headers=KHORASAN)).status_code == 403
    assert (await reports.http.post(path, headers=COORDINATION)).status_code == 200
    assert (await reports.http.post(path, headers=COORDINATION)).status_code == 409
    await expectation(reports, "whole", state="submitted", version=3)

    events = await told(cluster, topics.reports, "whole", 3)
    assert [event[:2] for event in events] == [
        *(("ReportSubmitted", 1), ("ReportSubmitted", 2), ("ReportDistributed", 3)),
    ]
    assert events[1][2]["completeness"] == pytest.approx(2 / 36)
    assert events[1][2]["initiatives"] == 1
    assert [recipient["id"] for recipient in events[2][2]["recipients"]][:2] == [
        *("management", "political"),
    ]
    assert "security" not in [axis["axis"] for axis in events[0][2]["axes"]]
    kept = await told(cluster, topics.reports_restricted, "whole", 2)
    assert [event[:2] for event in kept] == [("ReportSubmitted", 1), ("ReportSubmitted", 2)]
    assert kept[0][2]["axes"] == [{"axis": "security", "answered": 1, "total": 5}]

    stored = (await reports.http.get(f"/v1/reports/{id_}", headers=COORDINATION)).json()
    assert stored["content"]["answers"] == answers
    assert stored["distributed_at"]


async def test_what_is_restricted_is_not_read_by_everybody(
    reports: Service, producer: Producer, topics: Topics
) -> None:
    await schedule(producer, topics, session("quiet"), "1")
    await expectation(reports, "quiet")
    sent = await reports.http.post("/v1/reports", json=report("quiet"), headers=KHORASAN)
    path = f"/v1/reports/{sent.json()['report_id']}"
    for who, reads in ((CIVIL, False), (FARS, False), (KHORASAN, True), (COORDINATION, True)):
        answer = await reports.http.get(path, headers=who)
        if who is FARS:
            assert answer.status_code == 404, "the report of another province"
            continue
        read = answer.json()
        assert ("security" in read["content"]["answers"]) is reads
        assert ("security" in [axis["axis"] for axis in read["axes"]]) is reads
        assert read["content"]["answers"]["crisis"] == {"relief": "سه انبار تازه آماده شد"}


async def test_a_missing_report_is_told_once_at_its_time(
    cluster: Cluster, reports: Service, producer: Producer, topics: Topics
) -> None:
    soon = session("missing", due_in_seconds=2)
    await schedule(producer, topics, soon, "1")
    due_at = datetime.fromisoformat((await expectation(reports, "missing"))["due_at"])
    await expectation(reports, "missing", state="overdue", version=1)
    assert datetime.now(UTC) >= due_at
    reports.kill()
    await schedule(producer, topics, soon, "2")
    await schedule(producer, topics, session("after"), "3")
    await reports.start()
    await expectation(reports, "after")
    ((type_, sequence, data),) = await told(cluster, topics.reports, "missing", 1)
    assert (type_, sequence) == ("ReportOverdue", 1)
    assert datetime.fromisoformat(data["due_at"]) == due_at
    assert (data["province"], data["title"]) == ("IR-09", TITLE)
    late = await reports.http.post("/v1/reports", json=report("missing"), headers=KHORASAN)
    assert late.json()["late"]
    assert [item["session_id"] for item in await reports.items("/v1/reports", late=True)] == [
        "missing"
    ]


async def test_a_session_moves_and_is_cancelled_and_nothing_older_goes_over_it(
    cluster: Cluster, reports: Service, producer: Producer, topics: Topics
) -> None:
    def headers(type_: str, number: int) -> list[tuple[str, bytes]]:
        return [
            ("ce_specversion", b"1.0"),
            ("ce_id", f"{type_}-{number}".encode()),
            ("ce_source", b"urn:peygir:scheduler"),
            ("ce_type", f"peygir.{type_}.v1".encode()),
            ("ce_sequence", b"%010d" % number),
        ]

    async def send(type_: str, number: int, data: dict[str, Any]) -> None:
        value = json.dumps(data).encode()
        await producer.send(topics.sessions, value, key="moving", headers=headers(type_, number))

    first, later = session("moving"), session("moving", due_in_seconds=9_000)
    moved = {
        "session_id": "moving",
        "starts_at": later["starts_at"],
        "ends_at": later["ends_at"],
        "previous_starts_at": first["starts_at"],
    }
    gone = {"session_id": "moving", "cancelled_at": "2026-11-02T00:00:00Z"}
    await send("SessionScheduled", 1, first)
    await send("SessionRescheduled", 3, moved)
    await send("SessionRescheduled", 2, {**moved, "starts_at": first["starts_at"]})
    await send("SessionOpened", 4, {"session_id": "moving", "opened_at": "2026-11-02T00:00:00Z"})
    await schedule(producer, topics, session("moving-2"), "1")
    await expectation(reports, "moving-2")

    async def has_moved() -> bool:
        item = await expectation(reports, "moving")
        due_at = datetime.fromisoformat(item["due_at"])
        wanted = datetime.fromisoformat(later["starts_at"]) - timedelta(hours=72)
        return abs(wanted - due_at) < timedelta(milliseconds=1)

    await eventually(has_moved, 20, "the new due date")
    await send("SessionCancelled", 5, gone)
    await expectation(reports, "moving", state="cancelled")
    refused = await reports.http.post("/v1/reports", json=report("moving"), headers=KHORASAN)
    assert refused.status_code == 409


async def test_gatherings_of_other_kinds_ask_for_no_report(
    cluster: Cluster, reports: Service, producer: Producer, topics: Topics
) -> None:
    council = session("council", kind="council-executive", provinces=[])
    await schedule(producer, topics, council, "1")
    gone = {"session_id": "council", "cancelled_at": "2026-11-02T00:00:00Z"}
    await producer.event(topics.sessions, "SessionCancelled", gone, key="council", id_="2")
    two = session("two", provinces=["IR-09", "IR-07"])
    await schedule(producer, topics, two, "3")

    async def letter() -> list[Any]:
        found = await records(cluster, topics.deadletter("reports"))
        return [r for r in found if r.key in {b"two", b"council"}]

    (refused,) = await eventually(letter, 20, "the dead letter")
    assert dict(refused.headers)["x-error-type"] == b"not-one-province"
    assert not await reports.items("/v1/expectations", session_id="council")


async def test_bad_reports_are_refused_by_name(
    reports: Service, producer: Producer, topics: Topics
) -> None:
    await schedule(producer, topics, session("bad"), "1")
    await expectation(reports, "bad")

    async def refused(who: dict[str, str], **changes: Any) -> tuple[int, str]:
        body = {**report("bad"), **changes}
        answer = await reports.http.post("/v1/reports", json=body, headers=who)
        assert answer.headers["content-type"] == "application/problem+json"
        errors = answer.json().get("errors", [{"field": ""}])
        return answer.status_code, errors[0]["field"]

    assert await refused(KHORASAN, session_id="nobody") == (422, "session_id")
    assert await refused(FARS, province="IR-07") == (422, "province")
    assert await refused(FARS) == (403, "")
    assert await refused(KHORASAN, province="IR-99") == (422, "province")
    assert await refused(KHORASAN, catalogue_version=2) == (422, "catalogue_version")
    assert await refused(KHORASAN, answers={"securty": {}}) == (422, "answers.securty")
    assert await refused(KHORASAN, answers={"crisis": {"x": "…"}}) == (422, "answers.crisis.x")
    assert await refused(KHORASAN, url="javascript:alert(1)") == (422, "url")
    assert await refused(KHORASAN, initiatives=[{"title": " "}]) == (422, "initiatives.0.title")
    assert not await reports.items("/v1/reports", session_id="bad")
    assert (await reports.http.post("/v1/reports/nobody/distribute")).status_code == 404
    assert (await reports.http.get("/v1/reports/nobody")).status_code == 404


async def test_a_circular_sends_the_catalogue_to_the_provinces(
    cluster: Cluster, reports: Service, topics: Topics
) -> None:
    catalogue = (await reports.http.get("/v1/catalogues/1")).json()
    assert len(catalogue["axes"]) == 8
    assert (await reports.http.get("/v1/catalogues/2")).status_code == 404
    body = {"catalogue_version": 1, "circular_id": "1402-1"}

    async def post(who: dict[str, str] = COORDINATION, **changes: Any) -> Any:
        return await reports.http.post("/v1/circulars", json={**body, **changes}, headers=who)

    assert (await post(KHORASAN)).status_code == 403
    first, again = await post(), await post()
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert len(first.json()["provinces"]) == 31
    assert (await post(provinces=["IR-09"])).status_code == 409
    unknown = await post(catalogue_version=2, circular_id="1402-2")
    assert unknown.json()["errors"][0]["field"] == "catalogue_version"
    ((type_, sequence, data),) = await told(cluster, topics.circulars, "1402-1", 1)
    assert (type_, sequence) == ("CircularIssued", 1)
    assert data["axes"] == catalogue["axes"]
    assert [c["circular_id"] for c in await reports.items("/v1/circulars")] == ["1402-1"]


async def test_a_crash_between_commit_and_kafka_loses_and_doubles_nothing(
    cluster: Cluster, namespace: str, producer: Producer, topics: Topics, test_folder: Path
) -> None:
    await schedule(producer, topics, session("crash"), "1")
    service = Service("reports", cluster, namespace, test_folder)
    try:
        await service.start()
        await expectation(service, "crash")
        service.kill()
        await service.start(PEYGIR_FAULT="send.acknowledged")
        sent = await service.http.post("/v1/reports", json=report("crash"), headers=KHORASAN)
        assert sent.status_code == 201
        await service.died()
        await service.start()

        async def sent_again() -> list[Any]:
            found = [r for r in await records(cluster, topics.reports) if r.key == b"crash"]
            return found if len(found) == 2 else []

        found = await eventually(sent_again, 20, "what was not marked being sent again")
        assert len({dict(record.headers)["ce_id"] for record in found}) == 1
        assert (await expectation(service, "crash"))["version"] == 1
    finally:
        await service.__aexit__(None, None, None)


async def test_a_wrong_setting_is_named(
    cluster: Cluster, namespace: str, test_folder: Path
) -> None:
    service = Service("reports", cluster, namespace, test_folder, PEYGIR_RESTRICTED_AXES="securty")
    try:
        service.launch()
        await service.died()
        assert "PEYGIR_RESTRICTED_AXES: 'securty' is no axis" in service.log
    finally:
        await service.__aexit__(None, None, None)
