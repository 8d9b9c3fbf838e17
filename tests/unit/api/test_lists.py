"""Every list under /v1 can be filtered by the names of its fields, above all by its id."""

from __future__ import annotations

import pytest

from tests.unit.api.services_in_memory import IN_MEMORY, open_reports, open_scheduler

LISTS = [
    ("scheduler", "/seasons", "season"),
    ("scheduler", "/sessions", "session_id"),
    ("scheduler", "/resolutions", "resolution_id"),
    ("reports", "/circulars", "circular_id"),
    ("reports", "/reports", "report_id"),
    ("reports", "/expectations", "session_id"),
    ("followups", "/followups", "followup_id"),
    ("followups", "/followups", "resolution_id"),
    ("notify", "/notices", "notice_id"),
]


@pytest.mark.parametrize(("service", "path", "key"), LISTS)
async def test_a_list_is_filtered_by_an_id(service: str, path: str, key: str) -> None:
    async with IN_MEMORY[service]() as client:
        items = await client.items(path)
        assert items
        for item in items:
            assert await client.items(path, **{key: item[key]}) == [item]
        assert await client.items(path, **{key: "nobody"}) == []


@pytest.mark.parametrize(
    ("service", "path", "key", "other"),
    [
        ("scheduler", "/sessions", "session_id", {"kind": "visit", "province": "IR-07"}),
        ("scheduler", "/resolutions", "resolution_id", {"deputy": "civil", "state": "approved"}),
        ("reports", "/reports", "report_id", {"late": "false", "province": "IR-09"}),
        ("followups", "/followups", "followup_id", {"state": "opened", "level": "0"}),
        ("followups", "/followups", "followup_id", {"deputy": "civil"}),
        ("notify", "/notices", "notice_id", {"state": "pending", "subject": "1402-IR-09"}),
    ],
)
async def test_an_id_beside_other_fields_has_to_fit_them_too(
    service: str, path: str, key: str, other: dict[str, str]
) -> None:
    unfit = {"late": "true", "province": "IR-01", "state": None, "level": "3", "kind": "nationwide"}
    async with IN_MEMORY[service]() as client:
        item = next(i for i in await client.items(path) if i.get("kind", "visit") == "visit")
        chosen = {key: item[key]}
        assert await client.items(path, **chosen, **other) == [item]
        for name in other:
            if (value := unfit.get(name)) is not None:
                assert await client.items(path, **chosen, **{**other, name: value}) == []


@pytest.mark.parametrize(("service", "path", "key"), LISTS)
async def test_what_a_cursor_has_passed_does_not_come_again(
    service: str, path: str, key: str
) -> None:
    async with IN_MEMORY[service]() as client:
        answer = await client.http.get(f"/v1{path}", params={"limit": 1})
        seen, cursor = answer.json()["items"], answer.json()["next_cursor"]
        left = [item for item in await client.items(path) if item not in seen]
        for item in seen:
            assert (
                cursor is None or await client.items(path, cursor=cursor, **{key: item[key]}) == []
            )
        for item in left:
            assert await client.items(path, cursor=cursor, **{key: item[key]}) == [item]


async def test_sessions_are_filtered_by_the_name_of_their_field_and_by_its_short_form() -> None:
    async with open_scheduler() as client:
        visits = [s for s in await client.items("/sessions") if s["kind"] == "visit"]
        for name in ("provinces", "province"):
            assert await client.items("/sessions", kind="visit", **{name: "IR-07"}) == visits
            assert await client.items("/sessions", kind="visit", **{name: "IR-01"}) == []
        both = {"kind": "visit", "provinces": "IR-09", "province": "IR-09"}
        assert await client.items("/sessions", **both) == visits
        answer = await client.http.get("/v1/sessions", params={**both, "province": "IR-07"})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["province"]


async def test_what_is_expected_for_one_session_is_at_its_id() -> None:
    async with open_reports() as client:
        for item in await client.items("/expectations"):
            answer = await client.http.get(f"/v1/expectations/{item['session_id']}")
            assert (answer.status_code, answer.json()) == (200, item)
        answer = await client.http.get("/v1/expectations/nobody")
        assert answer.status_code == 404
        assert answer.json()["type"] == "urn:peygir:problem:not-found"
