"""The request bodies and answers of the API of the work on follow-ups."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel, Field

from services.followups.api.texts import Body, BriefSaying, Saying, User
from services.followups.domain.escalation import days_late, days_overdue
from services.followups.domain.records import Followup
from services.followups.domain.work import ActionItem, Delegation, ItemState, Part
from shared.contracts.events import FollowupCommented
from shared.contracts.events.base import Brief, Day, Id, Slug, Text, Title
from shared.contracts.events.followups import Progress
from shared.messaging.core.model import Entry
from shared.runtime.http import RequestBody


class DelegationItem(BaseModel):
    """Who else may take all of the deputy's steps, and until when."""

    to: str
    until: date = Field(description="the last day, in Asia/Tehran")
    by: str
    at: datetime


class Assign(RequestBody):
    officer: User = Field(description="the id of a user")
    note: Text | None = None


class Unassign(RequestBody):
    note: Text | None = None


class Delegate(RequestBody):
    to: User = Field(description="the id of a user")
    until: Day = Field(description="the last day on which it is valid, in Asia/Tehran")
    note: Text | None = None


class EndDelegation(RequestBody):
    note: Text | None = None


class CommentItem(BaseModel):
    """A comment on a follow-up."""

    version: int = Field(description="of the follow-up; comments are in this order")
    at: datetime
    by: str
    text: str


class WorkItem(BaseModel):
    """A part of the work on a follow-up."""

    item: int = Field(description="its number, from 1")
    title: str
    owner: str = Field(description="a person or a body")
    due_on: date = Field(
        description="in Asia/Tehran; if the follow-up is due earlier, that day counts"
    )
    state: ItemState
    days_overdue: int = Field(
        description="calendar days past that day, until it was done or the follow-up claimed done"
    )
    by: str
    at: datetime
    ended_by: str | None
    ended_at: datetime | None
    note: str | None = Field(description="about its end; the reason if it was dropped")


class Link(RequestBody):
    predecessor: Id = Field(description="the id of the resolution that it continues")
    predecessor_deputy: Slug | None = Field(
        None, description="the deputy of its follow-up, if it had several"
    )


class PartItem(BaseModel):
    """The progress of a supporting or executing body with its part, as last reported."""

    body: str
    progress: int = Field(description="0 to 100")
    note: str | None
    by: str
    at: datetime


class ReportPart(RequestBody):
    body: Body = Field(description="one of supporting, or executing_body")
    progress: Progress
    note: Brief | None = None


class AddItem(RequestBody):
    title: Title
    owner: Body = Field(description="a person or a body")
    due_on: Day = Field(description="in Asia/Tehran, not after the follow-up's")


class FinishItem(RequestBody):
    note: Brief | None = None


class DropItem(RequestBody):
    reason: BriefSaying


class Comment(RequestBody):
    text: Saying


def delegation_item(delegation: Delegation) -> DelegationItem:
    """A delegation as the API shows it."""
    d = delegation
    return DelegationItem(to=d.to, until=d.until, by=d.by, at=d.at)


def work_items(followup: Followup, now: datetime) -> list[WorkItem]:
    """The items of a follow-up as the API shows them at an instant (UTC)."""
    return [
        WorkItem(
            item=item.number,
            title=item.title,
            owner=item.owner,
            due_on=item.due_on,
            state=item.state,
            days_overdue=_days_overdue(followup, item, now),
            by=item.by,
            at=item.at,
            ended_by=item.ended_by,
            ended_at=item.ended_at,
            note=item.note,
        )
        for item in followup.work.items
    ]


def part_items(parts: Sequence[Part]) -> list[PartItem]:
    """The parts of other bodies as the API shows them."""
    return [
        PartItem(body=p.body, progress=p.progress, note=p.note, by=p.by, at=p.at) for p in parts
    ]


def _days_overdue(followup: Followup, item: ActionItem, now: datetime) -> int:
    due_on = min(item.due_on, followup.resolution.due_on)
    if item.state == "dropped":
        return 0
    if item.ended_at is not None:
        return days_overdue(due_on, item.ended_at)
    return days_late(followup, due_on, now)


def comment_items(history: Sequence[Entry]) -> list[CommentItem]:
    """The comments in the history of a follow-up."""
    events = [entry.event for entry in history if entry.event.type == FollowupCommented.TYPE]
    comments = ((event.version, FollowupCommented.from_json(event.data)) for event in events)
    return [CommentItem(version=n, at=c.at, by=c.by, text=c.text) for n, c in comments]
