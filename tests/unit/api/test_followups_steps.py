"""The steps in the life of a follow-up over HTTP, and who may not take them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from tests.unit.api.services_in_memory import ApiClient, open_followups

CIVIL = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
COORDINATION = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
PROVINCE = {"X-Peygir-User": "g.razavi", "X-Peygir-Roles": "province:IR-09"}


class FollowupClient:
    """Takes the steps of one follow-up over HTTP."""

    def __init__(self, client: ApiClient, followup_id: str) -> None:
        self._http = client.http
        self._path = f"/v1/followups/{followup_id}"

    async def step(self, name: str, who: dict[str, str], **body: Any) -> httpx.Response:
        return await self._http.post(f"{self._path}/{name}", json=body, headers=who)

    async def accepted(self, name: str, who: dict[str, str], **body: Any) -> dict[str, Any]:
        answer = await self.step(name, who, **body)
        assert answer.status_code == 200, answer.text
        item: dict[str, Any] = answer.json()
        return item

    async def refused(self, status: int, name: str, who: dict[str, str], **body: Any) -> str:
        answer = await self.step(name, who, **body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.text

    async def shown(self) -> dict[str, Any]:
        answer = await self._http.get(self._path, headers=COORDINATION)
        item: dict[str, Any] = answer.json()
        return item

    async def history(self) -> list[str]:
        answer = await self._http.get(f"{self._path}/history", headers=COORDINATION)
        return [entry["type"].split(".")[1] for entry in answer.json()]


async def first(client: ApiClient) -> FollowupClient:
    listed = await client.http.get("/v1/followups", headers=COORDINATION)
    return FollowupClient(client, listed.json()["items"][0]["followup_id"])


async def test_a_whole_life_over_http() -> None:
    async with open_followups() as client:
        followup = await first(client)
        disputed = await followup.accepted("acknowledge", CIVIL, stance="disputed", note="نه ما")
        assert disputed["state"] == "disputed"
        assert (await followup.accepted("settle", COORDINATION, reason="بجاست"))[
            "state"
        ] == "acknowledged"
        blocked = await followup.accepted("block", CIVIL, blocked_by="استانداری", reason="زمین")
        assert (blocked["state"], blocked["blocked_by"]) == ("blocked", "استانداری")
        assert (await followup.accepted("unblock", CIVIL))["blocked_by"] is None
        due_on, wanted = blocked["due_on"], "2024-02-01"
        asked = await followup.accepted("request-extension", CIVIL, due_on=wanted, reason="باران")
        assert asked["extension_request"]["due_on"] == wanted
        extended = await followup.accepted("extend", COORDINATION)
        assert (extended["due_on"], extended["original_due_on"]) == (wanted, due_on)
        assert [(e["previous_due_on"], e["due_on"]) for e in extended["extensions"]] == [
            (due_on, wanted)
        ]
        assert (await followup.accepted("progress", CIVIL, progress=70))["progress"] == 70
        assert (await followup.accepted("complete", CIVIL))["progress"] == 100
        assert (await followup.accepted("reopen", COORDINATION, reason="ناقص"))["progress"] == 70
        await followup.accepted("complete", CIVIL, note="با عکس")
        verified = await followup.accepted("verify", COORDINATION, finding="partly-done")
        assert (verified["state"], verified["finding"]) == ("verified", "partly-done")
        assert await followup.history() == [
            "FollowupOpened", "FollowupAcknowledged", "FollowupSettled", "FollowupBlocked",
            "FollowupUnblocked", "FollowupExtensionRequested", "FollowupExtended",
            "FollowupProgressed", "FollowupCompleted", "FollowupReopened", "FollowupCompleted",
            "FollowupVerified",
        ]  # fmt: skip


async def test_it_may_end_otherwise_than_done() -> None:
    async with open_followups() as client:
        followup = await first(client)
        ending = {"outcome": "will-not-be-done", "reason": "با مصوبه‌ی دیگری ادغام شد"}
        await followup.refused(403, "close", CIVIL, **ending)
        closed = await followup.accepted("close", COORDINATION, **ending)
        assert (closed["state"], closed["outcome"], closed["closed_by"]) == (
            "closed", "will-not-be-done", "c.ahmadi",
        )  # fmt: skip
        await followup.refused(409, "close", COORDINATION, **ending)


async def test_until_when_it_has_to_be_acknowledged_is_shown() -> None:
    """Opened on Monday 16 October 2023; the fourth working day after it is Saturday 21."""
    async with open_followups(datetime(2023, 10, 21, 20, 30, tzinfo=UTC)) as client:
        followup = await first(client)
        item = await followup.shown()
        assert (item["acknowledge_by"], item["unacknowledged"]) == ("2023-10-21", True)
        assert not (await followup.accepted("acknowledge", CIVIL))["unacknowledged"]
    async with open_followups(datetime(2023, 10, 21, 20, 29, tzinfo=UTC)) as client:
        assert not (await (await first(client)).shown())["unacknowledged"]


@pytest.mark.parametrize(
    ("step", "body", "field"),
    [
        ("acknowledge", {"stance": "disputed"}, "note"),
        ("acknowledge", {"stance": "refused"}, "stance"),
        ("progress", {"progress": 101}, "progress"),
        ("request-extension", {"due_on": "2023-12-31", "reason": "باران"}, "due_on"),
        ("request-extension", {"due_on": "2030-01-01", "reason": "باران"}, "due_on"),
        ("request-extension", {"due_on": "2024-02-01", "reason": "  "}, "reason"),
        ("block", {"reason": "زمین"}, "blocked_by"),
        ("block", {"blocked_by": "civil", "reason": "زمین"}, "blocked_by"),
        ("close", {"outcome": "withdrawn", "reason": "x"}, "outcome"),
    ],
)
async def test_what_is_wrong_is_named(step: str, body: dict[str, Any], field: str) -> None:
    async with open_followups() as client:
        followup = await first(client)
        if step != "acknowledge":
            await followup.accepted("acknowledge", CIVIL)
        before = await followup.history()
        who = COORDINATION if step == "close" else CIVIL
        assert f'"{field}"' in await followup.refused(422, step, who, **body)
        assert await followup.history() == before, "nothing is stored"


async def test_an_extension_is_decided_by_coordination_alone() -> None:
    async with open_followups() as client:
        followup = await first(client)
        await followup.accepted("acknowledge", CIVIL)
        await followup.refused(409, "extend", COORDINATION)
        await followup.accepted("request-extension", CIVIL, due_on="2024-02-01", reason="باران")
        for who in (CIVIL, PROVINCE):
            await followup.refused(403, "extend", who)
            await followup.refused(403, "refuse-extension", who, reason="نه")
        refused = await followup.accepted("refuse-extension", COORDINATION, reason="بی‌دلیل")
        assert refused["extension_request"] is None
        await followup.refused(
            409, "request-extension", CIVIL, due_on="2024-02-01", reason="باز هم"
        )


async def test_a_life_is_drawn_as_a_picture_that_a_browser_shows() -> None:
    async with open_followups() as client:
        (item, _) = await client.items("/followups")
        answer = await client.http.get(f"/v1/followups/{item['followup_id']}/timeline.svg")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
        assert answer.headers["content-disposition"].startswith("inline; ")
        assert item["title"] in (ET.fromstring(answer.content)[0].text or "")
        missing = await client.http.get("/v1/followups/nobody/timeline.svg")
        assert missing.status_code == 404
