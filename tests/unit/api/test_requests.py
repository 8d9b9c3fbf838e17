"""What every service accepts in a request, and what it refuses."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from shared.contracts.services import SERVICES
from tests.unit.api.example_requests import POSTS
from tests.unit.api.example_requests import SERVICES as PREPARED
from tests.unit.api.services_in_memory import (
    BRIDGE,
    IN_MEMORY,
    REPORT,
    VISIT,
    ApiClient,
    open_followups,
    open_reports,
    open_scheduler,
)

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
LATER_VERSION = "cc" + TRACE[2:] + "-"
TRACES: list[tuple[str, str | None]] = [
    (TRACE, TRACE),
    (LATER_VERSION + "x" * 200, LATER_VERSION + "x" * 200),
    (LATER_VERSION + "x" * 201, None),
    (LATER_VERSION + "x" * 1_500, None),
    (LATER_VERSION + "\x85", None),
    (TRACE + "-x", None),
    ("x" * 1_500, None),
    ("\x85", None),
    ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", None),
    ("", None),
]


async def traced(client: ApiClient, path: str, body: Any, traceparent: str) -> str | None:
    """The trace of the events that a request caused."""
    before = list(client.events())
    header = {b"traceparent": traceparent.encode("latin-1")}
    answer = await client.http.post(f"/v1{path}", json=body, headers=header)
    assert answer.status_code in {200, 201}, answer.text
    (trace,) = {event.trace for event in client.events() if event not in before}
    return trace


@pytest.mark.parametrize(("traceparent", "trace"), TRACES)
async def test_events_have_the_trace_of_a_request_if_it_is_valid(
    traceparent: str, trace: str | None
) -> None:
    async with open_scheduler() as client:
        assert await traced(client, "/sessions/visit-1/close", None, traceparent) == trace
    async with open_reports() as client:
        report = {**REPORT, "session_id": "1402-IR-09"}
        assert await traced(client, "/reports", report, traceparent) == trace
    async with open_followups() as client:
        id_ = (await client.items("/followups"))[0]["followup_id"]
        path = f"/followups/{id_}/acknowledge"
        assert await traced(client, path, {"stance": "agreed"}, traceparent) == trace


@pytest.mark.parametrize("id_", ["a/b", ".", "..", "a\x7f", "a\x85", "a b", "a|b", "", "x" * 191])
async def test_an_id_that_could_not_be_asked_for_is_refused(id_: str) -> None:
    async with open_reports() as client:
        answer = await client.post("/circulars", {"catalogue_version": 1, "circular_id": id_})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["circular_id"]


@pytest.mark.parametrize(
    "id_", ["1402-3", "ابلاغیه‌ی ۱".replace(" ", "-"), "...", "a%2Fb", "x" * 190]
)
async def test_an_id_that_is_taken_can_be_asked_for(id_: str) -> None:
    async with open_reports() as client:
        issued = await client.post("/circulars", {"catalogue_version": 1, "circular_id": id_})
        assert issued.status_code == 201, issued.text
        answer = await client.http.get(f"/v1/circulars/{quote(id_, safe='')}")
    assert (answer.status_code, answer.json()) == (200, issued.json())


@pytest.mark.parametrize(
    ("service", "path", "body", "field"),
    [
        ("scheduler", "/resolutions/visit-1-R1/amend", {"dueOn": "2031-01-01"}, "dueOn"),
        ("scheduler", "/resolutions/visit-1-R1/withdraw", {"why": "تکراری"}, "why"),
        ("scheduler", "/sessions", {**VISIT, "season_id": "1402"}, "season_id"),
        (
            "scheduler",
            "/sessions",
            {**VISIT, "attendees": [{"role": "governor", "id": "x", "title": "t"}]},
            "attendees.0.title",
        ),
        (
            "scheduler",
            "/sessions/visit-1/resolutions",
            {"resolutions": [{**BRIDGE, "dueOn": "2031-01-01"}]},
            "resolutions.0.dueOn",
        ),
        ("scheduler", "/sessions/visit-1/close", {"Summary": "پایان"}, "Summary"),
        ("scheduler", "/sessions/visit-1/cancel", {"Reason": "برف"}, "Reason"),
        ("reports", "/circulars", {"catalogue_version": 1, "id": "x"}, "id"),
        ("reports", "/reports", {**REPORT, "session_id": "1402-IR-10", "late": False}, "late"),
        (
            "reports",
            "/reports",
            {**REPORT, "session_id": "1402-IR-10", "initiatives": [{"title": "t", "txt": "x"}]},
            "initiatives.0.txt",
        ),
        ("followups", "/followups/x/complete", {"notes": "تمام شد"}, "notes"),
    ],
)
async def test_a_field_that_is_not_known_is_named(
    service: str, path: str, body: dict[str, Any], field: str
) -> None:
    async with IN_MEMORY[service]() as client:
        before = len(client.events())
        answer = await client.post(path, body)
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert len(client.events()) == before


async def test_more_supporting_bodies_than_an_event_holds_are_refused_by_name() -> None:
    async with open_scheduler() as client:
        before = len(client.events())
        bodies = [f"استانداری {n}" for n in range(101)]
        answer = await client.post("/resolutions/visit-1-R1/amend", {"supporting": bodies})
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == ["supporting"]
        assert len(client.events()) == before


@pytest.mark.parametrize("service", IN_MEMORY)
async def test_no_body_of_any_route_takes_what_is_not_known(service: str) -> None:
    """Checked on the OpenAPI documents, as a new route may forget it."""
    async with IN_MEMORY[service]() as client:
        document = client.app.openapi()
    schemas, seen = document["components"]["schemas"], named_in_bodies(document)
    assert bool(seen) == bool(POSTS[service])
    open_ones = {n for n in seen if schemas[n].get("additionalProperties", True) is not False}
    assert open_ones == set()


def named_in_bodies(document: dict[str, Any]) -> set[str]:
    """The names of all schemas of bodies, and of those that they refer to."""
    schemas = document["components"]["schemas"]
    bodies = [
        operation["requestBody"]
        for operations in document["paths"].values()
        for operation in operations.values()
        if "requestBody" in operation
    ]
    waiting, seen = _named(bodies), set[str]()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        waiting |= _named(schemas[name]) - seen
    return seen


def _named(part: Any) -> set[str]:
    """The names of all schemas that a part of the document refers to."""
    if isinstance(part, list):
        return {name for inner in part for name in _named(inner)}
    if not isinstance(part, dict):
        return set()
    here = {part["$ref"].rpartition("/")[2]} if isinstance(part.get("$ref"), str) else set()
    return here | {name for inner in part.values() for name in _named(inner)}


def test_every_service_is_opened_and_asked_here() -> None:
    assert set(IN_MEMORY) == set(POSTS) == set(PREPARED) == set(SERVICES)
