"""What the API of the work on follow-ups takes and answers."""

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
    """Who takes all of the deputy's steps besides him, and until when."""

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
    until: Day = Field(description="the last day on which it counts, in Asia/Tehran")
    note: Text | None = None


class EndDelegation(RequestBody):
    note: Text | None = None


class CommentItem(BaseModel):
    """What somebody said about a follow-up."""

    version: int = Field(description="of the follow-up, by which comments are in order")
    at: datetime
    by: str
    text: str


class WorkItem(BaseModel):
    """A part of the work on a follow-up."""

    item: int = Field(description="its number, from 1")
    title: str
    owner: str = Field(description="a person or a body")
    due_on: date = Field(description="in Asia/Tehran; the follow-up's own where that is earlier")
    state: ItemState
    days_overdue: int = Field(
        description="calendar days past that; until it was done, or the follow-up claimed done"
    )
    by: str
    at: datetime
    ended_by: str | None
    ended_at: datetime | None
    note: str | None = Field(description="about its end; why, where it was dropped")


class Link(RequestBody):
    predecessor: Id = Field(description="the id of the resolution that it continues")
    predecessor_deputy: Slug | None = Field(
        None, description="whose follow-up of it, where it had several"
    )


class PartItem(BaseModel):
    """How far a supporting or executing body is with its part, as was reported last."""

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
    """A delegation as it is shown."""
    d = delegation
    return DelegationItem(to=d.to, until=d.until, by=d.by, at=d.at)


def work_items(followup: Followup, now: datetime) -> list[WorkItem]:
    """The items of a follow-up as they are shown at an instant (UTC)."""
    return [
        WorkItem(
            item=item.number,
            title=item.title,
            owner=item.owner,
            due_on=item.due_on,
            state=item.state,
            days_overdue=_late(followup, item, now),
            by=item.by,
            at=item.at,
            ended_by=item.ended_by,
            ended_at=item.ended_at,
            note=item.note,
        )
        for item in followup.work.items
    ]


def part_items(parts: Sequence[Part]) -> list[PartItem]:
    """The parts of other bodies as they are shown."""
    return [
        PartItem(body=p.body, progress=p.progress, note=p.note, by=p.by, at=p.at) for p in parts
    ]


def _late(followup: Followup, item: ActionItem, now: datetime) -> int:
    due_on = min(item.due_on, followup.resolution.due_on)
    if item.state == "dropped":
        return 0
    if item.ended_at is not None:
        return days_overdue(due_on, item.ended_at)
    return days_late(followup, due_on, now)


def comment_items(history: Sequence[Entry]) -> list[CommentItem]:
    """The comments among everything that happened to a follow-up."""
    told = [entry.event for entry in history if entry.event.type == FollowupCommented.TYPE]
    comments = ((event.version, FollowupCommented.from_json(event.data)) for event in told)
    return [CommentItem(version=n, at=c.at, by=c.by, text=c.text) for n, c in comments]
