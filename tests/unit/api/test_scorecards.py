"""Scorecards over HTTP: their numbers, their day, and what is refused by name."""

from __future__ import annotations

import csv
import io
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from python_calamine import CalamineWorkbook

from shared.text import persian_digits
from tests.unit.api.services_in_memory import BRIDGES, ApiClient, open_scorecards

PATHS = [f"/v1/scorecards{suffix}" for suffix in ("", ".csv", ".xlsx", ".svg")]


async def scorecards(client: ApiClient, **parameters: str) -> dict[str, Any]:
    answer = await client.http.get("/v1/scorecards", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def by_id(found: dict[str, Any]) -> dict[str | None, dict[str, Any]]:
    """The scorecards that are not empty."""
    return {item["id"]: item for item in found["items"] if item["total"]}


async def test_a_scorecard_counts_the_follow_ups_of_a_deputy() -> None:
    async with open_scorecards() as client:
        found = await scorecards(client)
        assert (found["by"], found["as_of"], found["partial"]) == ("deputy", "2024-02-01", [])
        assert [item["id"] for item in found["items"]] == ["civil", "crisis"]
        assert found["items"][0] == {
            "id": "civil",
            "title_fa": "معاونت عمرانی",
            "title_en": "Civil",
            "total": 4,
            "open": 2,
            "in_time": 1,
            "overdue": 1,
            "overdue_by_level": {"level_1": 0, "level_2": 1, "level_3": 0},
            "ended": 2,
            "verified": 2,
            "verified_share": 0.5,
            "on_time": 1,
            "on_time_share": 0.5,
            "median_age_days": 108.0,
            "extensions": 1,
        }
        crisis, total = found["items"][1], found["total"]
        assert (crisis["verified_share"], crisis["on_time_share"]) == (0.0, None)
        assert (total["total"], total["verified_share"]) == (5, 0.4)
        assert set(total) == set(crisis) - {"id", "title_fa", "title_en"}


async def test_the_scorecards_of_each_kind_add_up_to_the_same_total() -> None:
    async with open_scorecards() as client:
        whole = (await scorecards(client))["total"]
        for by in ("province", "axis", "gathering", "season"):
            found = await scorecards(client, by=by)
            assert found["total"] == whole
            assert sum(item["total"] for item in found["items"]) == whole["total"]
        provinces = by_id(await scorecards(client, by="province"))
        assert {id_: item["total"] for id_, item in provinces.items()} == {
            "IR-09": 3,
            "IR-07": 1,
            None: 1,
        }
        assert provinces["IR-07"]["title_fa"] == "فارس"
        assert set(by_id(await scorecards(client, by="season"))) == {"1402"}


async def test_one_deputy_alone() -> None:
    async with open_scorecards() as client:
        crisis = await scorecards(client, deputy="crisis", by="axis")
        assert crisis["total"]["total"] == 1
        assert set(by_id(crisis)) == {"crisis"}


async def test_a_past_day_is_shown_as_of_its_end_in_tehran() -> None:
    async with open_scorecards() as client:
        expected = {
            "1970-01-01": (0, 0, 0),
            "2023-10-15": (0, 0, 0),
            "2023-10-16": (5, 5, 0),
            "2024-01-14": (5, 5, 0),
            "2024-01-15": (5, 4, 1),  # verified at 23:59 in Tehran
            "2024-01-16": (5, 3, 2),  # and the other at 00:00 of the next day
            "2024-02-01": (5, 3, 2),
        }
        for day, (total, open_, verified) in expected.items():
            found = await scorecards(client, as_of=day)
            card = found["total"]
            assert found["as_of"] == day
            assert (card["total"], card["open"], card["verified"]) == (total, open_, verified)
        first = await scorecards(client, as_of="2023-10-16")
        assert first["total"]["median_age_days"] == 0
        assert await scorecards(client, as_of="2024-02-01") == await scorecards(client)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("as_of", "2024-02-02"),  # tomorrow
        ("as_of", "1709251200"),
        ("as_of", "2024-02-30"),
        ("as_of", "1402-11-12"),  # Jalali
        ("as_of", "۲۰۲۴-۰۱-۰۱"),
        ("as_of", ""),
        ("by", "session"),
        ("deputy", "nobody"),
        ("province", "IR-07"),
    ],
)
async def test_what_cannot_be_answered_is_refused_by_name(
    path: str, field: str, value: str
) -> None:
    async with open_scorecards() as client:
        answer = await client.http.get(path, params={field: value})
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_deputy_whose_database_does_not_answer_is_named_and_left_out() -> None:
    async with open_scorecards(away=("crisis",)) as client:
        found = await scorecards(client)
        assert found["partial"] == ["crisis"]
        assert [item["id"] for item in found["items"]] == ["civil"]
        assert found["total"]["total"] == len(BRIDGES)
    async with open_scorecards(away=("crisis", "civil")) as client:
        answer = await client.http.get("/v1/scorecards")
        assert answer.status_code == 503


FIELDS = [
    *("total", "open", "in_time", "overdue", "level_1", "level_2", "level_3", "ended", "verified"),
    *("verified_share", "on_time", "on_time_share", "median_age_days", "extensions"),
]


@pytest.mark.parametrize("by", ["deputy", "province", "axis", "gathering", "season"])
@pytest.mark.parametrize("as_of", [None, "2024-01-15", "2023-10-15"])
async def test_all_formats_agree(by: str, as_of: str | None) -> None:
    parameters = {"by": by} if as_of is None else {"by": by, "as_of": as_of}
    async with open_scorecards() as client:
        found = await scorecards(client, **parameters)
        files = {
            suffix: await client.http.get(f"/v1/scorecards.{suffix}", params=parameters)
            for suffix in ("csv", "xlsx", "svg")
        }
    cards = [*found["items"], {**found["total"], "title_fa": "جمع", "id": None}]
    expected = [_line(card) for card in cards]
    text = files["csv"].content.decode("utf-8-sig")
    _head, *lines = csv.reader(io.StringIO(text, newline=""))
    assert [[*line[:2], *map(_number, line[2:])] for line in lines] == expected
    book = CalamineWorkbook.from_filelike(io.BytesIO(files["xlsx"].content))
    rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False)[3:]
    assert [[*row[:2], *map(_number, row[2:])] for row in rows] == expected
    svg = ET.fromstring(files["svg"].content)
    titles = [bar.findtext("{*}title") or "" for bar in svg.findall("{*}g")]
    assert len(titles) == len(found["items"])
    for title, card in zip(titles, found["items"], strict=True):
        assert title.startswith(f"{card['title_fa']}: کل {persian_digits(card['total'])}؛")
        assert f"باز در مهلت {persian_digits(card['in_time'])}، " in title
    for suffix, kind, how in (
        ("csv", "text/csv; charset=utf-8", "attachment"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "attachment"),
        ("svg", "image/svg+xml", "inline"),
    ):
        headers = files[suffix].headers
        assert headers["content-type"] == kind
        name = f"scorecards-{by}-{found['as_of']}.{suffix}"
        assert headers["content-disposition"] == f'{how}; filename="{name}"'


def _line(card: dict[str, Any]) -> list[object]:
    flat = {**card, **card["overdue_by_level"]}
    return [card["title_fa"], card["id"] or "", *(flat[name] for name in FIELDS)]


def _number(cell: object) -> float | None:
    return None if cell == "" else float(str(cell))


async def test_a_file_names_the_deputies_that_it_leaves_out() -> None:
    async with open_scorecards(away=("crisis",)) as client:
        content = (await client.http.get("/v1/scorecards.csv")).content.decode("utf-8-sig")
        assert content.splitlines()[-1].endswith("سازمان مدیریت بحران")
