"""Sessions and other gatherings: the calendar, and what becomes of each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import ConfigDict, Field

from services.scheduler import handlers
from services.scheduler.api.context import ApiContext, problems
from services.scheduler.api.fields import SeasonName, Start
from services.scheduler.api.schemas import SessionItem, session_item
from services.scheduler.domain import decisions
from services.scheduler.domain.records import (
    Attendee,
    Gathering,
    Kind,
    Session,
    SessionFact,
    State,
)
from shared.contracts.events import Person
from shared.contracts.events.base import Name, NullIsAbsent, ProvinceCode, Text, Title
from shared.contracts.events.sessions import SessionKind, SessionMode
from shared.runtime.calendar import TEHRAN
from shared.runtime.http import (
    Limit,
    NewId,
    Once,
    Page,
    Repeatable,
    RequestBody,
    Traceparent,
)
from shared.runtime.http.lists import (
    DEFAULT_LIMIT,
    INSTANT,
    Bound,
    Order,
    Sorts,
    Word,
    any_of,
    bounded,
    chosen,
    instant_span,
    since,
    until,
)
from shared.runtime.idempotent_replies import Replying
from shared.runtime.identity import Caller
from shared.runtime.list_queries import Place, Value, ValueRange
from shared.runtime.principals import Principal
from shared.runtime.problems import invalid_field, not_found
from shared.runtime.sentences import sentence

_SORTS = Sorts("sessions", "session_id", {"starts_at": INSTANT, "changed_at": INSTANT})


class Invited(Person):
    """Somebody in a role, as a request names one."""

    model_config = ConfigDict(extra="forbid")


class Schedule(RequestBody):
    session_id: NewId | None = Field(
        None, description="by default of its kind and beginning: `visit-20230820-0900`"
    )
    kind: SessionKind
    provinces: Annotated[tuple[ProvinceCode, ...], NullIsAbsent(())] = ()
    title: Title
    starts_at: Start
    ends_at: Start
    mode: SessionMode
    venue: Name | None = None
    season: SeasonName | None = None
    attendees: Annotated[tuple[Invited, ...], Field(max_length=1_000), NullIsAbsent(())] = ()


class Reschedule(RequestBody):
    starts_at: Start
    ends_at: Start
    reason: Text | None = None


class Cancel(RequestBody):
    reason: Text | None = None


class Close(RequestBody):
    summary: Text | None = None


@dataclass(frozen=True)
class Filters:
    """The fields by which the list of sessions can be filtered."""

    session_id: Annotated[tuple[Word, ...], any_of("Its id.")] = ()
    season: Annotated[tuple[Word, ...], any_of("Of which it is.")] = ()
    kind: Annotated[tuple[Kind, ...], any_of("What it is.")] = ()
    state: Annotated[tuple[State, ...], any_of("Where it stands.")] = ()
    provinces: Annotated[tuple[Word, ...], any_of("One that is among them.")] = ()
    province: Annotated[tuple[Word, ...], any_of("The same as `provinces`.")] = ()
    starts_from: Annotated[Bound | None, since("Begins")] = None
    starts_to: Annotated[Bound | None, until("Begins")] = None
    changed_from: Annotated[Bound | None, since("Changed last")] = None
    changed_to: Annotated[Bound | None, until("Changed last")] = None

    def fields(self) -> dict[str, Collection[Value]]:
        """The wanted values of each stored field.

        Raises Problem 422 where both names of one filter were given and differ.
        """
        if self.provinces and self.province and set(self.provinces) != set(self.province):
            raise invalid_field("province", "differs from `provinces`, which is the same")
        return chosen(
            {
                "session_id": self.session_id,
                "season": self.season,
                "kind": self.kind,
                "state": tuple(state.value for state in self.state),
                "provinces": self.provinces or self.province,
            }
        )

    def spans(self) -> dict[str, ValueRange]:
        """From when to when. Raises Problem 422 where that is backwards."""
        return bounded(
            {
                "starts_at": instant_span("starts", self.starts_from, self.starts_to),
                "changed_at": instant_span("changed", self.changed_from, self.changed_to),
            }
        )


def routes(api: ApiContext) -> APIRouter:
    """The routes of sessions."""
    router = APIRouter(tags=["sessions"])

    @router.get("/sessions")
    async def list_sessions(
        _: Caller,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[SessionItem]:
        """List sessions."""
        query = order.query(limit, filters.fields(), filters.spans())
        found = await api.store.page_of_sessions(query)
        shown, cursor = _SORTS.cut(found, limit, order, _places(order))
        return Page(items=[session_item(session) for session in shown], next_cursor=cursor)

    @router.post("/sessions", status_code=201)
    async def schedule(
        by: Caller, body: Schedule, once: Repeatable, traceparent: Traceparent = None
    ) -> SessionItem:
        """Coordination puts any other gathering into the calendar."""
        now = await api.clock.now()

        async def put(reply: Replying[Session]) -> Session:
            with problems():
                return await handlers.schedule(
                    _gathering(body), api.store, api.context, by, now, traceparent, reply
                )

        return await once(api.store.replies, put, session_item)

    @router.get("/sessions/{session_id}")
    async def get_session(_: Caller, session_id: str) -> SessionItem:
        """One session."""
        session = await api.store.session(session_id)
        if session is None:
            raise not_found(sentence("no session {session_id}", session_id=session_id))
        return session_item(session)

    async def act(
        session_id: str,
        by: Principal,
        decide: Callable[[Session, datetime], SessionFact | None],
        once: Once,
        traceparent: str | None,
    ) -> SessionItem:
        now = await api.clock.now()

        def decided(session: Session) -> SessionFact | None:
            return decide(session, now)

        async def done(reply: Replying[Session]) -> Session:
            with problems():
                return await handlers.act(
                    session_id, api.store, api.context, by, decided, traceparent, reply
                )

        return await once(api.store.replies, done, session_item)

    @router.post("/sessions/{session_id}/reschedule")
    async def reschedule(
        by: Caller,
        session_id: str,
        body: Reschedule,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> SessionItem:
        """Coordination moves it; a provincial one's report is then due accordingly."""
        lead = api.context.report_lead
        return await act(
            session_id,
            by,
            lambda s, now: decisions.reschedule(
                s, by, body.starts_at, body.ends_at, body.reason, lead, now
            ),
            once,
            traceparent,
        )

    @router.post("/sessions/{session_id}/cancel")
    async def cancel(
        by: Caller,
        session_id: str,
        once: Repeatable,
        body: Cancel | None = None,
        traceparent: Traceparent = None,
    ) -> SessionItem:
        """Coordination calls it off before it begins."""
        reason = None if body is None else body.reason
        return await act(
            session_id, by, lambda s, now: decisions.cancel(s, by, reason, now), once, traceparent
        )

    @router.post("/sessions/{session_id}/open")
    async def open_(
        by: Caller, session_id: str, once: Repeatable, traceparent: Traceparent = None
    ) -> SessionItem:
        """It begins."""
        return await act(
            session_id, by, lambda s, now: decisions.open_(s, by, now), once, traceparent
        )

    @router.post("/sessions/{session_id}/close")
    async def close(
        by: Caller,
        session_id: str,
        once: Repeatable,
        body: Close | None = None,
        traceparent: Traceparent = None,
    ) -> SessionItem:
        """The Minister has summed up; the resolutions recorded until then are counted."""
        summary = None if body is None else body.summary
        return await act(
            session_id, by, lambda s, now: decisions.close(s, by, summary, now), once, traceparent
        )

    return router


def _places(order: Order) -> Callable[[Session], Place]:
    """Where a session stands by a sort."""

    def place(session: Session) -> Place:
        match order.sort.field:
            case "starts_at":
                return Place(session.session_id, session.gathering.starts_at)
            case "changed_at":
                return Place(session.session_id, session.changed_at)
            case _:
                return Place(session.session_id)

    return place


def _gathering(body: Schedule) -> Gathering:
    begins = body.starts_at.astimezone(TEHRAN)
    return Gathering(
        session_id=body.session_id or f"{body.kind}-{begins:%Y%m%d-%H%M}",
        kind=body.kind,
        provinces=body.provinces,
        title=body.title,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        mode=body.mode,
        season=body.season,
        venue=body.venue,
        attendees=tuple(Attendee(p.role, p.id, p.name) for p in body.attendees),
    )
