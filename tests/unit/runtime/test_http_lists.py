"""Pages and cursors."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, date, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AwareDatetime

from shared.runtime.http import SortKeys
from shared.runtime.problems import Problem
from tests.unit.runtime.api import BY_DUE, build, calling

MOMENTS = SortKeys(AwareDatetime, int, str | None)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with calling(build()) as client:
        yield client


def encoded(keys: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).rstrip(b"=").decode()


async def test_a_list_returns_a_page(client: httpx.AsyncClient) -> None:
    page = (await client.get("/v1/things")).json()
    assert page.keys() == {"items", "next_cursor"}
    assert page["items"] == ["None 100 None"]


async def test_a_cursor_is_read_as_it_was_written(client: httpx.AsyncClient) -> None:
    cursor = (await client.get("/v1/things")).json()["next_cursor"]
    page = (await client.get("/v1/things", params={"cursor": cursor})).json()
    assert page["items"] == [f"None 100 {(date(2024, 3, 11), 'الف/۱')}"]


@pytest.mark.parametrize("limit", ["0", "-1", "501", "x", "1.5", ""])
async def test_a_limit_out_of_bounds_is_refused(client: httpx.AsyncClient, limit: str) -> None:
    answer = await client.get("/v1/things", params={"limit": limit})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "limit"


@pytest.mark.parametrize("limit", [1, 500])
async def test_limits_within_bounds(client: httpx.AsyncClient, limit: int) -> None:
    assert (await client.get("/v1/things", params={"limit": limit})).status_code == 200


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "abc!",
        "الف",
        "AAAA",
        "a",
        encoded([]),
        encoded(["2024-03-11"]),
        encoded(["2024-03-11", "a", "b"]),
        encoded(["yesterday", "a"]),
        encoded(["2024-03-11", 7]),
        encoded(["2024-03-11", None]),
        encoded(["2024-03-11", {"$gt": ""}]),
        encoded({"0": "2024-03-11", "1": "a"}),
        base64.urlsafe_b64encode(b'["2024-03-11", "\xff"]').decode(),
        "A" * 2_001,
    ],
)
async def test_the_refusal_of_an_invalid_cursor_names_the_parameter(
    client: httpx.AsyncClient, cursor: str
) -> None:
    answer = await client.get("/v1/things", params={"cursor": cursor})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["cursor"]


@given(st.dates(), st.text(st.characters(exclude_categories=["Cs"])))
def test_every_key_survives(day: date, text: str) -> None:
    cursor = BY_DUE.write(day, text)
    assert BY_DUE.read(cursor) == (day, text)
    assert cursor.isascii()
    assert "=" not in cursor


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 2**62), st.none() | st.just("x"))
def test_instants_numbers_and_null_survive(moment: datetime, number: int, text: str) -> None:
    assert MOMENTS.read(MOMENTS.write(moment, number, text)) == (moment, number, text)


@given(st.text())
def test_an_invalid_cursor_raises_only_a_refusal(text: str) -> None:
    with suppress(Problem):
        assert isinstance(BY_DUE.read(text)[0], date)
