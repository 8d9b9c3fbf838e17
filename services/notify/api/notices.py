"""The list of notices, and one notice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends

from services.notify.api.context import ReadableNotices
from services.notify.api.schemas import NoticeItem, notice_item
from services.notify.domain.notices import Notice, State
from services.notify.domain.notifications import Template
from services.notify.domain.visibility import notices_within, sees_notice
from shared.runtime.access import Action, reach
from shared.runtime.http import Limit, Page
from shared.runtime.http.access import may
from shared.runtime.http.filters import Bound, ListFilters, Word, any_of, since, until
from shared.runtime.http.lists import DEFAULT_LIMIT, INSTANT, Order, SortField, Sorts
from shared.runtime.principals import Principal
from shared.runtime.problems import not_found
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_NOTICES)]

_SORTS = Sorts[Notice](
    "notices",
    "notice_id",
    lambda notice: notice.notice_id,
    {
        "created_at": SortField(INSTANT, lambda notice, _: notice.created_at),
        "changed_at": SortField(INSTANT, lambda notice, _: notice.changed_at),
    },
)


@dataclass(frozen=True)
class Filters(ListFilters):
    """The fields by which the list of notices can be filtered."""

    notice_id: Annotated[tuple[Word, ...], any_of("Its id.")] = ()
    subject: Annotated[
        tuple[Word, ...], any_of("The session, resolution or follow-up that it is about.")
    ] = ()
    state: Annotated[tuple[State, ...], any_of("Its state.")] = ()
    template: Annotated[tuple[Template, ...], any_of("What kind of notice it is.")] = ()
    recipient_role: Annotated[tuple[Word, ...], any_of("The role of its recipient.")] = ()
    created_from: Annotated[Bound | None, since("Created")] = None
    created_to: Annotated[Bound | None, until("Created")] = None
    changed_from: Annotated[Bound | None, since("Changed last")] = None
    changed_to: Annotated[Bound | None, until("Changed last")] = None


def routes(store: ReadableNotices) -> APIRouter:
    """The routes of notices."""
    router = APIRouter(tags=["notices"])

    @router.get("/notices")
    async def list_notices(
        by: Reader,
        filters: Annotated[Filters, Depends()],
        order: Annotated[Order, Depends(_SORTS)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[NoticeItem]:
        """List notices."""
        within = notices_within(reach(by, Action.READ_NOTICES))
        query = order.query(limit, filters.fields(), filters.spans(), within)
        shown, cursor = _SORTS.cut(await store.page(query), limit, order)
        return Page[NoticeItem](items=[notice_item(notice) for notice in shown], next_cursor=cursor)

    @router.get("/notices/{notice_id}")
    async def get_notice(by: Reader, notice_id: str) -> NoticeItem:
        """One notice."""
        notice = await store.get(notice_id)
        if notice is None or not sees_notice(reach(by, Action.READ_NOTICES), notice):
            raise not_found(sentence("no notice {notice_id}", notice_id=notice_id))
        return notice_item(notice)

    return router
