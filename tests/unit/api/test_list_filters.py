"""Filters of lists: by days and instants, and what is refused by name."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

import pytest

from tests.unit.api.services_in_memory import IN_MEMORY, ApiClient, open_followups
from tests.unit.api.test_walks import lists_of


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("executing_body=—", "executing_body"),
        ("executing_body=", "executing_body"),
        ("executing_body=شرکت گاز&executing_body=!", "executing_body"),
        ("level=۴", "level"),
        ("level=1,2", "level"),
        ("state=opened,verified", "state"),
        ("state=Opened", "state"),
        ("overdue=", "overdue"),
        ("overdue=true&overdue=maybe", "overdue"),
        ("deputy=civil&deputy=nobody", "deputy"),
        ("due_from=2024-01-01&due_from=2024-01-02", "due_from"),
        ("due_on=2024-01-01", "due_on"),
        ("Sort=due_on", "Sort"),
        ("sort=%2Bdue_on", "sort"),
        ("sort=+due_on", "sort"),
        ("sort=due_on&sort=-due_on", "sort"),
    ],
)
async def test_a_wrong_filter_is_named(query: str, field: str) -> None:
    async with open_followups() as client:
        for path in ("/followups", "/followups.xlsx"):
            if "sort" not in query or path == "/followups":
                answer = await client.http.get(f"/v1{path}?{query}")
                assert answer.status_code == 422, answer.text
                assert [error["field"] for error in answer.json()["errors"]] == [field]


BOUNDS: Final = [
    ("scheduler", "/sessions", "starts", "starts_at"),
    ("scheduler", "/sessions", "changed", "changed_at"),
    ("scheduler", "/resolutions", "due", "due_on"),
    ("scheduler", "/resolutions", "approved", "approved_at"),
    ("scheduler", "/resolutions", "changed", "changed_at"),
    ("reports", "/reports", "due", "due_at"),
    ("reports", "/reports", "submitted", "submitted_at"),
    ("reports", "/expectations", "due", "due_at"),
    ("reports", "/expectations", "starts", "starts_at"),
    ("followups", "/followups", "due", "due_on"),
    ("followups", "/followups", "approved", "approved_at"),
    ("followups", "/followups", "changed", "changed_at"),
    ("notify", "/notices", "created", "created_at"),
]


@pytest.mark.parametrize("service", IN_MEMORY)
async def test_dates_are_filtered_from_and_to_both_included(service: str) -> None:
    async with IN_MEMORY[service]() as client:
        for of, path, name, field in BOUNDS:
            if of == service:
                await bounds_hold(client, path, name, field)


async def bounds_hold(client: ApiClient, path: str, name: str, field: str) -> None:
    everything = await client.items(path)
    assert everything
    for item in everything[-4:]:
        day = _day(item[field])
        exact = {f"{name}_from": item[field], f"{name}_to": item[field]}
        whole = {f"{name}_from": f"{day}", f"{name}_to": f"{day}"}
        same_day = [i for i in everything if _day(i[field]) == day]
        assert await client.items(path, **exact) == [
            i for i in everything if i[field] == item[field]
        ]
        assert await client.items(path, **whole) == same_day
        after = f"{day + timedelta(days=1)}"
        later = await client.items(path, **{f"{name}_from": after})
        assert later == [i for i in everything if _day(i[field]) > day]
        before = f"{day - timedelta(days=1)}"
        earlier = await client.items(path, **{f"{name}_to": before})
        assert earlier == [i for i in everything if _day(i[field]) < day]
    for wrong in ("", "yesterday", "2024-13-01", "2024-01-01T09:00:00 03:30", "20240101", "1"):
        for end in ("from", "to"):
            answer = await client.http.get(f"/v1{path}", params={f"{name}_{end}": wrong})
            assert answer.status_code == 422, wrong
            assert [e["field"] for e in answer.json()["errors"]] == [f"{name}_{end}"]
    backwards = {f"{name}_from": "2024-02-01", f"{name}_to": "2024-01-01"}
    answer = await client.http.get(f"/v1{path}", params=backwards)
    assert answer.status_code == 422
    assert [e["field"] for e in answer.json()["errors"]] == [f"{name}_from"]


def _day(text: str) -> date:
    if "T" not in text:
        return date.fromisoformat(text)
    return (datetime.fromisoformat(text) + timedelta(hours=3.5)).date()  # Tehran


async def test_every_parameter_of_every_list_is_described() -> None:
    for service, open_ in IN_MEMORY.items():
        async with open_() as client:
            document = (await client.http.get("/openapi.json")).json()
        for path, _id, _sorts in lists_of(service):
            for parameter in document["paths"][f"/v1{path}"]["get"]["parameters"]:
                assert parameter.get("description"), (path, parameter["name"])


async def test_an_export_has_the_filters_of_its_list() -> None:
    async with open_followups() as client:
        asked = {"due_from": "2024-01-01", "state": ["opened", "done"], "resolution_id": "R-1"}
        answer = await client.http.get("/v1/followups.xlsx", params=asked)
        assert answer.status_code == 200
        none = await client.http.get("/v1/followups.xlsx", params={"due_to": "2001-01-01"})
    assert len(answer.content) > len(none.content)
