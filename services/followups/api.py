"""HTTP under /v1: parse, call a handler, answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, Protocol, TypeVar

import structlog
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StringConstraints
from pymongo.errors import PyMongoError

from services.followups import handlers
from services.followups.domain import decisions
from services.followups.domain.decisions import BadProgress, NotAllowed, Refused
from services.followups.domain.ladder import days_overdue
from services.followups.domain.records import ENDED, Fact, Followup, State
from services.followups.handlers import Followups, Query, Tracking, UnknownFollowup
from shared.messaging.ledger import Entry
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Limit, Page, RequestBody, SortKeys, Traceparent, fitting
from shared.runtime.http.lists import DEFAULT_LIMIT
from shared.runtime.identity import Caller
from shared.runtime.principals import Principal
from shared.runtime.problems import Problem, invalid_field, not_found

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")
Note = Annotated[str, StringConstraints(max_length=20_000)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)]

_BY_ID = SortKeys(str)


class ReadableFollowups(Followups, Protocol):
    """What the API needs of a store besides what the handlers do."""

    async def page(self, query: Query) -> Sequence[Followup]: ...
    async def history(self, followup_id: str) -> Sequence[Entry]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """One deputy's follow-ups and the rules of their tracking."""

    store: ReadableFollowups
    tracking: Tracking


class FollowupItem(BaseModel):
    """A follow-up as it stands, with the field names of the events."""

    followup_id: str
    resolution_id: str
    deputy: str
    title: str
    state: State
    progress: int = Field(description="0 to 100")
    approved_at: datetime
    due_on: date = Field(description="in Asia/Tehran")
    original_due_on: date
    days_overdue: int = Field(description="calendar days; 0 where it is not past or has ended")
    level: int = Field(description="announced for this due date; 0 none")
    session_id: str | None
    session_kind: str | None
    province: str | None
    axis: str | None
    text: str | None
    supporting: tuple[str, ...]
    executing_body: str | None
    priority: str
    number: str | None
    baseline_on: date | None
    claimed_by: str | None
    verified_by: str | None
    outcome: str | None
    opened_at: datetime
    changed_at: datetime
    version: int


class FollowupPage(Page[FollowupItem]):
    """A page of follow-ups; `partial` names deputies whose database did not answer."""

    partial: list[str] = Field(default_factory=list)


class HistoryItem(BaseModel):
    """One event of a follow-up's history."""

    version: int
    type: str
    time: datetime
    by: str
    data: dict[str, Any]


class Acknowledge(RequestBody):
    stance: Literal["agreed", "disputed"] = "agreed"
    note: Note | None = None


class ReportProgress(RequestBody):
    progress: int = Field(ge=0, le=100, strict=True)
    note: Note | None = None


class Complete(RequestBody):
    note: Note | None = None


class Verify(RequestBody):
    finding: Literal["done", "partly-done"] = "done"
    note: Note | None = None


class Reopen(RequestBody):
    reason: Reason


@dataclass(frozen=True)
class Filters:
    """The fields by which the list of follow-ups can be filtered."""

    followup_id: str | None = None
    deputy: str | None = None
    resolution_id: str | None = None
    state: State | None = None
    session_id: str | None = None
    province: str | None = None
    axis: str | None = None
    priority: Literal["normal", "urgent"] | None = None
    level: Annotated[int | None, Field(ge=0, le=3)] = None

    def fields(self) -> dict[str, object]:
        """The wanted value of each stored field, but for its id and its deputy."""
        names = ("resolution_id", "session_id", "province", "axis", "priority", "level")
        wanted: dict[str, object] = {name: getattr(self, name) for name in names}
        wanted["state"] = None if self.state is None else self.state.value
        return {name: value for name, value in wanted.items() if value is not None}


def routes(desks: Mapping[str, Desk], clock: DomainClock) -> APIRouter:
    """The routes over the desks of the deputies that this process serves."""
    router = APIRouter(tags=["follow-ups"])

    @router.get("/followups")
    async def list_followups(
        _: Caller,
        filters: Annotated[Filters, Depends()],
        after: Annotated[tuple[Any, ...] | None, Depends(_BY_ID)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> FollowupPage:
        """List follow-ups by their ids; of all deputies, or of one."""
        wanted = _wanted(desks, filters.deputy)
        if filters.followup_id is not None:
            return await _only(wanted, filters.followup_id, filters, after, await clock.now())
        query = Query(filters.fields(), None if after is None else after[0], limit + 1)
        pages, partial = await _ask(wanted, lambda desk: desk.store.page(query))
        found = sorted((f for page in pages for f in page), key=lambda f: f.followup_id)
        now = await clock.now()
        more = len(found) > limit
        return FollowupPage(
            items=[_item(followup, now) for followup in found[:limit]],
            next_cursor=_BY_ID.write(found[limit - 1].followup_id) if more else None,
            partial=partial,
        )

    @router.get("/followups/{followup_id}")
    async def get_followup(_: Caller, followup_id: str) -> FollowupItem:
        """One follow-up."""
        _desk, followup = await _find(desks, followup_id)
        return _item(followup, await clock.now())

    @router.get("/followups/{followup_id}/history")
    async def get_history(_: Caller, followup_id: str) -> list[HistoryItem]:
        """Everything that happened to a follow-up, by version."""
        desk, _followup = await _find(desks, followup_id)
        return [_history_item(entry) for entry in await desk.store.history(followup_id)]

    async def act(
        followup_id: str,
        by: Principal,
        decide: Callable[[Followup, datetime], Fact],
        traceparent: str | None,
    ) -> FollowupItem:
        desk, _followup = await _find(desks, followup_id)
        now = await clock.now()
        try:
            after = await handlers.act(
                followup_id, desk.store, desk.tracking, by, lambda f: decide(f, now), traceparent
            )
        except UnknownFollowup:
            raise not_found(f"no follow-up {followup_id}") from None
        except Refused as refused:
            raise _problem(refused) from refused
        return _item(after, now)

    @router.post("/followups/{followup_id}/acknowledge")
    async def acknowledge(
        by: Caller, followup_id: str, body: Acknowledge, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy takes note, and agrees or disputes."""
        return await act(
            followup_id,
            by,
            lambda f, now: decisions.acknowledge(f, by, body.stance, body.note, now),
            traceparent,
        )

    @router.post("/followups/{followup_id}/progress")
    async def report_progress(
        by: Caller, followup_id: str, body: ReportProgress, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy reports how far it is."""
        return await act(
            followup_id,
            by,
            lambda f, now: decisions.report_progress(f, by, body.progress, body.note, now),
            traceparent,
        )

    @router.post("/followups/{followup_id}/complete")
    async def complete(
        by: Caller, followup_id: str, body: Complete, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy claims that it is done."""
        return await act(
            followup_id,
            by,
            lambda f, now: decisions.complete(f, by, body.note, now),
            traceparent,
        )

    @router.post("/followups/{followup_id}/verify")
    async def verify(
        by: Caller, followup_id: str, body: Verify, traceparent: Traceparent = None
    ) -> FollowupItem:
        """Coordination, or the province concerned, confirms; never whoever claimed it."""
        return await act(
            followup_id,
            by,
            lambda f, now: decisions.verify(f, by, body.finding, body.note, now),
            traceparent,
        )

    @router.post("/followups/{followup_id}/reopen")
    async def reopen(
        by: Caller, followup_id: str, body: Reopen, traceparent: Traceparent = None
    ) -> FollowupItem:
        """A claim is not confirmed, or a confirmation taken back."""
        return await act(
            followup_id,
            by,
            lambda f, now: decisions.reopen(f, by, body.reason, now),
            traceparent,
        )

    return router


def _wanted(desks: Mapping[str, Desk], deputy: str | None) -> Mapping[str, Desk]:
    if deputy is None:
        return desks
    if deputy not in desks:
        raise invalid_field("deputy", f"not served here; served are {', '.join(desks)}")
    return {deputy: desks[deputy]}


async def _ask(
    desks: Mapping[str, Desk], question: Callable[[Desk], Awaitable[Result]]
) -> tuple[list[Result], list[str]]:
    """Ask several deputies' databases at once; name those that do not answer.

    Raises Problem 503 where none does.
    """
    answers = await asyncio.gather(*(question(d) for d in desks.values()), return_exceptions=True)
    results: list[Result] = []
    partial: list[str] = []
    for deputy, answer in zip(desks, answers, strict=True):
        if isinstance(answer, PyMongoError):
            _log.warning("a deputy's database does not answer", deputy=deputy, error=str(answer))
            partial.append(deputy)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            results.append(answer)
    if not results:
        told = "no deputy's database answers; try again"
        raise Problem(503, "unavailable", "Not available now", told)
    return results, partial


async def _only(
    desks: Mapping[str, Desk],
    followup_id: str,
    filters: Filters,
    after: tuple[Any, ...] | None,
    now: datetime,
) -> FollowupPage:
    answers, partial = await _ask(desks, lambda desk: desk.store.get(followup_id))
    found = (_item(followup, now) for followup in answers if followup is not None)
    one = fitting(next(found, None), "followup_id", after, filters.fields())
    return FollowupPage(items=one, partial=partial)


async def _find(desks: Mapping[str, Desk], followup_id: str) -> tuple[Desk, Followup]:
    """Find a follow-up wherever it is kept: an id does not tell whose it is for ever."""

    async def look(desk: Desk) -> tuple[Desk, Followup | None]:
        return desk, await desk.store.get(followup_id)

    answers, partial = await _ask(desks, look)
    for desk, followup in answers:
        if followup is not None:
            return desk, followup
    if partial:
        told = f"not found, but these deputies' databases do not answer: {', '.join(partial)}"
        raise Problem(503, "unavailable", "Part of the data is not available", told)
    raise not_found(f"no follow-up {followup_id}")


def _problem(refused: Refused) -> Problem:
    if isinstance(refused, BadProgress):
        return invalid_field("progress", str(refused))
    status = 403 if isinstance(refused, NotAllowed) else 409
    title = "Not allowed" if status == 403 else "Not possible as things stand"
    return Problem(status, refused.reason, title, str(refused))


def _item(followup: Followup, now: datetime) -> FollowupItem:
    r = followup.resolution
    return FollowupItem(
        followup_id=followup.followup_id,
        resolution_id=r.resolution_id,
        deputy=r.deputy,
        title=r.title,
        state=followup.state,
        progress=followup.progress,
        approved_at=r.approved_at,
        due_on=r.due_on,
        original_due_on=followup.original_due_on,
        days_overdue=0 if followup.state in ENDED else days_overdue(r.due_on, now),
        level=followup.level,
        session_id=r.session_id,
        session_kind=r.session_kind,
        province=r.province,
        axis=r.axis,
        text=r.text,
        supporting=r.supporting,
        executing_body=r.executing_body,
        priority=r.priority,
        number=r.number,
        baseline_on=r.baseline_on,
        claimed_by=followup.claimed_by,
        verified_by=followup.verified_by,
        outcome=followup.outcome,
        opened_at=followup.opened_at,
        changed_at=followup.changed_at,
        version=followup.version,
    )


def _history_item(entry: Entry) -> HistoryItem:
    event = entry.event
    return HistoryItem(
        version=event.version,
        type=event.type,
        time=event.time,
        by=entry.by,
        data=json.loads(event.data),
    )
