"""The HTTP of every service over a store in memory, each with something to look at."""

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
from services.followups.domain.records import (
    Extended,
    Fact,
    FellOverdue,
    Followup,
    Opened,
    evolve,
    opened,
)
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
from shared.runtime.identity import OpenIdentity
from shared.runtime.metrics import Metrics
from shared.runtime.persian import SHARED, Catalogue, Persian
from tests.stores.fakes_followups import MemoryFollowups
from tests.stores.fakes_notify import FakeNotices
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
from tests.unit.followups.test_handlers import approval
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
"""What changes from one bridge to the next, and what has happened to each."""
BRIDGE: Final = {"deputy": "civil", "title": "تکمیل پل", "due_on": "2030-01-01"}


@dataclass(slots=True)
class Standing:
    """A clock that shows one instant (UTC), until it is set to another."""

    instant: datetime

    async def now(self) -> datetime:
        return self.instant


@dataclass(frozen=True, slots=True)
class Counter:
    """A service's HTTP, and what it told since."""

    app: FastAPI
    http: httpx.AsyncClient
    told: Callable[[], Sequence[Event]]

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.http.post(f"/v1{path}", json=body, headers=headers)

    async def items(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = await self.http.get(f"/v1{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def app_over(
    *routers: APIRouter,
    persian: Catalogue = NO_WORDS,
    long_bodies: Sequence[LongBody] = (),
) -> FastAPI:
    """The app of these routes, as every service builds its own."""
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
async def over(told: Callable[[], Sequence[Event]], app: FastAPI) -> AsyncIterator[Counter]:
    """The counter of an app; `told` gives all that its store was told."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://peygir") as http:
        yield Counter(app, http, told)


@asynccontextmanager
async def open_scheduler() -> AsyncIterator[Counter]:
    """Two visits, which have begun, with a resolution each."""
    register, clock = MemoryRegister(), Standing(NOW)
    api = scheduler.ApiContext(register, context(), clock)
    app = app_over(*scheduler.routes(api), persian=scheduler_words.CATALOGUE)
    async with over(lambda: register.events, app) as counter:
        for id_ in ("visit-1", "visit-2"):
            made = await counter.post("/sessions", {**VISIT, "session_id": id_})
            assert made.status_code == 201, made.text
            await counter.post(f"/sessions/{id_}/open")
            recorded = {"resolutions": [{**BRIDGE, "resolution_id": f"{id_}-R1"}]}
            made = await counter.post(f"/sessions/{id_}/resolutions", recorded)
            assert made.status_code == 201, made.text
        for season, starts_on in (("1403", "2024-08-12"), ("1404", "2025-08-11")):
            made = await counter.post("/seasons", {"season": season, "starts_on": starts_on})
            assert made.status_code == 201, made.text
        yield counter


@asynccontextmanager
async def open_reports() -> AsyncIterator[Counter]:
    """Two sessions, of which one has its report, and two circulars."""
    office = Office()
    for number, id_ in enumerate(("1402-IR-09", "1402-IR-10")):
        await office.hear(message(scheduled(id_), sequence=1, id_=id_, offset=number))
    api = reports.ApiContext(office.store, office.circulars, RECEPTION)
    app = app_over(reports.routes(api, Standing(BEFORE)), persian=reports_words.CATALOGUE)
    async with over(lambda: office.published, app) as counter:
        sent = await counter.post("/reports", {**REPORT, "session_id": "1402-IR-09"})
        assert sent.status_code == 201, sent.text
        for id_ in ("1402-1", "1402-2"):
            issued = await counter.post("/circulars", {"catalogue_version": 1, "circular_id": id_})
            assert issued.status_code == 201, issued.text
        yield counter


@dataclass(frozen=True, slots=True)
class House:
    """The HTTP of follow-ups, over desks and at an instant that each test sets."""

    app: FastAPI
    contexts: dict[str, followups.ApiContext]
    clock: Standing


@cache
def followups_house(*deputies: str) -> House:
    """The house of these deputies. Built once, since that takes longer than most tests."""
    contexts: dict[str, followups.ApiContext] = {}
    clock = Standing(NOW)
    routers = followups.routes(contexts, EXTENSIONS, clock, FORMATS, XlsxSheets(), PICTURE)
    long_bodies = followups.long_bodies(EVIDENCE_LIMIT, SHEET_LIMIT)
    app = app_over(*routers, long_bodies=long_bodies, persian=followups_words.CATALOGUE)
    return House(app, contexts, clock)


@asynccontextmanager
async def open_followups(at: datetime | None = None) -> AsyncIterator[Counter]:
    """Two follow-ups of one deputy, looked at an hour after they were opened, or at an instant."""
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
    house = followups_house("civil")
    house.contexts["civil"] = followups.ApiContext(store, context, store.files)
    house.clock.instant = at or now
    async with over(lambda: store.events, house.app) as counter:
        yield counter


class Away(MemoryFollowups):
    """A store whose database does not answer."""

    async def counts(self, by: By, as_of: date | None = None) -> Mapping[str, Mapping[str, int]]:
        raise ServerSelectionTimeoutError("no primary")

    async def ids(self, fields: Mapping[str, object]) -> AsyncIterator[Sequence[str]]:
        yield []
        raise ServerSelectionTimeoutError("no primary")


class Leaving(MemoryFollowups):
    """A store whose database gives ids, and then goes away."""

    async def of_ids(self, ids: Collection[str]) -> Mapping[str, Followup]:
        raise ServerSelectionTimeoutError("no primary")


async def _live(store: MemoryFollowups, opening: Opened, *facts: Fact) -> None:
    versions = [opened(opening)]
    for fact in facts:
        versions.append(evolve(versions[-1], fact))
    change = Change(None, versions[-1], (), None, (), versions[:-1])
    await store.save([change], CommitContext("recovery", "recovery"))


@asynccontextmanager
async def open_scorecards(
    away: Sequence[str] = (), leaving: Sequence[str] = ()
) -> AsyncIterator[Counter]:
    """Two deputies' follow-ups on 1 February 2024, each with its life."""
    kinds = {**dict.fromkeys(away, Away), **dict.fromkeys(leaving, Leaving)}
    stores = {d: kinds.get(d, MemoryFollowups)(d) for d in ("civil", "crisis")}
    for id_, (changes, facts) in BRIDGES.items():
        await _live(stores["civil"], fact_of_opening(resolution_id=id_, **changes), *facts)
    flood = {"deputy": "crisis", "axis": "crisis", "session_kind": "provincial"}
    await _live(stores["crisis"], fact_of_opening(resolution_id="R-5", **flood))
    house = followups_house(*stores)
    for deputy, store in stores.items():
        context = replace(TRACKING, deputy=deputy)
        house.contexts[deputy] = followups.ApiContext(store, context, store.files)
    house.clock.instant = datetime(2024, 2, 1, 20, 29, tzinfo=UTC)  # 23:59 in Tehran
    async with over(list, house.app) as counter:
        yield counter


@asynccontextmanager
async def open_notify() -> AsyncIterator[Counter]:
    """The notices of one session."""
    store = FakeNotices()
    told = new_notices(session(), NOW, None)
    await store.save(
        [notify_handlers.Change(None, notice, (), NOW) for notice in told],
        CommitContext("event", "notify"),
    )
    app = app_over(notify.routes(store), persian=notify_words.CATALOGUE)
    async with over(lambda: store.events, app) as counter:
        yield counter


OFFICES: Final = {
    "scheduler": open_scheduler,
    "reports": open_reports,
    "followups": open_followups,
    "notify": open_notify,
}
