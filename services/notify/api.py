"""HTTP under /v1: parse, ask the store, answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.notify.domain import CHANNEL, Notice, State, Template, Trouble
from services.notify.handlers import Query
from shared.runtime.http import Limit, Page, SortKeys, fitting
from shared.runtime.http.lists import DEFAULT_LIMIT
from shared.runtime.identity import Caller
from shared.runtime.problems import not_found

_BY_ID = SortKeys(str)


class ReadableNotices(Protocol):
    """What the API needs of a store."""

    async def get(self, notice_id: str) -> Notice | None: ...
    async def page(self, query: Query) -> Sequence[Notice]: ...


class NoticeItem(BaseModel):
    """A notice as it stands, with the field names of the events."""

    notice_id: str
    channel: str
    template: Template
    subject: str = Field(description="the id of the session, resolution or follow-up")
    recipient_role: str
    state: State
    tries: int = Field(description="how often it was handed to the mail server")
    reason: str | None = Field(description="the mail server's last refusal")
    put_off_by: Trouble | None = Field(description="whose trouble it waits for, if anybody's")
    created_at: datetime
    changed_at: datetime
    version: int


@dataclass(frozen=True)
class Filters:
    """The fields by which the list of notices can be filtered."""

    notice_id: str | None = None
    subject: str | None = None
    state: State | None = None
    template: Template | None = None

    def fields(self) -> dict[str, object]:
        """The wanted value of each stored field, but for its id."""
        wanted = {
            "subject": self.subject,
            "state": None if self.state is None else self.state.value,
            "template": self.template,
        }
        return {name: value for name, value in wanted.items() if value is not None}


def routes(store: ReadableNotices) -> APIRouter:
    """The routes over the notices."""
    router = APIRouter(tags=["notices"])

    @router.get("/notices")
    async def list_notices(
        _: Caller,
        filters: Annotated[Filters, Depends()],
        after: Annotated[tuple[Any, ...] | None, Depends(_BY_ID)],
        limit: Limit = DEFAULT_LIMIT,
    ) -> Page[NoticeItem]:
        """List notices by their ids."""
        if filters.notice_id is not None:
            one = await store.get(filters.notice_id)
            item = None if one is None else _item(one)
            return Page[NoticeItem](items=fitting(item, "notice_id", after, filters.fields()))
        query = Query(filters.fields(), None if after is None else after[0], limit + 1)
        found = await store.page(query)
        more = len(found) > limit
        return Page[NoticeItem](
            items=[_item(notice) for notice in found[:limit]],
            next_cursor=_BY_ID.write(found[limit - 1].notice_id) if more else None,
        )

    @router.get("/notices/{notice_id}")
    async def get_notice(_: Caller, notice_id: str) -> NoticeItem:
        """One notice."""
        notice = await store.get(notice_id)
        if notice is None:
            raise not_found(f"no notice {notice_id}")
        return _item(notice)

    return router


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
