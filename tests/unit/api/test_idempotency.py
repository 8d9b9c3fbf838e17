"""`Idempotency-Key` at every POST: sent twice, it takes effect once and gets the same answer."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from shared.runtime.clocks import SystemMachineClock
from shared.runtime.http.idempotency import HEADER, REPLAYED
from shared.service import operations
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.api import services_in_memory
from tests.unit.api.services_in_memory import (
    BRIDGE,
    IN_MEMORY,
    REPORT,
    VISIT,
    ApiClient,
    open_followups,
    open_scheduler,
    open_scorecards,
)
from tests.unit.api.test_bulk import XLSX, sheet
from tests.unit.api.test_followups_steps import CIVIL, COORDINATION
from tests.unit.followups.examples import NOW

KEY: Final = {HEADER: "8e03978e-40d5-43dd-bc93-6894a57f9324"}
MINISTER: Final = {"X-Peygir-User": "m.rezaei", "X-Peygir-Roles": "minister-office"}


ACTS: Final[dict[str, list[tuple[str, Any]]]] = {
    "scheduler": [
        ("/sessions", VISIT),
        ("/sessions", {**VISIT, "starts_at": "2024-05-01T08:00:00+03:30"}),
        ("/sessions/visit-1/resolutions", {"resolutions": [BRIDGE, BRIDGE]}),
        ("/resolutions/visit-1-R1/amend", {"title": "تکمیل دو پل"}),
        ("/resolutions/visit-2-R1/withdraw", {"reason": "تکراری"}),
        ("/resolutions/visit-1-R1/withdraw", None),
        ("/sessions/visit-2/close", {"summary": "جمع‌بندی"}),
        ("/sessions/visit-1/close", None),
        ("/seasons", {"season": "1405", "starts_on": "2026-08-10"}),
    ],
    "reports": [
        ("/reports", {**REPORT, "session_id": "1402-IR-09"}),
        ("/circulars", {"catalogue_version": 1}),
        ("/circulars", {"catalogue_version": 1, "circular_id": "1402-9"}),
    ],
}
"""Requests that create or change something; each is sent twice with its own key."""


async def twice(client: ApiClient, path: str, body: Any, **headers: str) -> httpx.Response:
    """The first answer; the second has to be the same, without any effect."""
    first = await client.post(path, body, **headers)
    published = len(client.events())
    second = await client.post(path, body, **headers)
    assert len(client.events()) == published, f"{path} took effect twice"
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["content-type"] == first.headers["content-type"]
    assert REPLAYED not in first.headers
    assert second.headers.get(REPLAYED) == "true", first.text
    return first


def key(name: object) -> dict[str, str]:
    return {HEADER: f"key-{name}"}


async def first_id(client: ApiClient) -> str:
    followup_id: str = (await client.items("/followups"))[0]["followup_id"]
    return followup_id


@pytest.mark.parametrize("service", IN_MEMORY)
async def test_every_post_takes_a_key(service: str) -> None:
    async with IN_MEMORY[service]() as client:
        client.app.include_router(operations.routes([], SystemMachineClock()), prefix="/v1")
        client.app.openapi_schema = None
        for path, operations_ in client.app.openapi()["paths"].items():
            if (posted := operations_.get("post")) is not None:
                names = [parameter["name"] for parameter in posted.get("parameters", [])]
                assert HEADER in names, path


@pytest.mark.parametrize("service", ACTS)
async def test_what_is_sent_twice_happens_once(service: str) -> None:
    async with IN_MEMORY[service]() as client:
        for number, (path, body) in enumerate(ACTS[service]):
            published = len(client.events())
            answer = await twice(client, path, body, **key(number))
            assert answer.is_success, (path, answer.text)
            assert len(client.events()) > published


async def test_every_step_of_a_follow_up_happens_once() -> None:
    async with open_followups() as client:
        one = f"/followups/{await first_id(client)}"
        steps: list[tuple[str, Any, dict[str, str]]] = [
            ("acknowledge", {}, CIVIL),
            ("progress", {"progress": 40, "note": "ستون‌ها"}, CIVIL),
            ("block", {"blocked_by": "شهرداری مشهد", "reason": "مجوز"}, CIVIL),
            ("unblock", {}, CIVIL),
            ("comments", {"text": "ادامه دارد"}, CIVIL),
            ("items", {"title": "عرشه", "owner": "پیمانکار", "due_on": "2024-01-01"}, CIVIL),
            ("items/1/done", {}, CIVIL),
            ("evidence-links", {"url": "https://example.ir/1.pdf"}, CIVIL),
            ("request-extension", {"due_on": "2024-01-20", "reason": "سیل"}, CIVIL),
            ("extend", {"due_on": "2024-01-20"}, COORDINATION),
            ("complete", {}, CIVIL),
            ("verify", {}, COORDINATION),
        ]
        for number, (step, body, who) in enumerate(steps):
            published = len(client.events())
            answer = await twice(client, f"{one}/{step}", body, **who, **key(number))
            assert answer.is_success, (step, answer.text)
            assert len(client.events()) == published + 1, step


async def test_the_first_answer_stays_whatever_happens_afterwards() -> None:
    async with open_followups() as client:
        one = f"/followups/{await first_id(client)}"
        first = await client.post(f"{one}/acknowledge", {}, **CIVIL, **KEY)
        await client.post(f"{one}/progress", {"progress": 70}, **CIVIL)
        again = await client.post(f"{one}/acknowledge", {}, **CIVIL, **KEY)
        assert again.content == first.content


async def test_another_body_under_the_same_key_is_refused() -> None:
    async with open_followups() as client:
        path = f"/followups/{await first_id(client)}/comments"
        await client.post(path, {"text": "یک"}, **CIVIL, **KEY)
        published = len(client.events())
        other = await client.post(path, {"text": "دو"}, **CIVIL, **KEY)
        assert other.status_code == 422
        problem = other.json()
        assert problem["type"] == "urn:peygir:problem:idempotency-key-reused"
        assert problem["errors"][0]["field"] == HEADER
        rights = {**CIVIL, "X-Peygir-Roles": "deputy:civil,coordination"}
        assert (await client.post(path, {"text": "یک"}, **rights, **KEY)).status_code == 422
        assert len(client.events()) == published


async def test_the_same_json_is_the_same_body_however_it_is_written() -> None:
    async with open_followups() as client:
        path = f"/v1/followups/{await first_id(client)}/acknowledge"
        body = {"stance": "agreed", "note": "پی"}
        headers = {**CIVIL, **KEY, "Content-Type": "application/json"}
        first = await client.http.post(path, content=json.dumps(body), headers=headers)
        turned = json.dumps(dict(reversed(body.items())), ensure_ascii=False, indent=2)
        again = await client.http.post(path, content=turned.encode(), headers=headers)
        assert first.is_success
        assert (again.content, again.headers[REPLAYED]) == (first.content, "true")


async def test_the_query_belongs_to_the_request() -> None:
    async with open_followups() as client:
        content = await sheet(client)
        headers = {**CIVIL, **KEY, "Content-Type": XLSX}
        path = "/v1/followups/bulk"
        asked = await client.http.post(path, content=content, headers=headers)
        assert asked.status_code == 200
        other = await client.http.post(f"{path}?dry_run=false", content=content, headers=headers)
        assert other.status_code == 422


async def test_a_key_is_its_senders_and_its_address_own() -> None:
    async with open_followups() as client:
        one, two = [item["followup_id"] for item in await client.items("/followups")]
        published = len(client.events())
        for id_, who in ((one, CIVIL), (two, CIVIL), (one, COORDINATION)):
            said = await client.post(f"/followups/{id_}/comments", {"text": "ی"}, **who, **KEY)
            assert said.is_success
            assert REPLAYED not in said.headers
        assert len(client.events()) == published + 3


async def test_after_a_day_a_key_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_followups() as client:
        store = services_in_memory.followups_service("civil").contexts["civil"].store
        assert isinstance(store, MemoryFollowups)
        path, now = f"/followups/{await first_id(client)}/comments", NOW
        monkeypatch.setattr(store.replies, "_now", lambda: now)
        await twice(client, path, {"text": "یک"}, **CIVIL, **KEY)
        now += timedelta(days=1, seconds=-1)
        assert REPLAYED in (await client.post(path, {"text": "یک"}, **CIVIL, **KEY)).headers
        now += timedelta(seconds=1)
        published = len(client.events())
        assert (await client.post(path, {"text": "دو"}, **CIVIL, **KEY)).is_success
        assert len(client.events()) == published + 1


async def test_a_refusal_by_the_domain_stays_as_well() -> None:
    async with open_followups() as client:
        one = f"/followups/{await first_id(client)}"
        verify = f"{one}/verify"
        refused = await twice(client, verify, {}, **COORDINATION, **KEY)
        assert refused.status_code == 409
        await client.post(f"{one}/acknowledge", {}, **CIVIL)
        await client.post(f"{one}/complete", {}, **CIVIL)
        late = await client.post(verify, {}, **COORDINATION, **KEY)
        assert (late.status_code, late.content) == (409, refused.content)
        assert (await client.post(verify, {}, **COORDINATION)).is_success
        not_allowed = await twice(client, f"{one}/acknowledge", {}, **MINISTER, **KEY)
        assert not_allowed.status_code == 403


async def test_what_is_not_valid_or_not_there_yet_may_be_sent_anew_under_its_key() -> None:
    async with open_scheduler() as client:
        bad = await client.post("/sessions", {**VISIT, "title": ""}, **KEY)
        assert bad.status_code == 422
        made = await client.post("/sessions", {**VISIT, "session_id": "visit-9"}, **KEY)
        assert made.status_code == 201

        body = {"resolutions": [BRIDGE]}
        missing = await client.post("/sessions/visit-8/resolutions", body, **KEY)
        assert missing.status_code == 404
        await client.post("/sessions", {**VISIT, "session_id": "visit-8"})
        await client.post("/sessions/visit-8/open")
        there = await client.post("/sessions/visit-8/resolutions", body, **KEY)
        assert there.status_code == 201


async def test_what_moved_to_another_deputy_is_answered_there() -> None:
    async with open_scorecards() as client:
        (item,) = await client.items("/followups", resolution_id="R-1")
        path, body = f"/followups/{item['followup_id']}/comments", {"text": "بازدید شد"}
        first = await client.post(path, body, **COORDINATION, **KEY)
        assert first.is_success
        move = {"to": "crisis", "reason": "ادغام", "dry_run": False}
        moved = await client.post("/deputies/civil/move", move, **MINISTER, **KEY)
        assert moved.json()["moved"] > 0
        again = await client.post("/deputies/civil/move", move, **MINISTER, **KEY)
        assert (again.content, again.headers[REPLAYED]) == (moved.content, "true")
        (item,) = await client.items("/followups", resolution_id="R-1")
        assert item["deputy"] == "crisis"
        repeated = await client.post(path, body, **COORDINATION, **KEY)
        assert (repeated.content, repeated.headers[REPLAYED]) == (first.content, "true")


async def test_evidence_is_handed_in_once_and_compared_byte_by_byte() -> None:
    async with open_followups() as client:
        one = f"/followups/{await first_id(client)}"
        await client.post(f"{one}/acknowledge", {}, **CIVIL)
        path = f"/v1{one}/evidence"
        headers = {**CIVIL, **KEY, "Content-Disposition": 'attachment; filename="a.pdf"'}
        first = await client.http.post(path, content=b"%PDF-1.7", headers=headers)
        published = len(client.events())
        again = await client.http.post(path, content=b"%PDF-1.7", headers=headers)
        assert first.status_code == 201
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers[REPLAYED] == "true"
        other = await client.http.post(path, content=b"%PDF-1.8", headers=headers)
        named = {**headers, "Content-Disposition": 'attachment; filename="b.pdf"'}
        renamed = await client.http.post(path, content=b"%PDF-1.7", headers=named)
        assert (other.status_code, renamed.status_code) == (422, 422)
        assert len(client.events()) == published
