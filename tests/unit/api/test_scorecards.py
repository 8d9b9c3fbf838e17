"""Scorecards over HTTP: what they say, of which day, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.api.offices import BRIDGES, Counter, open_scorecards

PATHS = ["/v1/scorecards"]


async def ask(counter: Counter, **parameters: str) -> dict[str, Any]:
    answer = await counter.http.get("/v1/scorecards", params=parameters)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def by_id(found: dict[str, Any]) -> dict[str | None, dict[str, Any]]:
    """The cards with something on them."""
    return {item["id"]: item for item in found["items"] if item["total"]}


async def test_a_card_says_how_a_deputy_stands() -> None:
    async with open_scorecards() as counter:
        found = await ask(counter)
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


async def test_the_cards_of_each_kind_add_up_to_the_same_whole() -> None:
    async with open_scorecards() as counter:
        whole = (await ask(counter))["total"]
        for by in ("province", "axis", "gathering", "season"):
            found = await ask(counter, by=by)
            assert found["total"] == whole
            assert sum(item["total"] for item in found["items"]) == whole["total"]
        provinces = by_id(await ask(counter, by="province"))
        assert {id_: item["total"] for id_, item in provinces.items()} == {
            "IR-09": 3,
            "IR-07": 1,
            None: 1,
        }
        assert provinces["IR-07"]["title_fa"] == "فارس"
        assert set(by_id(await ask(counter, by="season"))) == {"1402"}


async def test_one_deputy_alone() -> None:
    async with open_scorecards() as counter:
        crisis = await ask(counter, deputy="crisis", by="axis")
        assert crisis["total"]["total"] == 1
        assert set(by_id(crisis)) == {"crisis"}


async def test_a_past_day_is_as_it_stood_at_its_end_in_tehran() -> None:
    async with open_scorecards() as counter:
        stood = {
            "1970-01-01": (0, 0, 0),
            "2023-10-15": (0, 0, 0),
            "2023-10-16": (5, 5, 0),
            "2024-01-14": (5, 5, 0),
            "2024-01-15": (5, 4, 1),  # verified at 23:59 in Tehran
            "2024-01-16": (5, 3, 2),  # and the other at 00:00 of the next day
            "2024-02-01": (5, 3, 2),
        }
        for day, (total, open_, verified) in stood.items():
            found = await ask(counter, as_of=day)
            card = found["total"]
            assert found["as_of"] == day
            assert (card["total"], card["open"], card["verified"]) == (total, open_, verified)
        first = await ask(counter, as_of="2023-10-16")
        assert first["total"]["median_age_days"] == 0
        assert await ask(counter, as_of="2024-02-01") == await ask(counter)


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
    async with open_scorecards() as counter:
        answer = await counter.http.get(path, params={field: value})
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_deputy_whose_database_does_not_answer_is_named_and_left_out() -> None:
    async with open_scorecards(away=("crisis",)) as counter:
        found = await ask(counter)
        assert found["partial"] == ["crisis"]
        assert [item["id"] for item in found["items"]] == ["civil"]
        assert found["total"]["total"] == len(BRIDGES)
    async with open_scorecards(away=("crisis", "civil")) as counter:
        answer = await counter.http.get("/v1/scorecards")
        assert answer.status_code == 503
