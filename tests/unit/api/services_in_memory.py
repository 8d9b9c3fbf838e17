"""The API of every service over a store in memory, each with some data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final

import httpx
from fastapi import APIRouter, FastAPI
from pymongo.errors import ServerSelectionTimeoutError

from services.followups import api as followups
from services.followups import handlers as followups_handlers
from services.followups.adapters import persian as followups_words
from services.followups.adapters.sheets import XlsxSheets
from services.followups.app import FORMATS, PICTURE
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import Extended, Fact, FellOverdue, Opened
from services.followups.domain.records import Followup
from services.followups.domain.scores import By
from services.followups.handlers import Change
from services.notify import api as notify
from services.notify import handlers as notify_handlers
from services.notify.adapters import persian as notify_words
from services.notify.domain.notices import new_notices
from services.reports import api as reports
from services.reports.adapters import persian as reports_words
from services.scheduler import api as scheduler
from services.scheduler.adapters import persian as scheduler_words
from shared.messaging.core.model import CommitContext, Event
from shared.runtime.health import Health
from shared.runtime.http import LongBody, create_app
from shared.runtime.identity import OpenIdentity, apply_absences
from shared.runtime.list_queries import Within
from shared.runtime.metrics import Metrics
from shared.runtime.persian import SHARED, Catalogue, Persian
from tests.stores.fakes_followups import MemoryFollowups
from tests.stores.fakes_notify import FakeNotices
from tests.stores.fakes_reports import MemoryReadLog
from tests.stores.fakes_scheduler import MemoryRegister
from tests.unit.followups.examples import (
    COMPLETED,
    EXTENSIONS,
    LATER,
    NOW,
    TRACKING,
    VERIFIED,
    WATCHED,
    fact_of_opening,
)
from tests.unit.followups.messages import approval
from tests.unit.notify.examples import session
from tests.unit.reports.builders import BEFORE, RECEPTION, message, scheduled
from tests.unit.reports.offices import Office
from tests.unit.scheduler.examples import context

NO_WORDS: Final = Catalogue()
EVIDENCE_LIMIT: Final = 2_000_000
SHEET_LIMIT: Final = 5_000_000

REPORT: Final = {
    "province": "IR-09",
    "catalogue_version": 1,
    "answers": {"crisis": {"relief": "سه انبار تازه آماده شد"}},
    "initiatives": [{"title": "قرارگاه جهادی محله‌ها"}],
}
VISIT: Final = {
    "kind": "visit",
    "provinces": ["IR-09", "IR-07"],
    "title": "بازدید از مرز دوغارون",
    "starts_at": "2024-05-01T09:00:00+03:30",
    "ends_at": "2024-05-01T12:00:00+03:30",
    "mode": "in-person",
    "attendees": [{"role": "governor", "id": "g.razavi"}],
}
_CLAIMED: Final = datetime(2024, 1, 1, 20, 29, tzinfo=UTC)  # the last minute of the due date
BRIDGES: Final[Mapping[str, tuple[dict[str, Any], tuple[Fact, ...]]]] = {
    "R-1": ({}, ()),
    "R-2": (
        {"province": "IR-07", "axis": "civil-infrastructure"},
        (
            Extended(LATER, "c.ahmadi", date(2024, 1, 9), date(2024, 1, 1), None),
            FellOverdue(LATER, 1, date(2024, 1, 9), 1),
            FellOverdue(LATER, 2, date(2024, 1, 9), 7),
        ),
    ),
    "R-3": (
        {"province": None, "session_kind": "visit"},
        (replace(COMPLETED, at=_CLAIMED), replace(VERIFIED, at=_CLAIMED + timedelta(days=14))),
    ),
    "R-4": (
        {"session_id": "1402-IR-09"},
        (
            replace(COMPLETED, at=_CLAIMED + timedelta(minutes=1)),
            replace(VERIFIED, at=_CLAIMED + timedelta(days=14, minutes=1)),
        ),
    ),
}
"""The fields in which each bridge differs, and its facts."""
BRIDGE: Final = {"deputy": "civil", "title": "تکمیل پل", "due_on": "2030-01-01"}


@dataclass(slots=True)
class FixedClock:
    """A clock that shows one instant (UTC) until it is set to another."""

    instant: datetime

    async def now(self) -> datetime:
        return self.instant


@dataclass(frozen=True, slots=True)
class ApiClient:
    """An HTTP client of a service; `events` returns all events that the service committed."""

    app: FastAPI
    http: httpx.AsyncClient
    events: Callable[[], Sequence[Event]]

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.http.post(f"/v1{path}", json=body, headers=headers)

    async def items(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = await self.http.get(f"/v1{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def app_of(
    *routers: APIRouter,
    persian: Catalogue = NO_WORDS,
    long_bodies: Sequence[LongBody] = (),
) -> FastAPI:
    """An app with these routes, built as every service builds its own."""
    app = create_app(
        persian=Persian(SHARED, persian),
        title="Peygir",
        version="0",
        health=Health(),
        metrics=Metrics(),
        authenticator=OpenIdentity(),
        long_bodies=long_bodies,
    )
    for router in routers:
        app.include_router(router, prefix="/v1")
    return app


@asynccontextmanager
async def client_of(
    events: Callable[[], Sequence[Event]], app: FastAPI
) -> AsyncIterator[ApiClient]:
    """A client of an app; `events` returns all events in its store."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://peygir") as http:
        yield ApiClient(app, http, events)


@asynccontextmanager
async def open_scheduler() -> AsyncIterator[ApiClient]:
    """Two open visits with one resolution each, and two seasons."""
    register, clock = MemoryRegister(), FixedClock(NOW)
    api = scheduler.ApiContext(register, context(), clock)
    app = app_of(*scheduler.routes(api), persian=scheduler_words.CATALOGUE)
    async with client_of(lambda: register.events, app) as client:
        for id_ in ("visit-1", "visit-2"):
            made = await client.post("/sessions", {**VISIT, "session_id": id_})
            assert made.status_code == 201, made.text
            await client.post(f"/sessions/{id_}/open")
            recorded = {"resolutions": [{**BRIDGE, "resolution_id": f"{id_}-R1"}]}
            made = await client.post(f"/sessions/{id_}/resolutions", recorded)
            assert made.status_code == 201, made.text
        for season, starts_on in (("1403", "2024-08-12"), ("1404", "2025-08-11")):
            made = await client.post("/seasons", {"season": season, "starts_on": starts_on})
            assert made.status_code == 201, made.text
        yield client


@asynccontextmanager
async def open_reports() -> AsyncIterator[ApiClient]:
    """Two sessions, one of them with a report, and two circulars."""
    office = Office()
    for number, id_ in enumerate(("1402-IR-09", "1402-IR-10")):
        await office.hear(message(scheduled(id_), sequence=1, id_=id_, offset=number))
    api = reports.ApiContext(office.store, office.circulars, RECEPTION, MemoryReadLog(BEFORE))
    app = app_of(reports.routes(api, FixedClock(BEFORE)), persian=reports_words.CATALOGUE)
    async with client_of(lambda: office.published, app) as client:
        sent = await client.post("/reports", {**REPORT, "session_id": "1402-IR-09"})
        assert sent.status_code == 201, sent.text
        for id_ in ("1402-1", "1402-2"):
            issued = await client.post("/circulars", {"catalogue_version": 1, "circular_id": id_})
            assert issued.status_code == 201, issued.text
        yield client


@dataclass(frozen=True, slots=True)
class FollowupsService:
    """The API of follow-ups; each test sets the contexts of deputies and the clock."""

    app: FastAPI
    contexts: dict[str, followups.ApiContext]
    clock: FixedClock


@cache
def followups_service(*deputies: str) -> FollowupsService:
    """The API for these deputies. It is built once, as that takes longer than most tests."""
    contexts: dict[str, followups.ApiContext] = {}
    clock = FixedClock(NOW)
    routers = followups.routes(contexts, EXTENSIONS, clock, FORMATS, XlsxSheets(), PICTURE)
    long_bodies = followups.long_bodies(EVIDENCE_LIMIT, SHEET_LIMIT)
    app = app_of(*routers, long_bodies=long_bodies, persian=followups_words.CATALOGUE)
    apply_absences(app, followups.AppliedAbsences(contexts, clock))
    return FollowupsService(app, contexts, clock)


@asynccontextmanager
async def open_followups(at: datetime | None = None) -> AsyncIterator[ApiClient]:
    """Two follow-ups of one deputy, an hour after they were opened, or at an instant (UTC)."""
    store, now = MemoryFollowups(), NOW + timedelta(hours=1)
    context = replace(TRACKING, escalation=WATCHED)
    known: dict[str, Any] = {
        "deputy": "civil",
        "province": "IR-09",
        "supporting": ["شهرداری مشهد", "social"],
    }
    messages = [approval(id_, resolution_id=id_, **known) for id_ in ("R-1", "R-2")]
    decision = await followups_handlers.handle_events(messages, store, context, now)
    await store.save(decision.changes, CommitContext("event", "followups"))
    service = followups_service("civil")
    service.contexts["civil"] = followups.ApiContext(store, context, store.files)
    service.clock.instant = at or now
    async with client_of(lambda: store.events, service.app) as client:
        yield client


class UnavailableFollowups(MemoryFollowups):
    """A store whose database does not answer."""

    async def counts(self, by: By, as_of: date | None = None) -> Mapping[str, Mapping[str, int]]:
        raise ServerSelectionTimeoutError("no primary")

    async def ids(
        self, fields: Mapping[str, object], within: Within | None = None
    ) -> AsyncIterator[Sequence[str]]:
        yield []
        raise ServerSelectionTimeoutError("no primary")


class VanishingFollowups(MemoryFollowups):
    """A store whose database returns ids and then stops answering."""

    async def of_ids(self, ids: Collection[str]) -> Mapping[str, Followup]:
        raise ServerSelectionTimeoutError("no primary")


async def _save_life(store: MemoryFollowups, opening: Opened, *facts: Fact) -> None:
    versions = [opened(opening)]
    for fact in facts:
        versions.append(evolve(versions[-1], fact))
    change = Change(None, versions[-1], (), None, (), versions[:-1])
    await store.save([change], CommitContext("recovery", "recovery"))


@asynccontextmanager
async def open_scorecards(
    away: Sequence[str] = (), vanishing: Sequence[str] = ()
) -> AsyncIterator[ApiClient]:
    """Follow-ups of two deputies with their facts, on 1 February 2024."""
    kinds = {
        **dict.fromkeys(away, UnavailableFollowups),
        **dict.fromkeys(vanishing, VanishingFollowups),
    }
    stores = {d: kinds.get(d, MemoryFollowups)(d) for d in ("civil", "crisis")}
    for id_, (changes, facts) in BRIDGES.items():
        await _save_life(stores["civil"], fact_of_opening(resolution_id=id_, **changes), *facts)
    flood = {"deputy": "crisis", "axis": "crisis", "session_kind": "provincial"}
    await _save_life(stores["crisis"], fact_of_opening(resolution_id="R-5", **flood))
    service = followups_service(*stores)
    for deputy, store in stores.items():
        context = replace(TRACKING, deputy=deputy)
        service.contexts[deputy] = followups.ApiContext(store, context, store.files)
    service.clock.instant = datetime(2024, 2, 1, 20, 29, tzinfo=UTC)  # 23:59 in Tehran
    async with client_of(list, service.app) as client:
        yield client


@asynccontextmanager
async def open_notify() -> AsyncIterator[ApiClient]:
    """The notices of one session."""
    store = FakeNotices()
    told = new_notices(session(), NOW, None)
    await store.save(
        [notify_handlers.Change(None, notice, (), NOW) for notice in told],
        CommitContext("event", "notify"),
    )
    app = app_of(notify.routes(store), persian=notify_words.CATALOGUE)
    async with client_of(lambda: store.events, app) as client:
        yield client


IN_MEMORY: Final = {
    "scheduler": open_scheduler,
    "reports": open_reports,
    "followups": open_followups,
    "notify": open_notify,
}
