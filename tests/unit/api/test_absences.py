"""Absences over HTTP: who declares them, and what a substitute sees and does, and when."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from pymongo.errors import ServerSelectionTimeoutError

from services.followups import api as followups
from services.followups import handlers
from services.followups.domain.absences import Absence
from shared.messaging.core.model import CommitContext
from shared.runtime.calendar import start_of_day
from tests.stores.fakes_followups import MemoryAbsences, MemoryFollowups
from tests.unit.api.services_in_memory import ApiClient, client_of, followups_service
from tests.unit.followups.examples import NOW, TRACKING, WATCHED
from tests.unit.followups.messages import approval

CIVIL: Final = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
ECONOMIC: Final = {"X-Peygir-User": "d.sadeghi", "X-Peygir-Roles": "deputy:economic"}
OFFICE: Final = {"X-Peygir-User": "m.rezaei", "X-Peygir-Roles": "minister-office"}
COORDINATION: Final = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
MORADI: Final = {"X-Peygir-User": "s.moradi", "X-Peygir-Roles": ""}
PATH: Final = "/deputies/civil/absences"
FIRST, LAST = date(2023, 10, 20), date(2023, 10, 25)
ABSENCE: Final = {
    "substitute": "s.moradi",
    "first_on": FIRST.isoformat(),
    "last_on": LAST.isoformat(),
    "reason": "سفر",
}
DAY: Final = timedelta(days=1)
INSTANT: Final = timedelta(milliseconds=1)
DURING: Final = start_of_day(FIRST) + timedelta(hours=9)


class SilentAbsences(MemoryAbsences):
    """The absences of a database that does not answer."""

    async def of_substitute(self, user: str, on: date) -> list[Absence]:
        raise ServerSelectionTimeoutError("no primary")


@dataclass(frozen=True, slots=True)
class World:
    """Two deputies with two follow-ups each."""

    client: ApiClient
    stores: Mapping[str, MemoryFollowups]

    def at(self, now: datetime) -> None:
        followups_service("civil", "economic").clock.instant = now

    async def declare(self, **changes: str) -> str:
        answer = await self.client.post(PATH, {**ABSENCE, **changes}, **CIVIL)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["absence_id"])

    async def seen(self, who: Mapping[str, str]) -> list[str]:
        answer = await self.client.http.get("/v1/followups", headers=who)
        assert answer.status_code == 200, answer.text
        return sorted(item["resolution_id"] for item in answer.json()["items"])

    async def get(self, path: str, who: Mapping[str, str], **query: str) -> httpx.Response:
        return await self.client.http.get(f"/v1{path}", headers=who, params=query)

    async def id_of(self, resolution_id: str) -> str:
        items = await self.client.items("/followups", resolution_id=resolution_id)
        return str(items[0]["followup_id"])

    def silence(self, deputy: str) -> None:
        self.stores[deputy].absences = SilentAbsences(self.stores[deputy])


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    stores = {deputy: MemoryFollowups(deputy) for deputy in ("civil", "economic")}
    service = followups_service(*stores)
    for deputy, store in stores.items():
        context = replace(TRACKING, deputy=deputy, escalation=WATCHED)
        service.contexts[deputy] = followups.ApiContext(store, context, store.files)
        ids = [f"{deputy}-{n}" for n in (1, 2)]
        messages = [approval(id_, resolution_id=id_, deputy=deputy) for id_ in ids]
        decision = await handlers.handle_events(messages, store, context, NOW)
        await store.save(decision.changes, CommitContext("event", "followups"))
    service.clock.instant = NOW
    events = lambda: [event for store in stores.values() for event in store.events]  # noqa: E731
    async with client_of(events, service.app) as client:
        yield World(client, stores)


# -- declaring ----------------------------------------------------------------------------------


async def test_it_is_declared_listed_and_ended() -> None:
    async with world() as w:
        id_ = await w.declare()
        second = await w.client.post(
            PATH, {**ABSENCE, "first_on": "2023-10-18", "last_on": "2023-10-18"}, **OFFICE
        )
        assert second.status_code == 201, "the Minister's office may too"
        for who in (CIVIL, OFFICE, COORDINATION):
            page = (await w.get(PATH, who, sort="first_on")).json()
            assert [item["first_on"] for item in page["items"]] == ["2023-10-18", "2023-10-20"]
            assert [item["in_effect"] for item in page["items"]] == [False, False]
        one = (await w.get(PATH, CIVIL, sort="-first_on", limit="1")).json()
        assert (one["items"][0]["absence_id"], one["items"][0]["declared_by"]) == (id_, "d.karimi")
        assert one["next_cursor"] is not None
        w.at(DURING)
        ended = (await w.client.post(f"{PATH}/{id_}/end", {}, **OFFICE)).json()
        assert (ended["ended_by"], ended["in_effect"]) == ("m.rezaei", False)
        again = await w.client.post(f"{PATH}/{id_}/end", {}, **OFFICE)
        assert (again.status_code, again.json()["type"]) == (409, "urn:peygir:problem:not-now")
        assert (await w.client.post(f"{PATH}/none/end", {}, **CIVIL)).status_code == 404
        names = [event.type.split(".")[1] for event in w.stores["civil"].events]
        assert names[-3:] == ["AbsenceDeclared", "AbsenceDeclared", "AbsenceEnded"]
        assert [event.version for event in w.stores["civil"].events if event.key == id_] == [1, 2]


async def test_days_that_another_absence_has_are_refused_whoever_the_substitute_is() -> None:
    async with world() as w:
        id_ = await w.declare()
        for substitute in ("s.moradi", "b.nouri"):
            body = {**ABSENCE, "substitute": substitute, "first_on": LAST.isoformat()}
            answer = await w.client.post(PATH, body, **CIVIL)
            assert answer.status_code == 409
            assert answer.json()["type"] == "urn:peygir:problem:absence-overlaps"
        other = await w.client.post(
            "/deputies/economic/absences", {**ABSENCE, "substitute": "b.nouri"}, **ECONOMIC
        )
        assert other.status_code == 201, "another deputy's days are another's"
        await w.client.post(f"{PATH}/{id_}/end", {}, **CIVIL)
        await w.declare(substitute="b.nouri")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"substitute": "d.karimi"}, "substitute"),
        ({"substitute": "s moradi"}, "substitute"),
        ({"first_on": "2023-10-15"}, "first_on"),
        ({"last_on": "2023-10-19"}, "last_on"),
        ({"last_on": "2024-10-20"}, "last_on"),
        ({"first_on": "1402-07-28"}, "first_on"),
        ({"last_on": 20231025}, "last_on"),
        ({"reason": "  "}, "reason"),
        ({"until": "2023-10-25"}, "until"),
    ],
)
async def test_what_is_wrong_is_named(changes: dict[str, Any], field: str) -> None:
    async with world() as w:
        before = len(w.client.events())
        answer = await w.client.post(PATH, {**ABSENCE, **changes}, **CIVIL)
        assert answer.status_code == 422, answer.text
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert len(w.client.events()) == before


async def test_a_deputy_who_is_not_ones_own_is_not_there() -> None:
    async with world() as w:
        id_ = await w.declare()
        for path, body in ((PATH, ABSENCE), (f"{PATH}/{id_}/end", {})):
            assert (await w.client.post(path, body, **ECONOMIC)).status_code == 404
            for who in (COORDINATION, MORADI):
                assert (await w.client.post(path, body, **who)).status_code == 403
        answer = await w.get(PATH, ECONOMIC)
        unknown = await w.get("/deputies/nobody/absences", ECONOMIC)
        assert (answer.status_code, unknown.status_code) == (404, 404)
        assert answer.json()["detail"].replace("civil", "nobody") == unknown.json()["detail"]
        assert (await w.get("/deputies/nobody/absences", OFFICE)).status_code == 404
        province = {"X-Peygir-User": "g.razavi", "X-Peygir-Roles": "province:IR-09"}
        assert (await w.get(PATH, province)).status_code == 403


async def test_a_request_that_is_repeated_declares_once() -> None:
    key = {"Idempotency-Key": "k-1", **CIVIL}
    async with world() as w:
        first = await w.client.post(PATH, ABSENCE, **key)
        second = await w.client.post(PATH, ABSENCE, **key)
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert second.headers["Idempotent-Replayed"] == "true"
        other = await w.client.post(PATH, {**ABSENCE, "reason": "بیماری"}, **key)
        assert other.status_code == 422
        path = f"{PATH}/{first.json()['absence_id']}/end"
        ended = [await w.client.post(path, {}, **key) for _ in range(2)]
        assert [answer.status_code for answer in ended] == [200, 200]


# -- acting -------------------------------------------------------------------------------------


async def test_a_substitute_sees_from_the_first_instant_to_the_last() -> None:
    async with world() as w:
        await w.declare()
        own = ["civil-1", "civil-2"]
        begins, ends = start_of_day(FIRST), start_of_day(LAST + DAY)
        for now, seen in ((begins - INSTANT, []), (begins, own), (ends - INSTANT, own), (ends, [])):
            w.at(now)
            assert await w.seen(MORADI) == seen, now
            one = await w.get(f"/followups/{await w.id_of('civil-1')}", MORADI)
            assert one.status_code == (200 if seen else 404)
            other = await w.get(f"/followups/{await w.id_of('economic-1')}", MORADI)
            assert other.status_code == 404
            assert (await w.get("/scorecards", MORADI)).status_code == (200 if seen else 403)
            assert (await w.get(PATH, MORADI)).status_code == (200 if seen else 403)
            assert await w.seen(CIVIL) == own, "the deputy sees them all the time"


async def test_an_absence_that_is_ended_ends_at_once() -> None:
    async with world() as w:
        id_ = await w.declare()
        w.at(DURING)
        assert await w.seen(MORADI) == ["civil-1", "civil-2"]
        await w.client.post(f"{PATH}/{id_}/end", {}, **CIVIL)
        assert await w.seen(MORADI) == []


async def test_lists_sheets_counts_and_samples_are_those_of_the_deputy() -> None:
    async with world() as w:
        await w.declare()
        w.at(DURING)
        for path in ("/scorecards", "/scorecards.csv"):
            assert (await w.get(path, MORADI)).content == (await w.get(path, CIVIL)).content
        cards = (await w.get("/scorecards", MORADI)).json()
        assert {c["id"]: c["total"] for c in cards["items"] if c["total"]} == {"civil": 2}
        drawn = [
            (await w.get("/inspections", who, seed="x", state="opened")).json()
            for who in (MORADI, CIVIL)
        ]
        assert drawn[0] == drawn[1]
        assert drawn[0]["population"] == 2
        sheets = [await w.get("/followups.xlsx", who) for who in (MORADI, CIVIL)]
        assert [sheet.status_code for sheet in sheets] == [200, 200]


async def test_what_is_approved_meanwhile_is_the_substitutes_too() -> None:
    async with world() as w:
        await w.declare()
        w.at(DURING)
        store, context = w.stores["civil"], followups_service("civil", "economic").contexts["civil"]
        new = [approval("civil-3", resolution_id="civil-3", deputy="civil")]
        decision = await handlers.handle_events(new, store, context.context, DURING)
        await store.save(decision.changes, CommitContext("event", "followups"))
        assert await w.seen(MORADI) == ["civil-1", "civil-2", "civil-3"]


async def test_a_substitute_works_and_every_event_says_by_which_absence() -> None:
    async with world() as w:
        absence_id = await w.declare()
        w.at(DURING)
        path = f"/followups/{await w.id_of('civil-1')}"
        for step, body in (
            ("acknowledge", {}),
            ("assign", {"officer": "a.nouri"}),
            ("progress", {"progress": 40}),
            ("items", {"title": "زمین", "owner": "بنیاد", "due_on": "2023-12-01"}),
            ("comments", {"text": "دیدم"}),
            ("evidence-links", {"url": "https://example.ir/a"}),
            ("delegate", {"to": "b.amini", "until": LAST.isoformat()}),
            ("end-delegation", {}),
            ("complete", {}),
        ):
            answer = await w.client.post(f"{path}/{step}", body, **MORADI)
            assert answer.is_success, (step, answer.text)
        assert (await w.client.post(f"{path}/verify", {}, **MORADI)).status_code == 403
        history = (await w.get(f"{path}/history", CIVIL)).json()[1:]
        assert {entry["by"] for entry in history} == {"s.moradi"}
        assert {entry["data"]["absence_id"] for entry in history} == {absence_id}
        by_role = {**CIVIL, "X-Peygir-Roles": "deputy:civil,coordination"}
        own = {**MORADI, "X-Peygir-Roles": "coordination"}
        w.at(start_of_day(LAST + 9 * DAY))
        for who in (by_role, own):
            assert (await w.client.post(f"{path}/verify", {}, **who)).status_code == 403
        assert (await w.client.post(f"{path}/verify", {}, **COORDINATION)).status_code == 200


async def test_a_substitute_of_coordination_decides_nothing_there_meanwhile() -> None:
    own = {**MORADI, "X-Peygir-Roles": "coordination"}
    ending = {"outcome": "superseded", "reason": "ادغام"}
    async with world() as w:
        await w.declare()
        w.at(DURING)
        path = f"/followups/{await w.id_of('civil-1')}"
        assert (await w.client.post(f"{path}/close", ending, **own)).status_code == 403
        other = f"/followups/{await w.id_of('economic-1')}"
        assert (await w.client.post(f"{other}/close", ending, **own)).status_code == 200
        w.at(start_of_day(LAST + DAY))
        assert (await w.client.post(f"{path}/close", ending, **own)).status_code == 200


async def test_a_machine_is_nobodys_substitute() -> None:
    machine = {**MORADI, "X-Peygir-Roles": "system"}
    async with world() as w:
        await w.declare()
        w.at(DURING)
        path = f"/followups/{await w.id_of('civil-1')}/acknowledge"
        assert (await w.client.post(path, {}, **machine)).status_code == 403


async def test_a_database_that_does_not_answer_grants_nothing_and_takes_nothing() -> None:
    async with world() as w:
        await w.declare()
        w.at(DURING)
        economic = {**MORADI, "X-Peygir-Roles": "deputy:economic"}
        every = ["civil-1", "civil-2", "economic-1", "economic-2"]
        assert await w.seen(economic) == every
        w.silence("civil")
        assert await w.seen(MORADI) == []
        assert await w.seen(economic) == ["economic-1", "economic-2"]
        path = f"/followups/{await w.id_of('economic-1')}/acknowledge"
        assert (await w.client.post(path, {}, **economic)).status_code == 200
        path = f"/followups/{await w.id_of('civil-1')}/acknowledge"
        assert (await w.client.post(path, {}, **MORADI)).status_code == 404
        assert (await w.client.post(path, {}, **CIVIL)).status_code == 200
        w.silence("economic")
        assert await w.seen(ECONOMIC) == ["economic-1", "economic-2"]


async def test_the_silence_of_another_deputys_database_changes_nothing() -> None:
    async with world() as w:
        await w.declare()
        w.at(DURING)
        w.silence("economic")
        assert await w.seen(MORADI) == ["civil-1", "civil-2"]
