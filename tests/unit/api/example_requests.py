"""One accepted request for every operation of every service, and services with data for them."""

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
from services.notify.domain import notices
from services.reports import api as reports
from services.scheduler import api as scheduler
from shared.contracts.reference import PROVINCE_CODES
from shared.messaging.core.model import CommitContext, Event
from tests.stores.fakes_followups import MemoryFollowups
from tests.stores.fakes_notify import FakeNotices
from tests.stores.fakes_reports import MemoryReadLog
from tests.stores.fakes_scheduler import MemoryRegister
from tests.unit.api.services_in_memory import (
    BRIDGE,
    REPORT,
    VISIT,
    ApiClient,
    FixedClock,
    app_of,
    client_of,
    followups_service,
)
from tests.unit.followups.examples import NOW, TRACKING, WATCHED
from tests.unit.followups.messages import approval
from tests.unit.notify.examples import session
from tests.unit.reports.builders import BEFORE, RECEPTION, message, scheduled
from tests.unit.reports.offices import Office
from tests.unit.scheduler.examples import context

CIVIL: Final = {"X-Peygir-User": "d.karimi", "X-Peygir-Roles": "deputy:civil"}
COORDINATION: Final = {"X-Peygir-User": "c.ahmadi", "X-Peygir-Roles": "coordination"}
PROVINCE: Final = {"X-Peygir-User": "g.razavi", "X-Peygir-Roles": "province:IR-09"}
OFFICE: Final = {"X-Peygir-User": "m.rezaei", "X-Peygir-Roles": "minister-office"}


@dataclass(frozen=True, slots=True)
class Example:
    """A request that is accepted."""

    path: str  # as OpenAPI has it, below /v1
    body: Any = None
    who: Mapping[str, str] = field(default_factory=dict)  # its headers
    of: Mapping[str, str] = field(default_factory=dict)  # the parameters of its path
    query: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None  # instead of a JSON body
    method: str = "post"

    @property
    def operation(self) -> tuple[str, str]:
        return self.method, f"/v1{self.path}"


def _step(name: str, state: str, who: Mapping[str, str], **body: Any) -> Example:
    return Example(
        f"/followups/{{followup_id}}/{name}", body, who, {"followup_id": state, "item": "1"}
    )


_SESSION: Final = "/sessions/{session_id}"
_RESOLUTION: Final = "/resolutions/{resolution_id}"
_ABSENCES: Final = "/deputies/{deputy}/absences"
_NOTE: Final = "پیش رفت"

POSTS: Final[Mapping[str, tuple[Example, ...]]] = {
    "scheduler": (
        Example("/seasons", {"season": "1405", "starts_on": "2026-08-10", "starts_at_time": "09:30",
                             "minutes": 240, "mode": "webinar", "venue": "سالن شهید رجایی",
                             "provinces": sorted(PROVINCE_CODES, reverse=True)}),
        Example("/sessions", {**VISIT, "session_id": "visit-9", "venue": "دوغارون",
                              "season": None}),
        Example(f"{_SESSION}/reschedule", {"starts_at": "2024-05-02T09:00:00+03:30",
                                           "ends_at": "2024-05-02T12:00:00+03:30", "reason": "برف"},
                of={"session_id": "visit-3"}),
        Example(f"{_SESSION}/cancel", {"reason": "برف"}, of={"session_id": "visit-3"}),
        Example(f"{_SESSION}/open", of={"session_id": "visit-3"}),
        Example(f"{_SESSION}/close", {"summary": "جمع‌بندی"}, of={"session_id": "visit-1"}),
        Example(f"{_SESSION}/resolutions", {"resolutions": [
            {**BRIDGE, "resolution_id": "R-9", "axis": "crisis", "province": "IR-09",
                 "text": "پل", "supporting": ["شهرداری مشهد"], "executing_body": "وزارت راه",
                 "priority": "urgent", "number": "۱۲/۳", "baseline_on": "2024-01-01"}, BRIDGE]},
                of={"session_id": "visit-1"}),
        Example(f"{_RESOLUTION}/amend", {"title": "تکمیل دو پل", "due_on": "2031-01-01",
                                         "text": "پل", "supporting": ["شهرداری مشهد"],
                                         "executing_body": "وزارت راه",
                                         "priority": "urgent", "number": "۱۲/۴", "reason": "سیل"},
                of={"resolution_id": "visit-1-R1"}),
        Example(f"{_RESOLUTION}/withdraw", {"reason": "تکراری"},
                of={"resolution_id": "visit-1-R1"}),
    ),
    "reports": (
        Example("/circulars", {"catalogue_version": 1, "provinces": ["IR-09"],
                               "circular_id": "1402-3"}),
        Example("/reports", {**REPORT, "session_id": "1402-IR-10", "url": "https://example.ir/r",
                             "special_topics": [{"title": "مرز", "text": "آرام"}]}),
        Example("/reports/{report_id}/distribute", of={"report_id": "report_id"}),
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
        Example("/followups/{followup_id}/evidence", None, CIVIL, {"followup_id": "acknowledged"},
                {"name": "پل.pdf", "note": _NOTE}, b"%PDF"),
        Example("/deputies/{deputy}/move", {"to": "social", "reason": "ادغام", "limit": 2,
                "resolution_ids": ["opened", "closed"], "after": "0", "dry_run": False},
                OFFICE, {"deputy": "civil"}),
        Example(_ABSENCES, {"substitute": "j.amini", "first_on": "2023-11-01",
                            "last_on": "2023-11-20", "reason": "مأموریت"},
                CIVIL, {"deputy": "civil"}),
        Example(f"{_ABSENCES}/{{absence_id}}/end", {}, CIVIL,
                {"deputy": "civil", "absence_id": "absence_id"}),
    ),
    "notify": (),
}  # fmt: skip
"""By service. `test_bulk` tests the route that accepts a spreadsheet."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A service with data in every state, and the ids for the names in `Example.of`."""

    client: ApiClient
    ids: Mapping[str, str] = field(default_factory=dict)

    def events(self) -> list[Event]:
        """All committed events."""
        return list(self.client.events())

    def path_values(self, example: Example) -> dict[str, str]:
        """The parameters of a path, with the ids of this service."""
        return {name: self.ids.get(value, value) for name, value in example.of.items()}

    async def send(self, example: Example) -> None:
        """Send it unchanged; it has to be accepted."""
        raw, body = example.content, {"json": example.body}
        if raw is not None:
            body = {"content": raw}
        answer = await self.client.http.request(
            example.method,
            f"/v1{example.path}".format(**self.path_values(example)),
            params=dict(example.query),
            headers=dict(example.who),
            **body,
        )
        assert answer.is_success, (example.operation, answer.text)


_STEPS_BEFORE: Final[Mapping[str, tuple[Example, ...]]] = {
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
"""The steps that each follow-up has taken, by the id of its resolution."""

_NOT_ACKNOWLEDGED: Final = frozenset({"opened", "disputed"})
"""Those that are not acknowledged before their steps."""


@dataclass(frozen=True, slots=True)
class _Template:
    """A service, built once, with the content of its stores after it was prepared."""

    app: FastAPI
    stores: Sequence[Any]
    events: Callable[[], list[Event]]
    ids: Mapping[str, str]
    contents: Sequence[dict[str, Any]]

    @classmethod
    async def of(
        cls,
        app: FastAPI,
        stores: Sequence[Any],
        events: Callable[[], list[Event]],
        prepare: Callable[[Prepared], Awaitable[Mapping[str, str]]],
    ) -> Self:
        async with client_of(events, app) as client:
            ids = await prepare(Prepared(client))
        return cls(app, stores, events, ids, _copies(stores, [vars(store) for store in stores]))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Prepared]:
        """The service as it was prepared, whatever happened since."""
        contents = _copies(self.stores, self.contents)
        for store, content in zip(self.stores, contents, strict=True):
            vars(store).update(content)
        async with client_of(self.events, self.app) as client:
            yield Prepared(client, self.ids)


def _copies(stores: Sequence[Any], contents: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """Copies of the contents of stores; references to the stores themselves stay."""
    return deepcopy(contents, {id(store): store for store in stores})


async def _scheduler() -> _Template:
    register = MemoryRegister()
    app = app_of(*scheduler.routes(scheduler.ApiContext(register, context(), FixedClock(NOW))))

    async def prepare(prepared: Prepared) -> Mapping[str, str]:
        for id_ in ("visit-1", "visit-3"):
            await prepared.send(Example("/sessions", {**VISIT, "session_id": id_}))
        await prepared.send(Example(f"{_SESSION}/open", of={"session_id": "visit-1"}))
        resolutions = {"resolutions": [{**BRIDGE, "resolution_id": "visit-1-R1"}]}
        path = f"{_SESSION}/resolutions"
        await prepared.send(Example(path, resolutions, of={"session_id": "visit-1"}))
        await prepared.send(Example("/seasons", {"season": "1403", "starts_on": "2024-08-12"}))
        return {"season": "1403", "session_id": "visit-1", "resolution_id": "visit-1-R1"}

    return await _Template.of(app, [register], lambda: list(register.events), prepare)


async def _reports() -> _Template:
    office = Office()
    api = reports.ApiContext(office.store, office.circulars, RECEPTION, MemoryReadLog(BEFORE))
    app = app_of(reports.routes(api, FixedClock(BEFORE)))

    async def prepare(prepared: Prepared) -> Mapping[str, str]:
        for number, id_ in enumerate(("1402-IR-09", "1402-IR-10")):
            await office.hear(message(scheduled(id_), sequence=1, id_=id_, offset=number))
        await prepared.send(Example("/reports", {**REPORT, "session_id": "1402-IR-09"}))
        await prepared.send(
            Example("/circulars", {"catalogue_version": 1, "circular_id": "1402-1"})
        )
        (report,) = await prepared.client.items("/reports")
        ids = {"session_id": "1402-IR-09", "circular_id": "1402-1", "version": "1"}
        return {**ids, "report_id": report["report_id"]}

    return await _Template.of(
        app, [office.store, office.circulars], lambda: office.published, prepare
    )


async def _followups() -> _Template:
    """Follow-ups of two deputies; those of the first are in every state."""
    stores = {deputy: MemoryFollowups(deputy) for deputy in ("civil", "social")}
    service, now = followups_service(*stores), NOW + timedelta(hours=1)

    async def prepare(prepared: Prepared) -> Mapping[str, str]:
        known: dict[str, Any] = {"province": "IR-09", "supporting": ["شهرداری مشهد", "social"]}
        messages = [approval(id_, resolution_id=id_, **known) for id_ in _STEPS_BEFORE]
        context = service.contexts["civil"].context
        decision = await followups_handlers.handle_events(messages, stores["civil"], context, NOW)
        await stores["civil"].save(decision.changes, CommitContext("event", "followups"))
        items = await prepared.client.items("/followups")
        ids = {item["resolution_id"]: item["followup_id"] for item in items}
        with_ids = replace(prepared, ids=ids)
        for id_, steps in _STEPS_BEFORE.items():
            if id_ not in _NOT_ACKNOWLEDGED:
                await with_ids.send(_step("acknowledge", id_, CIVIL))
            for step in steps:
                await with_ids.send(step)
        absence = {"substitute": "j.amini", "first_on": "2023-10-20", "last_on": "2023-10-25"}
        path = _ABSENCES.format(deputy="civil")
        declared = await prepared.client.post(path, {**absence, "reason": "سفر"}, **CIVIL)
        found = {"deputy": "civil", "absence_id": declared.json()["absence_id"]}
        return {**ids, "followup_id": ids["shared"], "item": "1", **found}

    for deputy, store in stores.items():
        context = replace(TRACKING, deputy=deputy, escalation=WATCHED)
        service.contexts[deputy] = followups.ApiContext(store, context, store.files)
    service.clock.instant = now
    events = lambda: [event for store in stores.values() for event in store.events]  # noqa: E731
    all_stores = [*stores.values(), *(store.files for store in stores.values())]
    return await _Template.of(service.app, all_stores, events, prepare)


async def _notify() -> _Template:
    store = FakeNotices()
    told = notices.new_notices(session(), NOW, None)
    changes = [notify_handlers.Change(None, notice, (), NOW) for notice in told]

    async def prepare(prepared: Prepared) -> Mapping[str, str]:
        await store.save(changes, CommitContext("event", "notify"))
        (first, *_) = await prepared.client.items("/notices")
        return {"notice_id": first["notice_id"]}

    app = app_of(notify.routes(store))
    return await _Template.of(app, [store], lambda: list(store.events), prepare)


_PREPARE: Final[Mapping[str, Callable[[], Awaitable[_Template]]]] = {
    "scheduler": _scheduler,
    "reports": _reports,
    "followups": _followups,
    "notify": _notify,
}
SERVICES: Final = tuple(_PREPARE)
_templates: Final[dict[str, _Template]] = {}


@asynccontextmanager
async def opened(service: str) -> AsyncIterator[Prepared]:
    """A service with data in every state, each time as if nothing had happened since.

    It is built and prepared once, as that takes longer than most requests.
    """
    if service not in _templates:
        _templates[service] = await _PREPARE[service]()
    async with _templates[service].opened() as prepared:
        yield prepared


def reads(document: Mapping[str, Any]) -> list[Example]:
    """A request for every operation that reads; its parameters are names in `Prepared.ids`."""
    return [
        Example(
            path.removeprefix("/v1"),
            of={p["name"]: p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"},
            query={"seed": "۱۴۰۲"} if path.endswith("/inspections") else {},
            method="get",
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method == "get" and path.startswith("/v1")
    ]
