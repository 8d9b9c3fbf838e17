"""Samples for inspection over HTTP: which population, which order, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from services.followups.domain.inspection import SampleDraw
from tests.unit.api.services_in_memory import ApiClient, open_scorecards


async def drawn(client: ApiClient, **parameters: str) -> dict[str, Any]:
    answer = await client.http.get("/v1/inspections", params={"seed": "قرعه", **parameters})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_verified_follow_ups_are_drawn_in_the_order_of_their_ranks() -> None:
    async with open_scorecards() as client:
        found = await drawn(client)
        ids = [item["followup_id"] for item in found["items"]]
        draw = SampleDraw("قرعه", 20)
        draw.look_at(ids)
        assert (ids, found["digest"]) == (draw.drawn, draw.digest)
        assert {item["state"] for item in found["items"]} == {"verified"}
        assert (found["population"], found["size"], found["seed"]) == (2, 20, "قرعه")
        assert (found["drawn_at"], found["partial"]) == ("2024-02-01T20:29:00Z", [])
        assert [i["followup_id"] for i in (await drawn(client, size="1"))["items"]] == ids[:1]


@pytest.mark.parametrize("seed", ["قرعه", "b", "c", "d"])
async def test_each_seed_has_its_own_order(seed: str) -> None:
    async with open_scorecards() as client:
        found = await drawn(client, state="opened", seed=seed)
        ids = [item["followup_id"] for item in found["items"]]
        draw = SampleDraw(seed, 20)
        draw.look_at(sorted(ids))
        assert (len(ids), ids) == (3, draw.drawn)


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
    async with open_scorecards() as client:
        found = await drawn(client, **narrow)
        assert (found["population"], len(found["items"])) == (population, population)


async def test_a_deputy_whose_database_does_not_answer_takes_no_part_and_is_named() -> None:
    async with open_scorecards(away=["civil"]) as client:
        found = await drawn(client)
        assert (found["population"], found["partial"], found["items"]) == (0, ["civil"], [])


async def test_a_deputy_whose_database_stops_answering_meanwhile_is_named_too() -> None:
    async with open_scorecards(vanishing=["civil"]) as client:
        found = await drawn(client)
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
async def test_bad_parameters_are_refused_by_name(wrong: dict[str, str], field: str) -> None:
    async with open_scorecards() as client:
        answer = await client.http.get("/v1/inspections", params={"seed": "x", **wrong})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        missing = await client.http.get("/v1/inspections")
        assert (missing.status_code, missing.json()["errors"][0]["field"]) == (422, "seed")
