"""HTTP under /v1: parse, ask the store, answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.notify.domain import CHANNEL, Notice, State, Template, Trouble
from shared.runtime.http import Limit, Page
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
from shared.runtime.identity import Caller
from shared.runtime.list_queries import ListQuery, Place, Value, ValueRange
from shared.runtime.problems import not_found
from shared.runtime.sentences import sentence

_SORTS = Sorts("notices", "notice_id", {"created_at": INSTANT, "changed_at": INSTANT})


class ReadableNotices(Protocol):
    """What the API needs of a store."""

    async def get(self, notice_id: str) -> Notice | None: ...
    async def page(self, query: ListQuery) -> Sequence[Notice]: ...


class NoticeItem(BaseModel):
    """A notice as it stands, with the field names of the events."""

    notice_id: str
    channel: str
    template: Template
    subject: str = Field(description="the id of the session, resolution or follow-up")
    recipient_role: str
    state: State
    tries: int = Field(
        description="how often the mail server was asked to take it, or its recipient"
    )
    reason: str | None = Field(description="the mail server's last refusal")
    put_off_by: Trouble | None = Field(description="whose trouble it waits for, if anybody's")
    created_at: datetime
    changed_at: datetime
    version: int


@dataclass(frozen=True)
class Filters:
    """The fields by which the list of notices can be filtered."""

    notice_id: Annotated[tuple[Word, ...], any_of("Its id.")] = ()
    subject: Annotated[tuple[Word, ...], any_of("The session, resolution or follow-up.")] = ()
    state: Annotated[tuple[State, ...], any_of("Where it stands.")] = ()
    template: Annotated[tuple[Template, ...], any_of("What it tells of.")] = ()
    recipient_role: Annotated[tuple[Word, ...], any_of("Whom it tells.")] = ()
    created_from: Annotated[Bound | None, since("Created")] = None
    created_to: Annotated[Bound | None, until("Created")] = None
    changed_from: Annotated[Bound | None, since("Changed last")] = None
    changed_to: Annotated[Bound | None, until("Changed last")] = None

    def fields(self) -> dict[str, Collection[Value]]:
        """The wanted values of each stored field."""
        return chosen(
            {
                "notice_id": self.notice_id,
                "subject": self.subject,
                "state": tuple(state.value for state in self.state),
                "template": self.template,
                "recipient_role": self.recipient_role,
            }
        )

    def spans(self) -> dict[str, ValueRange]:
        """From when to when. Raises Problem 422 where that is backwards."""
        return bounded(
            {
                "created_at": instant_span("created", self.created_from, self.created_to),
                "changed_at": instant_span("changed", self.changed_from, self.changed_to),
            }
        )


def routes(store: ReadableNotices) -> APIRouter:
    """The routes over the notices."""
    router = APIRouter(tags=["notices"])

    @router.get("/notices")
    async def list_notices(
        _: Caller,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[NoticeItem]:
        """List notices."""
        query = order.query(limit, filters.fields(), filters.spans())
        shown, cursor = _SORTS.cut(await store.page(query), limit, order, _places(order))
        return Page[NoticeItem](items=[_item(notice) for notice in shown], next_cursor=cursor)

    @router.get("/notices/{notice_id}")
    async def get_notice(_: Caller, notice_id: str) -> NoticeItem:
        """One notice."""
        notice = await store.get(notice_id)
        if notice is None:
            raise not_found(sentence("no notice {notice_id}", notice_id=notice_id))
        return _item(notice)

    return router


def _places(order: Order) -> Callable[[Notice], Place]:
    """Where a notice stands by a sort."""

    def place(notice: Notice) -> Place:
        match order.sort.field:
            case "created_at":
                return Place(notice.notice_id, notice.created_at)
            case "changed_at":
                return Place(notice.notice_id, notice.changed_at)
            case _:
                return Place(notice.notice_id)

    return place


def _item(notice: Notice) -> NoticeItem:
    return NoticeItem(
        notice_id=notice.notice_id,
        channel=CHANNEL,
        template=notice.template,
        subject=notice.subject,
        recipient_role=notice.recipient_role,
        state=notice.state,
        tries=notice.tries,
        reason=notice.reason,
        put_off_by=notice.trouble,
        created_at=notice.created_at,
        changed_at=notice.changed_at,
        version=notice.version,
    )
