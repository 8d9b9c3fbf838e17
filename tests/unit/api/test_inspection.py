"""Drawing over HTTP: of what, by whom, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from services.followups.domain.inspection import SampleDraw
from tests.unit.api.services_in_memory import Counter, open_scorecards


async def drawn(counter: Counter, **parameters: str) -> dict[str, Any]:
    answer = await counter.http.get("/v1/inspections", params={"seed": "قرعه", **parameters})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_verified_ones_are_drawn_in_the_order_of_their_ranks() -> None:
    async with open_scorecards() as counter:
        found = await drawn(counter)
        ids = [item["followup_id"] for item in found["items"]]
        drawing = SampleDraw("قرعه", 20)
        drawing.look_at(ids)
        assert (ids, found["digest"]) == (drawing.drawn, drawing.digest)
        assert {item["state"] for item in found["items"]} == {"verified"}
        assert (found["population"], found["size"], found["seed"]) == (2, 20, "قرعه")
        assert (found["drawn_at"], found["partial"]) == ("2024-02-01T20:29:00Z", [])
        assert [i["followup_id"] for i in (await drawn(counter, size="1"))["items"]] == ids[:1]


@pytest.mark.parametrize("seed", ["قرعه", "b", "c", "d"])
async def test_each_seed_has_its_own_order(seed: str) -> None:
    async with open_scorecards() as counter:
        found = await drawn(counter, state="opened", seed=seed)
        ids = [item["followup_id"] for item in found["items"]]
        drawing = SampleDraw(seed, 20)
        drawing.look_at(sorted(ids))
        assert (len(ids), ids) == (3, drawing.drawn)


@pytest.mark.parametrize(
    ("narrow", "population"),
    [
        ({"province": "IR-09"}, 1),
        ({"deputy": "crisis"}, 0),
        ({"state": "opened"}, 3),
        ({"axis": "nothing"}, 0),
        ({"session_id": "1402-IR-09"}, 1),
        ({"session_id": "1402-IR-10"}, 0),
    ],
)
async def test_the_population_is_narrowed_down(narrow: dict[str, str], population: int) -> None:
    async with open_scorecards() as counter:
        found = await drawn(counter, **narrow)
        assert (found["population"], len(found["items"])) == (population, population)


async def test_whose_database_does_not_answer_takes_no_part_and_is_named() -> None:
    async with open_scorecards(away=["civil"]) as counter:
        found = await drawn(counter)
        assert (found["population"], found["partial"], found["items"]) == (0, ["civil"], [])


async def test_whose_database_goes_away_meanwhile_is_named_too() -> None:
    async with open_scorecards(leaving=["civil"]) as counter:
        found = await drawn(counter)
        assert (found["population"], found["partial"], found["items"]) == (2, ["civil"], [])


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"seed": ""}, "seed"),
        ({"seed": "x" * 101}, "seed"),
        ({"size": "0"}, "size"),
        ({"size": "501"}, "size"),
        ({"state": "lost"}, "state"),
        ({"deputy": "nobody"}, "deputy"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_bad_questions_are_refused_by_name(wrong: dict[str, str], field: str) -> None:
    async with open_scorecards() as counter:
        answer = await counter.http.get("/v1/inspections", params={"seed": "x", **wrong})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        missing = await counter.http.get("/v1/inspections")
        assert (missing.status_code, missing.json()["errors"][0]["field"]) == (422, "seed")
