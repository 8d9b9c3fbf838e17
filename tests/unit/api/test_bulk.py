"""Spreadsheets over HTTP, over a store in memory: downloaded, filled in, and sent back."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet

from services.followups.adapters.persian import CATALOGUE
from services.followups.domain.bulk import Column
from shared.runtime.persian import Persian
from tests.unit.api.services_in_memory import SHEET_LIMIT, ApiClient, open_followups
from tests.unit.api.test_followups_steps import CIVIL, COORDINATION
from tests.unit.followups.sheets import PLACES, Edits, changed, filled_in, opened

SOCIAL = {"X-Peygir-User": "d.sadeghi", "X-Peygir-Roles": "deputy:social"}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def sheet(client: ApiClient, **filters: Any) -> bytes:
    answer = await client.http.get("/v1/followups.xlsx", params=filters, headers=COORDINATION)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == XLSX
    assert "filename*=UTF-8''" in answer.headers["content-disposition"]
    return answer.content


async def send(
    client: ApiClient, content: bytes, who: dict[str, str] = CIVIL, **query: Any
) -> httpx.Response:
    headers = {"Content-Type": XLSX, **who}
    return await client.http.post(
        "/v1/followups/bulk", content=content, params=query, headers=headers
    )


async def accepted(client: ApiClient, content: bytes, **query: Any) -> dict[str, Any]:
    answer = await send(client, content, **query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def counts(answer: dict[str, Any]) -> tuple[int, int, int]:
    return answer["applied"], answer["unchanged"], answer["refused"]


async def acknowledged(client: ApiClient) -> list[dict[str, Any]]:
    """Both follow-ups, acknowledged, in the order of the sheet."""
    for item in await client.items("/followups"):
        await client.post(f"/followups/{item['followup_id']}/acknowledge", {}, **CIVIL)
    return await client.items("/followups")


def types(client: ApiClient, since: int) -> list[str]:
    return [event.type.split(".")[1] for event in client.events()[since:]]


async def test_two_cells_are_two_changes_and_again_nothing_more() -> None:
    async with open_followups() as client:
        first, second = await acknowledged(client)
        published = len(client.events())
        edits: Edits = {(2, Column.PROGRESS): "۷۰", (3, Column.DONE): "بله"}
        content = filled_in(await sheet(client), edits)

        dry = await accepted(client, content)
        assert dry["dry_run"] is True
        assert counts(dry) == (2, 0, 0)
        assert len(client.events()) == published, "a dry run changes nothing"

        answer = await accepted(client, content, dry_run=False)
        assert (answer["dry_run"], answer["mode"], answer["rows"]) == (False, "all", 2)
        assert counts(answer) == (2, 0, 0)
        assert types(client, published) == ["FollowupProgressed", "FollowupCompleted"]
        items = await client.items("/followups")
        assert [(i["progress"], i["state"]) for i in items] == [(70, "in-progress"), (100, "done")]
        assert [i["version"] for i in items] == [first["version"] + 1, second["version"] + 1]

        for mode in ("all", "valid"):
            await send(client, content, dry_run=False, mode=mode)
            assert await client.items("/followups") == items
        again = filled_in(await sheet(client), {})
        assert counts(await accepted(client, again, dry_run=False)) == (0, 2, 0)
        assert await client.items("/followups") == items


async def test_if_the_mode_is_all_one_refused_row_keeps_everything_back() -> None:
    async with open_followups() as client:
        first, _ = await acknowledged(client)
        content = filled_in(
            await sheet(client), {(2, Column.PROGRESS): 70, (3, Column.PROGRESS): 30}
        )
        moved = await client.post(
            f"/followups/{first['followup_id']}/progress", {"progress": 50}, **CIVIL
        )
        assert moved.status_code == 200
        before = await client.items("/followups")
        refused = await send(client, content, dry_run=False)
        assert refused.status_code == 409
        problem = refused.json()
        assert problem["type"] == "urn:peygir:problem:rows-refused"
        (error,) = problem["errors"]
        assert error["field"] == "rows.2.version"
        assert "stale-version" in error["detail"]
        assert "50 %" in error["detail"], "it shows the present progress"
        assert await client.items("/followups") == before

        answer = await accepted(client, content, dry_run=False, mode="valid")
        assert counts(answer) == (1, 0, 1)
        assert [line["outcome"] for line in answer["lines"]] == ["refused", "applied"]
        stale = answer["lines"][0]
        assert (stale["row"], stale["column"], stale["title"], stale["error"]) == (
            *(2, "version", "نسخه", "stale-version"),
        )
        assert [i["progress"] for i in await client.items("/followups")] == [50, 30]


async def test_a_row_that_nobody_filled_in_may_be_old() -> None:
    async with open_followups() as client:
        first, _ = await acknowledged(client)
        content = filled_in(await sheet(client), {(3, Column.PROGRESS): 30})
        await client.post(f"/followups/{first['followup_id']}/progress", {"progress": 50}, **CIVIL)
        assert counts(await accepted(client, content, dry_run=False)) == (1, 1, 0)


async def test_a_row_of_somebody_without_the_right_is_refused() -> None:
    async with open_followups() as client:
        await acknowledged(client)
        published = len(client.events())
        content = filled_in(await sheet(client), {(2, Column.PROGRESS): 70})
        for who in (SOCIAL, COORDINATION):
            refused = await send(client, content, who, dry_run=False)
            assert refused.status_code == 409
            assert [e["field"] for e in refused.json()["errors"]] == ["rows.2.progress"]
            assert "not-allowed" in refused.text
        assert len(client.events()) == published


async def test_a_row_of_an_unknown_follow_up_is_refused() -> None:
    async with open_followups() as client:
        await acknowledged(client)
        edits: Edits = {(2, Column.FOLLOWUP_ID): "nobody", (2, Column.PROGRESS): 70}
        answer = await accepted(client, filled_in(await sheet(client), edits), mode="valid")
        assert [(line["error"], line["column"]) for line in answer["lines"]] == [
            ("unknown-followup", "followup_id")
        ]


@pytest.mark.parametrize(
    ("edits", "fields"),
    [
        ({(2, Column.PROGRESS): 101}, ["rows.2.progress"]),
        ({(2, Column.PROGRESS): "=1+1"}, ["rows.2.progress"]),
        ({(3, Column.NOTE): "#N/A"}, ["rows.3.note"]),
        ({(1, Column.NOTE): "شرح"}, ["rows.1.note", "rows.1"]),
        ({(1, Column.DONE): None}, ["rows.1.done"]),
        ({(2, Column.VERSION): "x", (2, Column.DONE): "no"}, ["rows.2.version", "rows.2.done"]),
    ],
)
@pytest.mark.parametrize("mode", ["all", "valid"])
async def test_what_is_wrong_with_a_sheet_is_named_and_nothing_is_applied(
    mode: str, edits: Edits, fields: list[str]
) -> None:
    async with open_followups() as client:
        await acknowledged(client)
        published = len(client.events())
        content = filled_in(await sheet(client), {(3, Column.PROGRESS): 30, **edits})
        refused = await send(client, content, dry_run=False, mode=mode)
        assert refused.status_code == 422, refused.text
        assert [error["field"] for error in refused.json()["errors"]] == fields
        assert len(client.events()) == published


async def test_what_is_no_sheet_is_refused() -> None:
    async with open_followups() as client:
        for content in (b"", b"{}", b"followup_id;version\n", b"\xd0\xcf\x11\xe0" + bytes(600)):
            refused = await send(client, content, dry_run=False)
            assert refused.status_code == 422
            assert refused.json()["type"] == "urn:peygir:problem:no-sheet"
        assert (await send(client, bytes(SHEET_LIMIT + 1))).status_code == 413
        assert (await send(client, b"{", mode="some")).status_code == 422


async def test_percentages_are_reported_as_they_are_shown() -> None:
    async with open_followups() as client:
        await acknowledged(client)

        def fill(sheet: Worksheet) -> None:
            for row, share in ((2, 1), (3, 0.5)):
                cell = sheet.cell(row, PLACES[Column.PROGRESS])
                cell.value, cell.number_format = share, "0%"

        content = changed(await sheet(client), fill)
        assert counts(await accepted(client, content, dry_run=False)) == (2, 0, 0)
        assert [i["progress"] for i in await client.items("/followups")] == [100, 50]


async def test_a_file_of_another_kind_is_refused_with_advice() -> None:
    async with open_followups() as client:
        refused = await send(client, b"\xd0\xcf\x11\xe0" + bytes(600), dry_run=False)
        problem = refused.json()
        assert problem["detail"].startswith("it is an old workbook (.xls); open it in a")
        persian = Persian(CATALOGUE).sentence(problem["detail"])
        assert persian is not None
        assert "ذخیره کنید" in persian


async def test_a_sheet_holds_what_the_list_with_the_same_filters_does() -> None:
    async with open_followups() as client:
        one, other = await client.items("/followups")

        async def ids(**filters: Any) -> list[str]:
            shown = opened(await sheet(client, **filters))
            place = PLACES[Column.FOLLOWUP_ID]
            return [str(shown.cell(row, place).value) for row in range(2, shown.max_row + 1)]

        assert await ids() == [one["followup_id"], other["followup_id"]]
        assert await ids(resolution_id=other["resolution_id"]) == [other["followup_id"]]
        assert await ids(followup_id=one["followup_id"]) == [one["followup_id"]]
        assert await ids(followup_id=one["followup_id"], state="closed") == []
        assert await ids(state="closed", deputy="civil") == []
        for wrong in ({"deputy": "nobody"}, {"stat": "opened"}, {"limit": 5}):
            answer = await client.http.get("/v1/followups.xlsx", params=wrong)
            assert answer.status_code == 422


async def test_more_than_a_sheet_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.followups.api.bulk.MOST_ROWS", 1)
    async with open_followups() as client:
        answer = await client.http.get("/v1/followups.xlsx")
        assert answer.status_code == 422
        assert "too-many-rows" in answer.text


_figures = st.one_of(st.none(), st.integers(0, 100))


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(_figures, st.booleans(), st.booleans()), min_size=2, max_size=2),
    st.sampled_from(["all", "valid"]),
)
def test_exactly_what_was_written_is_changed(
    rows: list[tuple[int | None, bool, bool]], mode: str
) -> None:
    async def run() -> None:
        async with open_followups() as client:
            before = await acknowledged(client)
            edits: dict[tuple[int, Column], Any] = {}
            for row, (figure, has_note, claims) in enumerate(rows, 2):
                edits[row, Column.PROGRESS] = figure
                edits[row, Column.NOTE] = "شرح" if has_note else None
                edits[row, Column.DONE] = "بله" if claims else None
            content = filled_in(await sheet(client), edits)
            published = len(client.events())
            await accepted(client, content)
            assert len(client.events()) == published
            answer = await accepted(client, content, dry_run=False, mode=mode)
            after = await client.items("/followups")
            steps = [_steps(*row) for row in rows]
            assert len(client.events()) - published == sum(steps)
            assert answer["applied"] == sum(bool(n) for n in steps)
            for (figure, _, claims), was, is_, n in zip(rows, before, after, steps, strict=True):
                assert is_["version"] == was["version"] + n
                assert is_["progress"] == (100 if claims else figure or 0)
            await send(client, content, dry_run=False, mode=mode)
            assert await client.items("/followups") == after, "the second time changes nothing"

    asyncio.run(run())


def _steps(figure: int | None, has_note: bool, claims: bool) -> int:
    """How many facts a row causes for a follow-up at 0 %."""
    reports = bool(figure) or (has_note and not claims)
    return int(reports) + int(claims)
