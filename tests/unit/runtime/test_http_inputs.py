"""Texts, days and instants in bodies, parameters and addresses: the same reply for all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI, Query

from shared.contracts.events.base import Day, Id, Instant, Name, Text, Title
from shared.runtime import problems
from shared.runtime.http import NewId, RequestBody


class Part(RequestBody):
    owner: Name


class Body(RequestBody):
    due_on: Day
    at: Instant | None = None
    title: Title = "پل"
    note: Text | None = None
    id: NewId = "R-1"
    parts: tuple[Part, ...] = ()


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)

    @app.post("/v1/things")
    async def post(body: Body) -> dict[str, Any]:
        return body.model_dump(mode="json")

    @app.get("/v1/things/{thing}")
    async def get(
        thing: Id,
        as_of: Annotated[Day | None, Query()] = None,
        since: Annotated[Instant | None, Query()] = None,
    ) -> dict[str, str]:
        return {"thing": thing, "as_of": str(as_of), "since": str(since)}

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://peygir") as client:
        yield client


async def refused(answer: httpx.Response) -> dict[str, str]:
    """The message for each field."""
    assert answer.status_code == 422, answer.text
    return {error["field"]: error["detail"] for error in answer.json()["errors"]}


@pytest.mark.parametrize(
    "value", [1803686400, 0, -1, 20_000, 1.5, True, False, [], {}, ["2024-03-11"], None]
)
async def test_nothing_but_text_is_a_day(client: httpx.AsyncClient, value: Any) -> None:
    errors = await refused(await client.post("/v1/things", json={"due_on": value}))
    assert errors == {"due_on": "must be a day, such as 2024-03-11"}


@pytest.mark.parametrize("value", [1803686400, 1803686400.5, True, [], {}])
async def test_nothing_but_text_is_an_instant(client: httpx.AsyncClient, value: Any) -> None:
    body = {"due_on": "2024-03-11", "at": value}
    errors = await refused(await client.post("/v1/things", json=body))
    assert errors["at"].startswith("must be an RFC 3339 time")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("1803686400", "must be a day, such as 2024-03-11"),
        ("1405-10-30", "1405-10-30 is a Jalali day; it would be 2027-01-20"),
        ("۱۴۰۵/۱۰/۳۰", "۱۴۰۵/۱۰/۳۰ is a Jalali day; it would be 2027-01-20"),
        ("١٤٠٥/١٠/٣٠", "١٤٠٥/١٠/٣٠ is a Jalali day; it would be 2027-01-20"),
        ("1404-12-30", "1404-12-30 is no day of the Jalali calendar: Esfand 1404 has 29 days"),
        ("۲۰۲۷/۰۱/۲۰", "۲۰۲۷/۰۱/۲۰ has to be written as 2027-01-20"),
        ("2027-01-20T00:00:00Z", "must be a day, such as 2024-03-11"),
    ],
)
async def test_a_body_and_a_parameter_are_answered_alike(
    client: httpx.AsyncClient, text: str, answer: str
) -> None:
    body = await client.post("/v1/things", json={"due_on": text})
    assert await refused(body) == {"due_on": answer}
    parameter = await client.get("/v1/things/a", params={"as_of": text})
    assert await refused(parameter) == {"as_of": answer}


async def test_an_instant_is_answered_alike_too(client: httpx.AsyncClient) -> None:
    text = "۱۴۰۵/۱۰/۳۰ ۰۹:۰۰"
    answer = f"{text} is of the Jalali calendar; it would be 2027-01-20T09:00:00+03:30"
    body = await client.post("/v1/things", json={"due_on": "2027-01-20", "at": text})
    assert await refused(body) == {"at": answer}
    parameter = await client.get("/v1/things/a", params={"since": text})
    assert await refused(parameter) == {"since": answer}


async def test_valid_values_are_accepted(client: httpx.AsyncClient) -> None:
    answer = await client.get(
        "/v1/things/م-۱", params={"as_of": "2027-01-20", "since": "2027-01-20T09:00:00+03:30"}
    )
    assert answer.json() == {
        "thing": "م-۱",
        "as_of": "2027-01-20",
        "since": "2027-01-20 05:30:00+00:00",
    }


async def test_texts_are_cleaned_and_have_to_show_something(client: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {
        "due_on": "2027-01-20",
        "title": "\ufeff تكميل\n پل\u202e",
        "note": "الف\r\n\x0bب",
    }
    taken = (await client.post("/v1/things", json=body)).json()
    assert (taken["title"], taken["note"]) == ("تكميل پل", "الف\n\nب")
    for nothing in ("\u200b\u200c", "\u3164", "\u0301", "\x1c", "\U000e0041", "\ue000", "\u2800"):
        body |= {"title": nothing, "parts": [{"owner": nothing}]}
        errors = await refused(await client.post("/v1/things", json=body))
        assert errors == {"title": "must not be blank", "parts.0.owner": "must not be blank"}


@pytest.mark.parametrize("id_", ["a\u200b", "\u202ea", "a\u3164", "a\x7f", "\ufeffa"])
async def test_an_id_with_invisible_characters_is_refused(
    client: httpx.AsyncClient, id_: str
) -> None:
    body = await client.post("/v1/things", json={"due_on": "2027-01-20", "id": id_})
    assert "which nobody sees" in (await refused(body))["id"]
    assert (
        "which nobody sees"
        in (await refused(await client.get(f"/v1/things/{quote(id_)}")))["thing"]
    )
