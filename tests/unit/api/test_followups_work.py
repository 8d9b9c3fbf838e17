"""The work on a follow-up over HTTP: how it is shared, and who may not take which step."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.followups.api.schemas import followup_item
from shared.runtime.calendar import start_of_day
from tests.unit.api.services_in_memory import open_followups
from tests.unit.api.test_followups_steps import CIVIL, COORDINATION, PROVINCE, FollowupClient, first
from tests.unit.followups.examples import DELEGATED, LATER, after

AIDE = {"X-Peygir-User": "a.nouri", "X-Peygir-Roles": "operator"}
OFFICE = {"X-Peygir-User": "m.rezaei", "X-Peygir-Roles": "minister-office"}
SOCIAL = {"X-Peygir-User": "d.sadeghi", "X-Peygir-Roles": "deputy:social"}

# -- who does it --------------------------------------------------------------------------------


async def test_an_officer_does_the_daily_work_and_the_deputy_claims() -> None:
    async with open_followups() as client:
        followup = await first(client)
        await followup.refused(404, "progress", AIDE, progress=10)
        assert (await followup.accepted("assign", CIVIL, officer="a.nouri"))["officer"] == "a.nouri"
        await followup.refused(403, "acknowledge", AIDE)
        await followup.accepted("acknowledge", CIVIL)
        assert (await followup.accepted("progress", AIDE, progress=30))["progress"] == 30
        await followup.accepted("block", AIDE, blocked_by="استانداری", reason="زمین")
        await followup.accepted("unblock", AIDE)
        for step, body in (("complete", {}), ("delegate", {"to": "x", "until": "2023-10-20"})):
            await followup.refused(403, step, AIDE, **body)
        await followup.refused(409, "assign", CIVIL, officer="a.nouri")
        assert (await followup.accepted("unassign", AIDE))["officer"] is None
        await followup.refused(404, "progress", AIDE, progress=50)
        assert await followup.history() == [
            "FollowupOpened", "FollowupAssigned", "FollowupAcknowledged", "FollowupProgressed",
            "FollowupBlocked", "FollowupUnblocked", "FollowupAssigned",
        ]  # fmt: skip


async def test_a_delegate_takes_all_steps_until_it_is_taken_back() -> None:
    async with open_followups() as client:
        followup = await first(client)
        delegated = await followup.accepted(
            "delegate", CIVIL, to="a.nouri", until="2023-10-20", note="مرخصی"
        )
        assert (delegated["delegation"]["to"], delegated["delegation"]["until"]) == (
            "a.nouri",
            "2023-10-20",
        )
        await followup.accepted("acknowledge", AIDE)
        await followup.accepted("request-extension", AIDE, due_on="2024-02-01", reason="باران")
        await followup.refused(403, "delegate", AIDE, to="b.amini", until="2023-10-20")
        assert (await followup.accepted("complete", AIDE))["claimed_by"] == "a.nouri"
        assert (await followup.accepted("end-delegation", CIVIL))["delegation"] is None
        await followup.refused(409, "end-delegation", CIVIL)
        own = {**AIDE, "X-Peygir-Roles": "coordination"}
        await followup.refused(403, "verify", own)
        assert (await followup.accepted("verify", COORDINATION))["verified_by"] == "c.ahmadi"


async def test_nobody_who_acts_for_the_deputy_closes_or_verifies() -> None:
    both = {"X-Peygir-User": "a.nouri", "X-Peygir-Roles": "coordination,province:IR-09"}
    ending = {"outcome": "superseded", "reason": "ادغام"}
    async with open_followups() as client:
        followup = await first(client)
        for step, body in (
            ("assign", {"officer": "a.nouri"}),
            ("delegate", {"to": "a.nouri", "until": "2023-10-20"}),
        ):
            await followup.accepted(step, CIVIL, **body)
            for who in (both, CIVIL):
                await followup.refused(403, "close", who, **ending)
        await followup.accepted("acknowledge", CIVIL)
        await followup.accepted("complete", CIVIL)
        await followup.refused(403, "verify", both)
        await followup.accepted("end-delegation", both)
        await followup.refused(403, "verify", both)
        await followup.accepted("unassign", both)
        await followup.accepted("verify", both)


def test_a_delegation_is_shown_while_it_is_valid() -> None:
    delegated, end = after(DELEGATED), start_of_day(DELEGATED.until + timedelta(days=1))
    shown = followup_item(delegated, end - timedelta(milliseconds=1)).delegation
    assert shown is not None
    assert (shown.to, shown.by, shown.at) == ("a.nouri", "d.karimi", LATER)
    assert followup_item(delegated, end).delegation is None


@pytest.mark.parametrize(
    ("step", "body", "field"),
    [
        ("assign", {}, "officer"),
        ("assign", {"officer": " "}, "officer"),
        ("assign", {"officer": "x" * 201}, "officer"),
        ("delegate", {"to": "a.nouri"}, "until"),
        ("delegate", {"to": "a.nouri", "until": "2023-10-15"}, "until"),
        ("delegate", {"to": "a.nouri", "until": "2025-01-01"}, "until"),
        ("delegate", {"to": "d.karimi", "until": "2023-10-20"}, "to"),
        ("end-delegation", {"reason": "x"}, "reason"),
    ],
)
async def test_what_is_wrong_is_named(step: str, body: dict[str, Any], field: str) -> None:
    async with open_followups() as client:
        followup = await first(client)
        await followup.accepted("acknowledge", CIVIL)
        before = await followup.history()
        assert f'"{field}"' in await followup.refused(422, step, CIVIL, **body)
        assert await followup.history() == before, "nothing is stored"


@pytest.mark.parametrize("who", [AIDE, OFFICE, SOCIAL, COORDINATION, PROVINCE])
async def test_nobody_else_shares_the_deputys_work(who: dict[str, str]) -> None:
    async with open_followups() as client:
        followup = await first(client)
        status = 404 if who is AIDE else 403  # without a role, and not its officer: not to be seen
        await followup.refused(status, "assign", who, officer="a.nouri")
        await followup.refused(status, "unassign", who)
        await followup.refused(403, "delegate", who, to="a.nouri", until="2023-10-20")
        await followup.refused(status, "end-delegation", who)


# -- comments -----------------------------------------------------------------------------------


async def test_comments_are_shown_in_order_also_after_the_end() -> None:
    async with open_followups() as client:
        followup = await first(client)
        for who, text in ((CIVIL, "آغاز شد"), (PROVINCE, "  پل هنوز بسته است "), (OFFICE, "چرا؟")):
            assert (await followup.accepted("comments", who, text=text))["state"] == "opened"
        await followup.accepted("close", COORDINATION, outcome="superseded", reason="ادغام")
        assert (await followup.accepted("comments", COORDINATION, text="پایان"))[
            "state"
        ] == "closed"
        path = f"{path_of(await followup.shown())}/comments"
        comments = (await client.http.get(path)).json()
        assert [(c["version"], c["by"], c["text"]) for c in comments] == [
            (2, "d.karimi", "آغاز شد"),
            (3, "g.razavi", "پل هنوز بسته است"),
            (4, "m.rezaei", "چرا؟"),
            (6, "c.ahmadi", "پایان"),
        ]
        assert comments[0]["at"] == (await followup.shown())["opened_at"]


@pytest.mark.parametrize("text", ["", "  \n", None, "x" * 20_001])
async def test_an_invalid_comment_is_refused(text: str | None) -> None:
    async with open_followups() as client:
        followup = await first(client)
        assert '"text"' in await followup.refused(422, "comments", CIVIL, text=text)
        await followup.refused(403, "comments", SOCIAL, text="بازدید شد")
        await followup.refused(404, "comments", AIDE, text="بازدید شد")
        assert await followup.history() == ["FollowupOpened"]


def path_of(item: dict[str, Any]) -> str:
    return f"/v1/followups/{item['followup_id']}"


# -- items --------------------------------------------------------------------------------------

LAND = {"title": "تملک زمین", "owner": "استانداری خراسان رضوی", "due_on": "2023-12-01"}


async def test_items_are_added_done_and_dropped() -> None:
    async with open_followups() as client:
        followup = await first(client)
        await followup.refused(409, "items", CIVIL, **LAND)
        await followup.accepted("acknowledge", CIVIL)
        await followup.accepted("assign", CIVIL, officer="a.nouri")
        for who in (CIVIL, AIDE):
            await followup.accepted("items", who, **LAND)
        added = await followup.accepted("items", AIDE, **LAND)
        assert [(i["item"], i["state"], i["days_overdue"]) for i in added["items"]] == [
            (1, "open", 0),
            (2, "open", 0),
            (3, "open", 0),
        ]
        assert {name: added["items"][0][name] for name in LAND} == LAND
        await followup.accepted("items/1/done", AIDE, note="تحویل شد")
        ended = (await followup.accepted("items/2/drop", CIVIL, reason="لازم نیست"))["items"]
        assert [(i["state"], i["ended_by"], i["note"]) for i in ended] == [
            ("done", "a.nouri", "تحویل شد"),
            ("dropped", "d.karimi", "لازم نیست"),
            ("open", None, None),
        ]
        await followup.refused(409, "items/2/done", CIVIL)
        await followup.refused(404, "items/4/done", CIVIL)
        await followup.refused(404, "items/0/drop", CIVIL, reason="نه")
        assert (await followup.history())[-5:] == [
            *("FollowupItemAdded",) * 3, "FollowupItemDone", "FollowupItemDropped",
        ]  # fmt: skip


async def test_the_fifty_first_item_is_refused() -> None:
    async with open_followups() as client:
        followup = await first(client)
        await followup.accepted("acknowledge", CIVIL)
        for _ in range(50):
            await followup.accepted("items", CIVIL, **LAND)
        assert "too-many-items" in await followup.refused(409, "items", CIVIL, **LAND)


@pytest.mark.parametrize("who", [AIDE, OFFICE, SOCIAL, COORDINATION, PROVINCE])
async def test_nobody_else_changes_the_items(who: dict[str, str]) -> None:
    async with open_followups() as client:
        followup = await first(client)
        await followup.accepted("acknowledge", CIVIL)
        await followup.accepted("items", CIVIL, **LAND)
        status = 404 if who is AIDE else 403
        await followup.refused(status, "items", who, **LAND)
        await followup.refused(status, "items/1/done", who)
        await followup.refused(status, "items/1/drop", who, reason="نه")


@pytest.mark.parametrize(
    ("step", "body", "field"),
    [
        ("items", {**LAND, "title": "  "}, "title"),
        ("items", {**LAND, "owner": ""}, "owner"),
        ("items", {**LAND, "due_on": "2024-01-02"}, "due_on"),
        ("items", {**LAND, "due_on": "1402-09-10x"}, "due_on"),
        ("items/1/drop", {}, "reason"),
        ("items/1/drop", {"reason": "  "}, "reason"),
        ("items/1/drop", {"reason": "x" * 2_001}, "reason"),
        ("items/one/done", {}, "item"),
    ],
)
async def test_what_is_wrong_with_an_item_is_named(
    step: str, body: dict[str, Any], field: str
) -> None:
    async with open_followups() as client:
        followup = await first(client)
        await followup.accepted("acknowledge", CIVIL)
        await followup.accepted("items", CIVIL, **LAND)
        before = await followup.history()
        assert f'"{field}"' in await followup.refused(422, step, CIVIL, **body)
        assert await followup.history() == before, "nothing is stored"


# -- the parts of other bodies ------------------------------------------------------------------


async def test_bodies_report_their_parts() -> None:
    async with open_followups() as client:
        followup = await first(client)
        await followup.accepted("parts", CIVIL, body="شهرداري مشهد", progress=30, note="آغاز شد")
        await followup.accepted("parts", SOCIAL, body="social", progress=10)
        shown = await followup.accepted("parts", CIVIL, body="شهرداری مشهد", progress=100)
        assert [(p["body"], p["progress"], p["note"], p["by"]) for p in shown["parts"]] == [
            ("شهرداری مشهد", 100, None, "d.karimi"),
            ("social", 10, None, "d.sadeghi"),
        ]
        assert shown["progress"] == 0, "the deputy reports the progress of the whole"
        await followup.refused(403, "parts", SOCIAL, body="شهرداری مشهد", progress=10)
        for who in (OFFICE, COORDINATION, PROVINCE):
            await followup.refused(403, "parts", who, body="social", progress=10)
        await followup.refused(404, "parts", AIDE, body="social", progress=10)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"body": "شهرداری تهران", "progress": 10}, "body"),
        ({"body": " ", "progress": 10}, "body"),
        ({"body": "social", "progress": 101}, "progress"),
        ({"body": "social", "progress": -1}, "progress"),
        ({"body": "social", "progress": "10"}, "progress"),
        ({"body": "social", "progress": 10, "note": "x" * 2_001}, "note"),
    ],
)
async def test_what_is_wrong_with_a_part_is_named(body: dict[str, Any], field: str) -> None:
    async with open_followups() as client:
        followup = await first(client)
        assert f'"{field}"' in await followup.refused(422, "parts", CIVIL, **body)
        assert await followup.history() == ["FollowupOpened"]


# -- what it continues --------------------------------------------------------------------------


async def test_successors_are_found_by_their_predecessor() -> None:
    async with open_followups() as client:
        followup = await first(client)
        assert await client.items("/followups", predecessor="1401-R7") == []
        linked = await followup.accepted(
            "link", COORDINATION, predecessor="1401-R7", predecessor_deputy="social"
        )
        assert (linked["predecessor"], linked["predecessor_deputy"]) == ("1401-R7", "social")
        assert await client.items("/followups", predecessor="1401-R7") == [linked]
        only = {"followup_id": linked["followup_id"]}
        assert await client.items("/followups", **only, predecessor="1401-R7") == [linked]
        assert await client.items("/followups", **only, predecessor="1401-R8") == []
        await followup.refused(
            409, "link", COORDINATION, predecessor="1401-R7", predecessor_deputy="social"
        )
        corrected = await followup.accepted("link", COORDINATION, predecessor="1401-R8")
        assert await client.items("/followups", predecessor="1401-R7") == []
        assert await client.items("/followups", predecessor="1401-R8") == [corrected]


async def test_a_wrong_link_is_refused() -> None:
    async with open_followups() as client:
        followup = await first(client)
        own = (await followup.shown())["resolution_id"]
        for body, field in (
            ({"predecessor": own}, "predecessor"),
            ({"predecessor": own, "predecessor_deputy": "civil"}, "predecessor"),
            ({"predecessor": "a b"}, "predecessor"),
            ({"predecessor": "R-9", "predecessor_deputy": "Civil"}, "predecessor_deputy"),
        ):
            assert f'"{field}"' in await followup.refused(422, "link", COORDINATION, **body)
        for who in (CIVIL, SOCIAL, PROVINCE, AIDE):
            await followup.refused(403, "link", who, predecessor="R-9")
        assert await followup.history() == ["FollowupOpened"]


async def test_a_link_that_closes_a_circle_is_refused_and_shows_it() -> None:
    async with open_followups() as client:
        one, other = (
            FollowupClient(client, item["followup_id"]) for item in await client.items("/followups")
        )
        ids = [(await followup.shown())["resolution_id"] for followup in (one, other)]
        await one.accepted("link", COORDINATION, predecessor=ids[1])
        problem = await other.refused(409, "link", COORDINATION, predecessor=ids[0])
        assert "predecessor-circle" in problem
        assert f"{ids[1]} (civil) → {ids[0]} (civil) → {ids[1]} (civil)" in problem
        assert await other.history() == ["FollowupOpened"]
        await other.refused(403, "link", AIDE, predecessor=ids[0])
