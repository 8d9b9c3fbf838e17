"""One request that is taken for every operation of every service, and something it is taken of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, Self

from fastapi import FastAPI

from services.followups import api as followups
from services.followups import handlers as followups_handlers
from services.notify import api as notify
from services.notify import handlers as notify_handlers
from services.notify.domain.notices import new_notices
from services.reports import api as reports
from services.scheduler import api as scheduler
from shared.contracts.reference import PROVINCE_CODES
from shared.messaging.core.model import CommitContext, Event
from tests.stores.fakes_followups import MemoryFollowups
from tests.stores.fakes_notify import FakeNotices
from tests.stores.fakes_scheduler import MemoryRegister
from tests.unit.api.offices import (
    BRIDGE,
    REPORT,
    VISIT,
    Counter,
    Standing,
    app_over,
    followups_house,
    over,
)
from tests.unit.followups.examples import NOW, TRACKING, WATCHED
from tests.unit.followups.test_handlers import approval
from tests.unit.notify.examples import session
from tests.unit.reports.builders import BEFORE, RECEPTION, message, scheduled
from tests.unit.reports.offices import Office
from tests.unit.scheduler.examples import context

CIVIL: Final = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
COORDINATION: Final = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
PROVINCE: Final = {"X-Peygir-User": "g.razavi", "X-Peygir-Roles": "province:IR-09"}
OFFICE: Final = {"X-Peygir-User": "m.rezaei", "X-Peygir-Roles": "minister-office"}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that is taken."""

    path: str  # as OpenAPI has it, below /v1
    body: Any = None
    who: Mapping[str, str] = field(default_factory=dict)
    of: Mapping[str, str] = field(default_factory=dict)  # the path's parameters
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None  # instead of a JSON body
    method: str = "post"

    @property
    def operation(self) -> tuple[str, str]:
        return self.method, f"/v1{self.path}"


def _step(name: str, state: str, who: Mapping[str, str], **body: Any) -> Ask:
    return Ask(f"/followups/{{followup_id}}/{name}", body, who, {"followup_id": state, "item": "1"})


_SESSION: Final = "/sessions/{session_id}"
_RESOLUTION: Final = "/resolutions/{resolution_id}"
_NOTE: Final = "پیش رفت"

POSTS: Final[Mapping[str, tuple[Ask, ...]]] = {
    "scheduler": (
        Ask("/seasons", {"season": "1405", "starts_on": "2026-08-10", "starts_at_time": "09:30",
                         "minutes": 240, "mode": "webinar", "venue": "سالن شهید رجایی",
                         "provinces": sorted(PROVINCE_CODES, reverse=True)}),
        Ask("/sessions", {**VISIT, "session_id": "visit-9", "venue": "دوغارون", "season": None}),
        Ask(f"{_SESSION}/reschedule", {"starts_at": "2024-05-02T09:00:00+03:30",
                                       "ends_at": "2024-05-02T12:00:00+03:30", "reason": "برف"},
            of={"session_id": "visit-3"}),
        Ask(f"{_SESSION}/cancel", {"reason": "برف"}, of={"session_id": "visit-3"}),
        Ask(f"{_SESSION}/open", of={"session_id": "visit-3"}),
        Ask(f"{_SESSION}/close", {"summary": "جمع‌بندی"}, of={"session_id": "visit-1"}),
        Ask(f"{_SESSION}/resolutions", {"resolutions": [
            {**BRIDGE, "resolution_id": "R-9", "axis": "crisis", "province": "IR-09",
             "text": "پل", "supporting": ["شهرداری مشهد"], "executing_body": "وزارت راه",
             "priority": "urgent", "number": "۱۲/۳", "baseline_on": "2024-01-01"}, BRIDGE]},
            of={"session_id": "visit-1"}),
        Ask(f"{_RESOLUTION}/amend", {"title": "تکمیل دو پل", "due_on": "2031-01-01", "text": "پل",
                                     "supporting": ["شهرداری مشهد"], "executing_body": "وزارت راه",
                                     "priority": "urgent", "number": "۱۲/۴", "reason": "سیل"},
            of={"resolution_id": "visit-1-R1"}),
        Ask(f"{_RESOLUTION}/withdraw", {"reason": "تکراری"}, of={"resolution_id": "visit-1-R1"}),
    ),
    "reports": (
        Ask("/circulars", {"catalogue_version": 1, "provinces": ["IR-09"],
                           "circular_id": "1402-3"}),
        Ask("/reports", {**REPORT, "session_id": "1402-IR-10", "url": "https://example.ir/r",
                         "special_topics": [{"title": "مرز", "text": "آرام"}]}),
        Ask("/reports/{report_id}/distribute", of={"report_id": "report_id"}),
    ),
    "followups": (
        _step("acknowledge", "opened", CIVIL, stance="agreed", note=_NOTE),
        _step("settle", "disputed", COORDINATION, reason="بجاست"),
        _step("progress", "acknowledged", CIVIL, progress=30, note=_NOTE),
        _step("block", "acknowledged", CIVIL, blocked_by="استانداری", reason="زمین"),
        _step("unblock", "blocked", CIVIL, note=_NOTE),
        _step("request-extension", "acknowledged", CIVIL, due_on="2024-02-01", reason="باران"),
        _step("extend", "asked", COORDINATION, due_on="2024-02-10", note=_NOTE),
        _step("refuse-extension", "asked", COORDINATION, reason="بی‌دلیل"),
        _step("complete", "acknowledged", CIVIL, note=_NOTE),
        _step("verify", "done", COORDINATION, finding="partly-done", note=_NOTE),
        _step("reopen", "done", COORDINATION, reason="ناقص"),
        _step("close", "acknowledged", COORDINATION, outcome="superseded", reason="ادغام"),
        _step("assign", "acknowledged", CIVIL, officer="a.nouri", note=_NOTE),
        _step("unassign", "shared", CIVIL, note=_NOTE),
        _step("delegate", "acknowledged", CIVIL, to="a.nouri", until="2023-10-20", note=_NOTE),
        _step("end-delegation", "shared", CIVIL, note=_NOTE),
        _step("parts", "acknowledged", CIVIL, body="شهرداری مشهد", progress=20, note=_NOTE),
        _step("items", "acknowledged", CIVIL, title="زمین", owner="بنیاد", due_on="2023-12-01"),
        _step("items/{item}/done", "shared", CIVIL, note=_NOTE),
        _step("items/{item}/drop", "shared", CIVIL, reason="لازم نیست"),
        _step("link", "opened", COORDINATION, predecessor="1401-R7", predecessor_deputy="social"),
        _step("comments", "closed", PROVINCE, text="پل هنوز بسته است"),
        _step("evidence-links", "acknowledged", CIVIL, url="https://example.ir/نامه",
              sha256="Ab" * 32, note=_NOTE),
        Ask("/followups/{followup_id}/evidence", None, CIVIL, {"followup_id": "acknowledged"},
            {"name": "پل.pdf", "note": _NOTE}, b"%PDF"),
        Ask("/deputies/{deputy}/move", {"to": "social", "reason": "ادغام", "limit": 2,
            "resolution_ids": ["opened", "closed"], "after": "0", "dry_run": False},
            OFFICE, {"deputy": "civil"}),
    ),
    "notify": (),
}  # fmt: skip
"""By service. What takes a spreadsheet is tried in `test_bulk`."""


@dataclass(frozen=True, slots=True)
class Place:
    """A service with something in every state, and what stands for the names in `Ask.of`."""

    counter: Counter
    ids: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> list[Event]:
        return list(self.counter.told())

    def of(self, ask: Ask) -> dict[str, str]:
        return {name: self.ids.get(value, value) for name, value in ask.of.items()}

    async def taken(self, ask: Ask) -> None:
        """Send it as it is."""
        answer = await self.counter.http.request(
            ask.method,
            f"/v1{ask.path}".format(**self.of(ask)),
            params=dict(ask.query),
            headers=dict(ask.who),
            **({"content": ask.content} if ask.content is not None else {"json": ask.body}),
        )
        assert answer.is_success, (ask.operation, answer.text)


_LIVES: Final[Mapping[str, tuple[Ask, ...]]] = {
    "opened": (),
    "disputed": (_step("acknowledge", "disputed", CIVIL, stance="disputed", note="نه ما"),),
    "acknowledged": (),
    "blocked": (_step("block", "blocked", CIVIL, blocked_by="بنیاد", reason="زمین"),),
    "asked": (_step("request-extension", "asked", CIVIL, due_on="2024-02-01", reason="باران"),),
    "done": (_step("complete", "done", CIVIL),),
    "verified": (_step("complete", "verified", CIVIL), _step("verify", "verified", COORDINATION)),
    "closed": (_step("close", "closed", COORDINATION, outcome="superseded", reason="ادغام"),),
    "shared": (
        _step("assign", "shared", CIVIL, officer="a.nouri"),
        _step("delegate", "shared", CIVIL, to="s.moradi", until="2023-10-20"),
        _step("items", "shared", CIVIL, title="زمین", owner="بنیاد", due_on="2023-12-01"),
        _step("comments", "shared", CIVIL, text="آغاز شد"),
        _step("evidence-links", "shared", CIVIL, url="https://example.ir/"),
    ),
}
"""What has happened to each follow-up, by the id of its resolution."""

_OPENED: Final = frozenset({"opened", "disputed"})
"""Those of which nobody has taken note before."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A service's HTTP, built once, and how its stores were when it was furnished."""

    app: FastAPI
    stores: Sequence[Any]
    told: Callable[[], list[Event]]
    ids: Mapping[str, str]
    furnished: Sequence[dict[str, Any]]

    @classmethod
    async def of(
        cls,
        app: FastAPI,
        stores: Sequence[Any],
        told: Callable[[], list[Event]],
        furnish: Callable[[Place], Awaitable[Mapping[str, str]]],
    ) -> Self:
        async with over(told, app) as counter:
            ids = await furnish(Place(counter))
        return cls(app, stores, told, ids, _copies(stores, [vars(store) for store in stores]))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Place]:
        """The service as it was furnished, whatever happened since."""
        furnished = _copies(self.stores, self.furnished)
        for store, content in zip(self.stores, furnished, strict=True):
            vars(store).update(content)
        async with over(self.told, self.app) as counter:
            yield Place(counter, self.ids)


def _copies(stores: Sequence[Any], contents: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Copies of what stores hold, which refer to the stores themselves as before."""
    return deepcopy(contents, {id(store): store for store in stores})


async def _scheduler() -> _Kept:
    register = MemoryRegister()
    app = app_over(*scheduler.routes(scheduler.ApiContext(register, context(), Standing(NOW))))

    async def furnish(place: Place) -> Mapping[str, str]:
        for id_ in ("visit-1", "visit-3"):
            await place.taken(Ask("/sessions", {**VISIT, "session_id": id_}))
        await place.taken(Ask(f"{_SESSION}/open", of={"session_id": "visit-1"}))
        resolutions = {"resolutions": [{**BRIDGE, "resolution_id": "visit-1-R1"}]}
        path = f"{_SESSION}/resolutions"
        await place.taken(Ask(path, resolutions, of={"session_id": "visit-1"}))
        await place.taken(Ask("/seasons", {"season": "1403", "starts_on": "2024-08-12"}))
        return {"season": "1403", "session_id": "visit-1", "resolution_id": "visit-1-R1"}

    return await _Kept.of(app, [register], lambda: list(register.events), furnish)


async def _reports() -> _Kept:
    office = Office()
    api = reports.ApiContext(office.store, office.circulars, RECEPTION)
    app = app_over(reports.routes(api, Standing(BEFORE)))

    async def furnish(place: Place) -> Mapping[str, str]:
        for number, id_ in enumerate(("1402-IR-09", "1402-IR-10")):
            await office.hear(message(scheduled(id_), sequence=1, id_=id_, offset=number))
        await place.taken(Ask("/reports", {**REPORT, "session_id": "1402-IR-09"}))
        await place.taken(Ask("/circulars", {"catalogue_version": 1, "circular_id": "1402-1"}))
        (report,) = await place.counter.items("/reports")
        ids = {"session_id": "1402-IR-09", "circular_id": "1402-1", "version": "1"}
        return {**ids, "report_id": report["report_id"]}

    return await _Kept.of(app, [office.store, office.circulars], lambda: office.published, furnish)


async def _followups() -> _Kept:
    """Follow-ups of two deputies, and of the first in every state."""
    stores = {deputy: MemoryFollowups(deputy) for deputy in ("civil", "social")}
    house, now = followups_house(*stores), NOW + timedelta(hours=1)

    async def furnish(place: Place) -> Mapping[str, str]:
        known: dict[str, Any] = {"province": "IR-09", "supporting": ["شهرداری مشهد", "social"]}
        messages = [approval(id_, resolution_id=id_, **known) for id_ in _LIVES]
        context = house.contexts["civil"].context
        decision = await followups_handlers.handle_events(messages, stores["civil"], context, NOW)
        await stores["civil"].save(decision.changes, CommitContext("event", "followups"))
        items = await place.counter.items("/followups")
        ids = {item["resolution_id"]: item["followup_id"] for item in items}
        lived = replace(place, ids=ids)
        for id_, steps in _LIVES.items():
            if id_ not in _OPENED:
                await lived.taken(_step("acknowledge", id_, CIVIL))
            for step in steps:
                await lived.taken(step)
        return {**ids, "followup_id": ids["shared"], "item": "1"}

    for deputy, store in stores.items():
        context = replace(TRACKING, deputy=deputy, escalation=WATCHED)
        house.contexts[deputy] = followups.ApiContext(store, context, store.files)
    house.clock.instant = now
    every = lambda: [event for store in stores.values() for event in store.events]  # noqa: E731
    kept = [*stores.values(), *(store.files for store in stores.values())]
    return await _Kept.of(house.app, kept, every, furnish)


async def _notify() -> _Kept:
    store = FakeNotices()
    told = new_notices(session(), NOW, None)
    changes = [notify_handlers.Change(None, notice, (), NOW) for notice in told]

    async def furnish(place: Place) -> Mapping[str, str]:
        await store.save(changes, CommitContext("event", "notify"))
        (first, *_) = await place.counter.items("/notices")
        return {"notice_id": first["notice_id"]}

    app = app_over(notify.routes(store))
    return await _Kept.of(app, [store], lambda: list(store.events), furnish)


_FURNISH: Final[Mapping[str, Callable[[], Awaitable[_Kept]]]] = {
    "scheduler": _scheduler,
    "reports": _reports,
    "followups": _followups,
    "notify": _notify,
}
SERVICES: Final = tuple(_FURNISH)
_kept: Final[dict[str, _Kept]] = {}


@asynccontextmanager
async def opened(service: str) -> AsyncIterator[Place]:
    """A service with something in every state; each time as if nothing had happened since.

    Built and furnished once, since that takes longer than most requests.
    """
    if service not in _kept:
        _kept[service] = await _FURNISH[service]()
    async with _kept[service].opened() as place:
        yield place


def reads(document: Mapping[str, Any]) -> list[Ask]:
    """A request for every operation that reads, of what `Place.ids` has under its parameters."""
    return [
        Ask(
            path.removeprefix("/v1"),
            of={p["name"]: p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"},
            query={"seed": "۱۴۰۲"} if path.endswith("/inspections") else {},
            method="get",
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method == "get" and path.startswith("/v1")
    ]
