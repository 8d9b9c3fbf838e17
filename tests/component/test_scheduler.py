"""The service `scheduler` on the real Kafka and MongoDB, used by a client without our code."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from shared.contracts.topics import Topics
from tests.component.harness import Service, eventually, records

COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
MINISTER_OFFICE = {"X-Peygir-User": "m.rezaei", "X-Peygir-Roles": "minister-office"}
CIVIL = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}

VISIT = {
    "kind": "visit",
    "provinces": ["IR-09"],
    "title": "بازدید وزیر از مشهد",
    "starts_at": "2031-05-01T09:00:00+03:30",
    "ends_at": "2031-05-01T13:00:00+03:30",
    "mode": "in-person",
}
BRIDGE = {"deputy": "civil", "title": "تکمیل پل روستای سرآسیاب", "due_on": "2035-01-01"}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scheduler(
    cluster: Cluster, namespace: str, topics: Topics, test_folder: Path
) -> AsyncIterator[Service]:
    async with Service("scheduler", cluster, namespace, test_folder) as service:
        yield service


async def post(
    service: Service,
    path: str,
    body: Any = None,
    *,
    by: dict[str, str] = COORDINATION,
    status: int = 200,
) -> Any:
    """Post and check the status; return the document."""
    answer = await service.http.post(path, json=body, headers=by)
    assert answer.status_code == status, answer.text
    return answer.json()


async def begun(service: Service, session_id: str, **changes: Any) -> str:
    """A visit that has begun."""
    await post(service, "/v1/sessions", {**VISIT, "session_id": session_id, **changes}, status=201)
    await post(service, f"/v1/sessions/{session_id}/open")
    return session_id


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sitting(scheduler: Service) -> str:
    """A visit that has begun, of which nothing has to be known."""
    return await begun(scheduler, "visit-sitting")


async def told(cluster: Cluster, topic: str, *keys: str) -> list[tuple[str, str, dict[str, Any]]]:
    """What a topic says about some ids: type, sequence, data."""
    found = []
    for record in await records(cluster, topic):
        if record.key.decode() in keys:
            heads = dict(record.headers)
            type_ = heads["ce_type"].decode().split(".")[1]
            found.append((type_, heads["ce_sequence"].decode(), json.loads(record.value)))
    return found


async def test_the_season_of_1402_stands_in_the_calendar_and_in_the_topic(
    scheduler: Service, cluster: Cluster, topics: Topics
) -> None:
    season = await post(
        scheduler, "/v1/seasons", {"season": "1402", "starts_on": "2023-08-14"}, status=201
    )
    assert len(season["sessions"]) == 31
    last = season["sessions"][-1]
    assert (last["session_id"], last["starts_at"]) == ("1402-IR-30", "2024-03-11T05:30:00Z")
    assert (last["title"], last["report_due_at"]) == (
        *("نشست تخصصی استان البرز", "2024-03-08T05:30:00Z"),
    )
    assert (await scheduler.http.get("/v1/seasons/1402")).json() == season
    sessions = await scheduler.items("/v1/sessions", season="1402", kind="provincial")
    assert sessions == season["sessions"]
    assert await scheduler.items("/v1/sessions", season="1402", provinces="IR-30") == [last]
    assert await scheduler.items("/v1/sessions", season="1402", province="IR-30") == [last]

    ids = [session["session_id"] for session in sessions]

    async def is_told() -> bool:
        return len(await told(cluster, topics.sessions, *ids)) == 31

    await eventually(is_told, 20, "31 sessions in the topic")
    events = await told(cluster, topics.sessions, *ids)
    assert {(type_, sequence) for type_, sequence, _ in events} == {
        ("SessionScheduled", "0000000001")
    }
    assert {tuple(data["provinces"]) for _, _, data in events} == {
        (f"IR-{number:02}",) for number in range(31)
    }
    refused = await post(
        scheduler, "/v1/seasons", {"season": "1402", "starts_on": "2023-08-21"}, status=409
    )
    assert refused["type"] == "urn:peygir:problem:season-exists"


async def test_of_many_who_create_a_season_at_once_one_does(scheduler: Service) -> None:
    body = {"season": "1410", "starts_on": "2031-08-18"}

    async def create() -> int:
        answer = await scheduler.http.post("/v1/seasons", json=body, headers=COORDINATION)
        return answer.status_code

    assert sorted(await asyncio.gather(*(create() for _ in range(5)))) == [201, *[409] * 4]
    assert len(await scheduler.items("/v1/sessions", season="1410")) == 31


async def test_a_session_from_the_calendar_to_the_ministers_summary(
    scheduler: Service, cluster: Cluster, topics: Topics
) -> None:
    id_ = "visit-life"
    made = await post(scheduler, "/v1/sessions", {**VISIT, "session_id": id_}, status=201)
    assert (made["state"], made["version"], made["report_due_at"]) == ("scheduled", 1, None)
    moved = {
        "starts_at": "2031-05-02T09:00:00+03:30",
        "ends_at": "2031-05-02T12:00:00+03:30",
        "reason": "برف",
    }
    await post(scheduler, f"/v1/sessions/{id_}/reschedule", moved)
    await post(scheduler, f"/v1/sessions/{id_}/open")
    body = {"resolutions": [BRIDGE, {**BRIDGE, "deputy": "social"}]}
    await post(scheduler, f"/v1/sessions/{id_}/resolutions", body, by=MINISTER_OFFICE, status=201)
    closed = await post(scheduler, f"/v1/sessions/{id_}/close", {"summary": "جمع‌بندی وزیر"})
    assert (closed["state"], closed["version"], closed["resolutions"]) == ("closed", 4, 2)
    assert (await scheduler.http.get(f"/v1/sessions/{id_}")).json() == closed

    async def is_told() -> bool:
        return len(await told(cluster, topics.sessions, id_)) == 4

    await eventually(is_told, 20, "four events")
    events = await told(cluster, topics.sessions, id_)
    assert [(type_, sequence) for type_, sequence, _ in events] == [
        ("SessionScheduled", "0000000001"),
        ("SessionRescheduled", "0000000002"),
        ("SessionOpened", "0000000003"),
        ("SessionClosed", "0000000004"),
    ]
    assert events[1][2]["previous_starts_at"] == "2031-05-01T05:30:00.000Z"
    assert (events[3][2]["resolutions"], events[3][2]["summary"]) == (2, "جمع‌بندی وزیر")
    for path, sent in (("reschedule", moved), ("cancel", None), ("open", None), ("close", None)):
        refused = await post(scheduler, f"/v1/sessions/{id_}/{path}", sent, status=409)
        assert refused["type"] == "urn:peygir:problem:not-now"


async def test_a_resolution_goes_to_its_deputy_once_however_often_it_is_asked(
    scheduler: Service, cluster: Cluster, topics: Topics
) -> None:
    id_ = await begun(scheduler, "visit-once")
    body = {"resolutions": [{**BRIDGE, "resolution_id": "once"}]}
    path = f"/v1/sessions/{id_}/resolutions"
    answers = await asyncio.gather(*(post(scheduler, path, body, status=201) for _ in range(3)))
    assert answers[0] == answers[1] == answers[2]
    other = {"resolutions": [{**BRIDGE, "resolution_id": "once", "title": "پل دیگر"}]}
    refused = await post(scheduler, path, other, status=409)
    assert refused["type"] == "urn:peygir:problem:conflict"

    await post(scheduler, "/v1/resolutions/once/amend", {"due_on": "2036-01-01", "reason": "برف"})
    withdrawn = await post(scheduler, "/v1/resolutions/once/withdraw", {"reason": "تکراری"})
    assert (withdrawn["state"], withdrawn["due_on"], withdrawn["original_due_on"]) == (
        *("withdrawn", "2036-01-01", "2035-01-01"),
    )
    assert await scheduler.items("/v1/resolutions", session_id=id_) == [withdrawn]

    async def is_told() -> bool:
        return len(await told(cluster, topics.resolutions("civil"), "once")) == 3

    await eventually(is_told, 20, "three events")
    events = await told(cluster, topics.resolutions("civil"), "once")
    assert [(type_, sequence) for type_, sequence, _ in events] == [
        ("ResolutionApproved", "0000000001"),
        ("ResolutionAmended", "0000000002"),
        ("ResolutionWithdrawn", "0000000003"),
    ]
    approved = events[0][2]
    assert (approved["title"], approved["deputy"]) == ("تکمیل پل روستای سرآسیاب", "civil")
    assert (approved["session_id"], approved["session_kind"]) == (id_, "visit")
    assert "title" not in events[1][2]


async def test_all_that_is_asked_is_recorded_or_nothing(scheduler: Service) -> None:
    id_ = await begun(scheduler, "visit-all")
    body = {"resolutions": [BRIDGE, {**BRIDGE, "due_on": "2020-01-01", "axis": "nothing"}]}
    refused = await post(scheduler, f"/v1/sessions/{id_}/resolutions", body, status=422)
    assert {error["field"] for error in refused["errors"]} == {
        *("resolutions.1.axis", "resolutions.1.due_on"),
    }
    assert await scheduler.items("/v1/resolutions", session_id=id_) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"deputy": "nobody"}, "resolutions.0.deputy"),
        ({"due_on": "1403-01-01"}, "resolutions.0.due_on"),
        ({"due_on": 20350101}, "resolutions.0.due_on"),
        ({"due_on": 1803686400}, "resolutions.0.due_on"),
        ({"due_on": "۱۴۱۰/۱۰/۳۰"}, "resolutions.0.due_on"),
        ({"due_on": "2035-02-30"}, "resolutions.0.due_on"),
        ({"province": "IR-31"}, "resolutions.0.province"),
        ({"title": " "}, "resolutions.0.title"),
        ({"title": "\u200b\u3164\u202e"}, "resolutions.0.title"),
        ({"executing_body": "\u2800"}, "resolutions.0.executing_body"),
        ({"priority": "very"}, "resolutions.0.priority"),
        ({"resolution_id": "a/b"}, "resolutions.0.resolution_id"),
        ({"resolution_id": ".."}, "resolutions.0.resolution_id"),
        ({"resolution_id": "a\u0081"}, "resolutions.0.resolution_id"),
    ],
)
async def test_a_wrong_field_of_a_resolution_is_named(
    scheduler: Service, sitting: str, changes: dict[str, Any], field: str
) -> None:
    body = {"resolutions": [{**BRIDGE, **changes}]}
    refused = await post(scheduler, f"/v1/sessions/{sitting}/resolutions", body, status=422)
    assert [error["field"] for error in refused["errors"]] == [field]


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("/v1/seasons", {"season": "1403", "starts_on": 20240101}, {"starts_on"}),
        ("/v1/seasons", {"season": "1403", "starts_on": "1403-01-01"}, {"starts_on"}),
        ("/v1/seasons", {"season": "فصل", "starts_on": "2024-08-12"}, {"season"}),
        (
            "/v1/seasons",
            {"season": "1403", "starts_on": "2024-08-12", "provinces": ["IR-00"]},
            {"provinces"},
        ),
        ("/v1/sessions", {**VISIT, "starts_at": "2031-05-01T09:00:00"}, {"starts_at"}),
        ("/v1/sessions", {**VISIT, "ends_at": VISIT["starts_at"]}, {"ends_at"}),
        ("/v1/sessions", {**VISIT, "kind": "provincial", "provinces": []}, {"provinces"}),
        ("/v1/sessions/nothing/resolutions", {"resolutions": []}, {"resolutions"}),
    ],
)
async def test_a_wrong_field_of_a_session_is_named(
    scheduler: Service, path: str, body: Any, fields: set[str]
) -> None:
    refused = await post(scheduler, path, body, status=422)
    assert {error["field"] for error in refused["errors"]} == fields


async def test_who_may_not_is_told_so(scheduler: Service) -> None:
    season = {"season": "1403", "starts_on": "2024-08-12"}
    await post(scheduler, "/v1/seasons", season, by=MINISTER_OFFICE, status=403)
    await post(scheduler, "/v1/sessions", VISIT, by=CIVIL, status=403)
    id_ = await begun(scheduler, "visit-roles")
    path, body = f"/v1/sessions/{id_}/resolutions", {"resolutions": [BRIDGE]}
    refused = await post(scheduler, path, body, by=CIVIL, status=403)
    assert refused["type"] == "urn:peygir:problem:not-allowed"
    await post(scheduler, f"/v1/sessions/{id_}/close", by=MINISTER_OFFICE, status=403)


async def test_what_does_not_exist_is_not_found(scheduler: Service) -> None:
    for path in ("/v1/seasons/none", "/v1/sessions/none", "/v1/resolutions/none"):
        assert (await scheduler.http.get(path)).status_code == 404
    await post(scheduler, "/v1/sessions/none/open", status=404)
    await post(scheduler, "/v1/sessions/none/resolutions", {"resolutions": [BRIDGE]}, status=404)
    await post(scheduler, "/v1/resolutions/none/withdraw", status=404)


async def test_a_killed_scheduler_tells_every_event_when_it_is_back(
    scheduler: Service, cluster: Cluster, topics: Topics
) -> None:
    ids = [f"visit-killed-{number}" for number in range(40)]
    accepted: list[str] = []

    async def keep_scheduling() -> None:
        for id_ in ids:
            try:
                await post(scheduler, "/v1/sessions", {**VISIT, "session_id": id_}, status=201)
            except httpx.TransportError:
                return
            accepted.append(id_)

    async def some_accepted() -> bool:
        return len(accepted) >= 5

    scheduling = asyncio.create_task(keep_scheduling())
    await eventually(some_accepted, 20, "five sessions")
    scheduler.kill()
    await scheduling
    await scheduler.start()
    stored = {s["session_id"] for s in await scheduler.items("/v1/sessions", kind="visit")}
    assert set(accepted) <= stored

    async def are_told() -> bool:
        events = await told(cluster, topics.sessions, *ids)
        return {data["session_id"] for _, _, data in events} == stored & set(ids)

    # A killed process's transaction stays open until its lifetime ends.
    await eventually(are_told, 60, "every session in the topic")


async def test_an_id_may_be_persian(scheduler: Service) -> None:
    id_ = await begun(scheduler, "بازدید‌مشهد-۱۴۱۰")
    answer = await scheduler.http.get(f"/v1/sessions/{id_}")
    assert answer.json()["session_id"] == id_


async def test_documents_are_served(scheduler: Service) -> None:
    paths = (await scheduler.http.get("/openapi.json")).json()["paths"]
    assert {"/v1/seasons", "/v1/sessions/{session_id}/resolutions"} <= set(paths)
    document = (await scheduler.http.get("/asyncapi.json")).json()
    assert document["asyncapi"] == "3.0.0"
    assert "SessionScheduled" in document["components"]["messages"]
