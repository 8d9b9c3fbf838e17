"""Sessions and other gatherings: planned, moved, cancelled, opened, closed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends

from services.scheduler import handlers
from services.scheduler.api.context import ApiContext, problems
from services.scheduler.api.schemas import (
    Cancel,
    Close,
    Reschedule,
    Schedule,
    SessionItem,
    session_item,
)
from services.scheduler.domain.records import Kind, Session, State
from services.scheduler.domain.visibility import sees_session, sessions_within
from shared.runtime.access import Action, reach
from shared.runtime.commands import Command
from shared.runtime.http import Limit, Page, Repeatable, Traceparent
from shared.runtime.http.access import may
from shared.runtime.http.filters import Bound, ListFilters, Word, any_of, since, until
from shared.runtime.http.lists import DEFAULT_LIMIT, INSTANT, Order, SortField, Sorts
from shared.runtime.idempotent_replies import Replying
from shared.runtime.list_queries import Value
from shared.runtime.principals import Principal
from shared.runtime.problems import invalid_field, not_found
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_SESSIONS)]
Planner: TypeAlias = Annotated[Principal, may(Action.SCHEDULE_SESSION)]
Chair: TypeAlias = Annotated[Principal, may(Action.HOLD_SESSION)]

_SORTS = Sorts[Session](
    "sessions",
    "session_id",
    lambda session: session.session_id,
    {
        "starts_at": SortField(INSTANT, lambda session, _: session.gathering.starts_at),
        "changed_at": SortField(INSTANT, lambda session, _: session.changed_at),
    },
)


@dataclass(frozen=True)
class Filters(ListFilters):
    """The fields by which the list of sessions can be filtered."""

    session_id: Annotated[tuple[Word, ...], any_of("Its id.")] = ()
    season: Annotated[tuple[Word, ...], any_of("The season that it belongs to.")] = ()
    kind: Annotated[tuple[Kind, ...], any_of("Its kind.")] = ()
    state: Annotated[tuple[State, ...], any_of("Its state.")] = ()
    provinces: Annotated[tuple[Word, ...], any_of("A province that takes part.")] = ()
    province: Annotated[tuple[Word, ...], any_of("The same as `provinces`.")] = ()
    starts_from: Annotated[Bound | None, since("Begins")] = None
    starts_to: Annotated[Bound | None, until("Begins")] = None
    changed_from: Annotated[Bound | None, since("Changed last")] = None
    changed_to: Annotated[Bound | None, until("Changed last")] = None

    def fields(self) -> dict[str, Collection[Value]]:
        """The values to match, by stored field.

        Raises Problem 422 if both names of the same filter are given and differ.
        """
        if self.provinces and self.province and set(self.provinces) != set(self.province):
            raise invalid_field("province", "differs from `provinces`, which is the same")
        matched = super().fields()
        alias = matched.pop("province", None)
        return matched if alias is None else {"provinces": alias, **matched}


def routes(api: ApiContext) -> APIRouter:
    """The routes of sessions."""
    router = APIRouter(tags=["sessions"])
    _read_routes(router, api)
    _schedule_route(router, api)
    _change_routes(router, api)
    _hold_routes(router, api)
    return router


def _read_routes(router: APIRouter, api: ApiContext) -> None:
    @router.get("/sessions")
    async def list_sessions(
        by: Reader,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[SessionItem]:
        """List sessions."""
        within = sessions_within(reach(by, Action.READ_SESSIONS))
        query = order.query(limit, filters.fields(), filters.spans(), within)
        found = await api.store.page_of_sessions(query)
        shown, cursor = _SORTS.cut(found, limit, order)
        return Page(items=[session_item(session) for session in shown], next_cursor=cursor)

    @router.get("/sessions/{session_id}")
    async def get_session(by: Reader, session_id: str) -> SessionItem:
        """One session."""
        session = await api.store.session(session_id)
        if session is None or not sees_session(reach(by, Action.READ_SESSIONS), session):
            raise not_found(sentence("no session {session_id}", session_id=session_id))
        return session_item(session)


def _schedule_route(router: APIRouter, api: ApiContext) -> None:
    @router.post("/sessions", status_code=201)
    async def schedule(
        by: Planner, body: Schedule, once: Repeatable, traceparent: Traceparent = None
    ) -> SessionItem:
        """Coordination puts a session or another gathering into the calendar."""
        now = await api.clock.now()

        async def put(reply: Replying[Session]) -> Session:
            with problems():
                return await handlers.schedule_session(
                    body.gathering(), api.store, api.context, by, now, traceparent, reply
                )

        return await once(api.store.replies, put, session_item)


def _change_routes(router: APIRouter, api: ApiContext) -> None:
    @router.post("/sessions/{session_id}/reschedule")
    async def reschedule(
        by: Planner,
        session_id: str,
        body: Reschedule,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> SessionItem:
        """Coordination moves it; the report of a provincial session is then due accordingly."""
        now, reason = await api.clock.now(), body.reason

        async def move(reply: Replying[Session]) -> Session:
            with problems():
                return await handlers.reschedule_session(
                    Command(session_id, api.store, api.context, by, now, traceparent, reply),
                    body.starts_at,
                    body.ends_at,
                    reason,
                )

        return await once(api.store.replies, move, session_item)

    @router.post("/sessions/{session_id}/cancel")
    async def cancel(
        by: Planner,
        session_id: str,
        once: Repeatable,
        body: Cancel | None = None,
        traceparent: Traceparent = None,
    ) -> SessionItem:
        """Coordination cancels it before it begins."""
        now, reason = await api.clock.now(), None if body is None else body.reason

        async def call_off(reply: Replying[Session]) -> Session:
            with problems():
                return await handlers.cancel_session(
                    Command(session_id, api.store, api.context, by, now, traceparent, reply), reason
                )

        return await once(api.store.replies, call_off, session_item)


def _hold_routes(router: APIRouter, api: ApiContext) -> None:
    @router.post("/sessions/{session_id}/open")
    async def open_(
        by: Chair, session_id: str, once: Repeatable, traceparent: Traceparent = None
    ) -> SessionItem:
        """Coordination opens it: it has begun."""
        now = await api.clock.now()

        async def begin(reply: Replying[Session]) -> Session:
            with problems():
                return await handlers.open_session(
                    Command(session_id, api.store, api.context, by, now, traceparent, reply)
                )

        return await once(api.store.replies, begin, session_item)

    @router.post("/sessions/{session_id}/close")
    async def close(
        by: Chair,
        session_id: str,
        once: Repeatable,
        body: Close | None = None,
        traceparent: Traceparent = None,
    ) -> SessionItem:
        """Coordination closes it with the Minister's summary; its resolutions are counted."""
        now, summary = await api.clock.now(), None if body is None else body.summary

        async def end(reply: Replying[Session]) -> Session:
            with problems():
                return await handlers.close_session(
                    Command(session_id, api.store, api.context, by, now, traceparent, reply),
                    summary,
                )

        return await once(api.store.replies, end, session_item)
