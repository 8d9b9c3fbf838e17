"""What the API of the work on follow-ups takes and answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints

from services.followups.domain.work import Delegation
from shared.contracts.events import FollowupCommented
from shared.messaging.ledger import Entry
from shared.runtime.http import RequestBody

Note = Annotated[str, StringConstraints(max_length=20_000)]
User = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S+$")]
"""The id of a user, as whoever sends a request has it."""


class DelegationItem(BaseModel):
    """Who takes all of the deputy's steps besides him, and until when."""

    to: str
    until: date = Field(description="the last day, in Asia/Tehran")
    by: str
    at: datetime


class Assign(RequestBody):
    officer: User = Field(description="the id of a user")
    note: Note | None = None


class Unassign(RequestBody):
    note: Note | None = None


class Delegate(RequestBody):
    to: User = Field(description="the id of a user")
    until: date = Field(description="the last day on which it counts, in Asia/Tehran")
    note: Note | None = None


class EndDelegation(RequestBody):
    note: Note | None = None


class CommentItem(BaseModel):
    """What somebody said about a follow-up."""

    version: int = Field(description="of the follow-up, by which comments are in order")
    at: datetime
    by: str
    text: str


class Comment(RequestBody):
    text: Annotated[str, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)]


def delegation_item(delegation: Delegation) -> DelegationItem:
    """A delegation as it is shown."""
    d = delegation
    return DelegationItem(to=d.to, until=d.until, by=d.by, at=d.at)


def comment_items(history: Sequence[Entry]) -> list[CommentItem]:
    """The comments among everything that happened to a follow-up."""
    told = [entry.event for entry in history if entry.event.type == FollowupCommented.TYPE]
    comments = ((event.version, FollowupCommented.from_json(event.data)) for event in told)
    return [CommentItem(version=n, at=c.at, by=c.by, text=c.text) for n, c in comments]
