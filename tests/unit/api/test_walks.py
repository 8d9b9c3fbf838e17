"""Lists are read page by page with any sort, filters and limit: each item once and in order."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.followups import api as followups
from services.followups.domain.records import Followup
from services.followups.handlers import Change
from shared.messaging.core.model import CommitContext
from shared.runtime.list_queries import ListQuery
from tests.stores.fakes_followups import MemoryFollowups
from tests.stores.test_lists import BODIES, lives
from tests.unit.api.services_in_memory import (
    IN_MEMORY,
    ApiClient,
    UnavailableFollowups,
    client_of,
    followups_service,
    open_followups,
)
from tests.unit.followups.examples import NOW, TRACKING

NOON: Final = datetime(2024, 1, 10, 9, tzinfo=UTC)
SORTS: Final = ("followup_id", "due_on", "days_overdue", "approved_at", "changed_at", "number")

Item = dict[str, Any]


@asynccontextmanager
async def open_both(all_: Sequence[Followup], away: Sequence[str] = ()) -> AsyncIterator[ApiClient]:
    """Two deputies, each with half of these follow-ups."""
    service = followups_service("civil", "social")
    for number, deputy in enumerate(("civil", "social")):
        store = (UnavailableLists if deputy in away else MemoryFollowups)(deputy)
        own = [replace(f, resolution=replace(f.resolution, deputy=deputy)) for f in all_[number::2]]
        cause = CommitContext("request", "d.karimi")
        await MemoryFollowups.save(store, [Change(None, f, (), None) for f in own], cause)
        context = replace(TRACKING, deputy=deputy)
        service.contexts[deputy] = followups.ApiContext(store, context, store.files)
    service.clock.instant = NOON
    async with client_of(list, service.app) as client:
        yield client


class UnavailableLists(UnavailableFollowups):
    """A store whose database does not answer."""

    async def page(self, query: Any) -> Sequence[Followup]:
        [ids async for ids in self.ids({})]
        return []


async def walk(
    client: ApiClient, path: str, cursor: str | None = None, **parameters: Any
) -> list[Item]:
    """The items of all pages, or of those after a cursor."""
    found: list[Item] = []
    while True:
        further = {} if cursor is None else {"cursor": cursor}
        answer = await client.http.get(f"/v1{path}", params={**parameters, **further})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def in_order(items: Sequence[Item], sort: str, id_: str) -> list[Item]:
    """All items in the order that the documentation describes."""
    field, by_id = sort.lstrip("-"), sorted(items, key=lambda item: item[id_])
    if field == id_:
        return by_id[::-1] if sort.startswith("-") else by_id
    there = [item for item in by_id if item[field] is not None]
    there.sort(key=lambda item: item[field], reverse=sort.startswith("-"))
    return [*there, *(item for item in by_id if item[field] is None)]


FILTERS: Final[Mapping[str, tuple[Sequence[str], Callable[[Item, str], bool]]]] = {
    "state": (
        ("opened", "done", "verified", "closed", "reopened"),
        lambda item, wanted: item["state"] == wanted,
    ),
    "province": (("IR-07", "IR-09", "IR-01"), lambda item, wanted: item["province"] == wanted),
    "deputy": (("civil", "social"), lambda item, wanted: item["deputy"] == wanted),
    "overdue": (("true", "false"), lambda item, wanted: item["overdue"] == (wanted == "true")),
    "level": (("0", "۰", "1"), lambda item, wanted: item["level"] == int(wanted)),
    "executing_body": (
        ("شركت آب و فاضلاب", "شرکت گاز 2"),
        lambda item, wanted: (
            item["executing_body"] in (BODIES[2:3] if "2" in wanted else BODIES[:2])
        ),
    ),
}
SPANS: Final[Mapping[str, Callable[[Item, str], bool]]] = {
    "due_from": lambda item, day: item["due_on"] >= day,
    "due_to": lambda item, day: item["due_on"] <= day,
}


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 20),
    count=st.integers(0, 25),
    sort=st.sampled_from([*SORTS, *(f"-{sort}" for sort in SORTS)]),
    limit=st.integers(1, 9),
    wanted=st.dictionaries(st.sampled_from(sorted(FILTERS)), st.integers(1, 3), max_size=2),
    days=st.dictionaries(st.sampled_from(sorted(SPANS)), st.integers(1, 15), max_size=2),
)
def test_any_walk_gives_each_item_once_in_order(
    seed: int, count: int, sort: str, limit: int, wanted: dict[str, int], days: dict[str, int]
) -> None:
    filters: dict[str, Any] = {n: FILTERS[n][0][:number] for n, number in wanted.items()}
    if {"due_from", "due_to"} <= days.keys() and days["due_from"] > days["due_to"]:
        days = {"due_from": days["due_to"], "due_to": days["due_from"]}
    spans = {name: f"2024-01-{day:02}" for name, day in days.items()}

    async def walked() -> None:
        async with open_both(lives(count, seed)) as client:
            everything = await walk(client, "/followups", limit=500)
            found = await walk(client, "/followups", sort=sort, limit=limit, **filters, **spans)
        expected = [
            item
            for item in everything
            if all(any(FILTERS[n][1](item, v) for v in values) for n, values in filters.items())
            and all(SPANS[name](item, day) for name, day in spans.items())
        ]
        assert len(everything) == count
        assert found == in_order(expected, sort, "followup_id")

    asyncio.run(walked())


@pytest.mark.parametrize("sort", SORTS)
async def test_what_stays_comes_once_whatever_changes_during_a_walk(sort: str) -> None:
    async with open_both(lives(12)) as client:
        asked: dict[str, Any] = {"sort": sort, "limit": 5}
        first = (await client.http.get("/v1/followups", params=asked)).json()
        store = followups_service("civil", "social").contexts["civil"].store
        moved = (await store.page(ListQuery({}, None, 1)))[0]
        resolution = replace(moved.resolution, due_on=date(2023, 1, 1), number="0")
        after = replace(
            moved, version=2, changed_at=NOW + timedelta(days=40), resolution=resolution
        )
        await store.save([Change(moved, after, (), None)], CommitContext("request", "d.karimi"))
        rest = await walk(client, "/followups", first["next_cursor"], **asked)
    ids = [item["followup_id"] for item in [*first["items"], *rest]]
    ids = [id_ for id_ in ids if id_ != moved.followup_id]
    assert len(ids) == len(set(ids)) == 11


async def test_lateness_is_that_of_the_day_on_which_a_walk_began() -> None:
    async with open_both(lives(25)) as client:
        one = await walk(client, "/followups", sort="-days_overdue", limit=500)
        first = await client.http.get("/v1/followups", params={"sort": "-days_overdue", "limit": 7})
        followups_service("civil", "social").clock.instant = NOON + timedelta(days=3)
        rest = await client.http.get(
            "/v1/followups",
            params={"sort": "-days_overdue", "cursor": first.json()["next_cursor"]},
        )
    ids = [i["followup_id"] for i in [*first.json()["items"], *rest.json()["items"]]]
    assert ids == [item["followup_id"] for item in one]


async def test_a_deputy_who_is_away_is_named_and_the_rest_stays_in_order() -> None:
    async with open_both(lives(20), away=["social"]) as client:
        answer = await client.http.get("/v1/followups", params={"sort": "-due_on"})
    page = answer.json()
    assert page["partial"] == ["social"]
    assert page["items"] == in_order(page["items"], "-due_on", "followup_id")
    assert len(page["items"]) == 10


LISTS: Final[list[tuple[str, str, str, tuple[str, ...]]]] = [
    ("scheduler", "/seasons", "season", ()),
    ("scheduler", "/sessions", "session_id", ("starts_at", "changed_at")),
    (
        "scheduler", "/resolutions", "resolution_id",
        ("due_on", "approved_at", "changed_at", "number"),
    ),
    ("reports", "/circulars", "circular_id", ()),
    ("reports", "/reports", "session_id", ("due_at", "submitted_at")),
    ("reports", "/expectations", "session_id", ("due_at", "starts_at", "changed_at")),
    ("followups", "/followups", "followup_id", SORTS[1:]),
    ("notify", "/notices", "notice_id", ("created_at", "changed_at")),
]  # fmt: skip


def lists_of(service: str) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(path, id_, sorts) for of, path, id_, sorts in LISTS if of == service]


@pytest.mark.parametrize("service", IN_MEMORY)
async def test_every_list_is_walked_by_each_of_its_sorts(service: str) -> None:
    async with IN_MEMORY[service]() as client:
        for path, id_, sorts in lists_of(service):
            everything = await client.items(path)
            for field in (id_, *sorts):
                for sort in (field, f"-{field}"):
                    found = await walk(client, path, sort=sort, limit=1 + len(everything) // 4)
                    assert found == in_order(everything, sort, id_), (path, sort)


@pytest.mark.parametrize("service", IN_MEMORY)
async def test_what_a_list_does_not_know_is_refused_by_name(service: str) -> None:
    async with IN_MEMORY[service]() as client:
        for path, id_, _sorts in lists_of(service):
            for query, field in (
                (f"sort={id_},{id_}", "sort"),
                ("sort=", "sort"),
                ("sort=-", "sort"),
                ("sort=colour", "sort"),
                (f"sort={id_}&sort={id_}", "sort"),
                ("limit=5&limit=6", "limit"),
                ("limit=", "limit"),
                ("limit=%2B", "limit"),
                ("limit=۵۰۱", "limit"),
                ("cursor=a&cursor=b", "cursor"),
                ("cursor=", "cursor"),
                (f"{id_}=", id_),
                (f"{id_}=%20", id_),
                (f"{id_}=a&{id_}=", id_),
                ("&".join(f"{id_}={number}" for number in range(101)), id_),
            ):
                answer = await client.http.get(f"/v1{path}?{query}")
                assert answer.status_code == 422, (query, answer.text)
                assert [error["field"] for error in answer.json()["errors"]] == [field], query


@pytest.mark.parametrize("service", IN_MEMORY)
async def test_an_id_that_is_given_several_times_is_any_of_them(service: str) -> None:
    async with IN_MEMORY[service]() as client:
        for path, id_, _sorts in lists_of(service):
            some = await client.items(path, limit="۳۰")
            ids = [item[id_] for item in some]
            assert await client.items(path, **{id_: [*ids, "nobody", *ids]}) == some


async def test_a_cursor_is_good_for_its_list_and_its_sort_alone() -> None:
    cursors: dict[tuple[str, str], str] = {}
    async with AsyncExitStack() as stack:
        clients = {s: await stack.enter_async_context(IN_MEMORY[s]()) for s in IN_MEMORY}
        for service, path, id_, sorts in LISTS:
            for sort in (id_, *sorts[:2], *(f"-{sort}" for sort in sorts[:1])):
                asked = {"sort": sort, "limit": "1"}
                answer = await clients[service].http.get(f"/v1{path}", params=asked)
                if answer.json()["next_cursor"] is not None:
                    cursors[path, sort] = answer.json()["next_cursor"]
        assert len(cursors) > 10
        for service, path, id_, _sorts in LISTS:
            for (of, sort), cursor in cursors.items():
                http = clients[service].http
                answer = await http.get(f"/v1{path}", params={"cursor": cursor})
                if (of, sort) == (path, id_):
                    assert answer.status_code == 200
                    continue
                assert answer.status_code == 422, (path, of, sort)
                (error,) = answer.json()["errors"]
                assert error["field"] == "cursor"
                assert (sort in error["detail"]) == (of == path)


@pytest.mark.parametrize(
    "keys",
    [
        ["followups", "due_on", "0001-01-01", "x", None],
        ["followups", "due_on", "2024-01-01", 7, None],
        ["followups", "due_on", None, "x", None],
        ["followups", "changed_at", "0001-01-01T00:00:00+14:00", "x", None],
        ["followups", "changed_at", "2024-01-01T00:00:00", "x", None],
        ["followups", "days_overdue", -1, "x", "2024-01-01"],
        ["followups", "days_overdue", 10**9, "x", "2024-01-01"],
        ["followups", "days_overdue", 1, "x", "9999-12-31"],
        ["followups", "number", {"$gt": ""}, "x", None],
    ],
)
async def test_a_cursor_that_somebody_made_up_is_refused(keys: list[Any]) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps(keys).encode()).rstrip(b"=").decode()
    async with open_followups() as client:
        asked = {"sort": keys[1], "cursor": cursor}
        answer = await client.http.get("/v1/followups", params=asked)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["cursor"]


async def test_scorecards_and_samples_of_several_deputies_are_those_of_each() -> None:
    async with open_both(lives(30)) as client:
        both = {"deputy": ["civil", "social"]}
        of_both = (await client.http.get("/v1/scorecards", params=both)).json()
        assert of_both == (await client.http.get("/v1/scorecards")).json()
        states: dict[str, Any] = {"seed": "x", "state": ["opened", "done"], "size": 500}
        sample = (await client.http.get("/v1/inspections", params=states)).json()
        assert {item["state"] for item in sample["items"]} == {"opened", "done"}
        listed = await client.items("/followups", state=["opened", "done"])
        assert sample["population"] == len(listed)
