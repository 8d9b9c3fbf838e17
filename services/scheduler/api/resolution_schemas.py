"""Resolutions as they go in and out over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import (
    BaseModel,
    Field,
)

from services.scheduler.domain.records import (
    Amendment,
    Kind,
    Resolution,
    ResolutionState,
    Terms,
)
from services.scheduler.handlers import Proposal
from shared.contracts.events.base import (
    Day,
    Name,
    ProvinceCode,
    Slug,
    Text,
    Title,
)
from shared.contracts.events.resolutions import Bodies, OrNormal, Priority, Supporting
from shared.runtime.http import NewId, RequestBody


class Propose(RequestBody):
    resolution_id: NewId | None = Field(
        None,
        description="by default the session's next id: `1402-IR-09-R001`. A client that may repeat "
        "its request gives one: a repeated resolution is recorded once.",
    )
    deputy: Slug
    title: Title
    due_on: Day = Field(description="in Asia/Tehran, not before the day of approval")
    axis: Slug | None = None
    province: ProvinceCode | None = Field(
        None, description="by default that of a provincial session"
    )
    text: Text | None = None
    supporting: Supporting = ()
    executing_body: Name | None = None
    priority: OrNormal = "normal"
    number: Name | None = None
    baseline_on: Day | None = None

    def proposal(self) -> Proposal:
        """The proposal in the domain's record."""
        terms = dict(self)
        resolution_id = terms.pop("resolution_id")
        return Proposal(resolution_id, Terms(**terms))


class Record(RequestBody):
    resolutions: Annotated[list[Propose], Field(min_length=1, max_length=200)]


class Amend(RequestBody):
    """The fields to change; a field that is left out or null stays."""

    title: Title | None = None
    due_on: Day | None = None
    text: Text | None = None
    supporting: Bodies | None = None
    executing_body: Name | None = None
    priority: Priority | None = None
    number: Name | None = None
    reason: Text | None = None

    def amendment(self) -> Amendment:
        """The amendment in the domain's record."""
        changes = dict(self)
        del changes["reason"]
        return Amendment(**changes)


class Withdraw(RequestBody):
    reason: Text | None = None


class ResolutionItem(BaseModel):
    """A resolution."""

    resolution_id: str
    state: ResolutionState
    deputy: str
    title: str
    approved_at: datetime
    due_on: date = Field(description="in Asia/Tehran")
    original_due_on: date
    session_id: str
    session_kind: Kind
    province: str | None
    axis: str | None
    text: str | None
    supporting: tuple[str, ...]
    executing_body: str | None
    priority: str
    number: str | None
    baseline_on: date | None
    changed_at: datetime
    version: int


class Recorded(BaseModel):
    """The resolutions of one request, in its order."""

    items: list[ResolutionItem]


def resolution_item(resolution: Resolution) -> ResolutionItem:
    """A resolution as the API answers it."""
    terms = resolution.terms
    return ResolutionItem(
        resolution_id=resolution.resolution_id,
        state=resolution.state,
        deputy=terms.deputy,
        title=terms.title,
        approved_at=resolution.approved_at,
        due_on=terms.due_on,
        original_due_on=resolution.original.due_on,
        session_id=resolution.session_id,
        session_kind=resolution.session_kind,
        province=terms.province,
        axis=terms.axis,
        text=terms.text,
        supporting=terms.supporting,
        executing_body=terms.executing_body,
        priority=terms.priority,
        number=terms.number,
        baseline_on=terms.baseline_on,
        changed_at=resolution.changed_at,
        version=resolution.version,
    )
