"""The request bodies and answers of the API of follow-ups, with the field names of the events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from services.followups.api.texts import Body, Saying, Sha256, Url
from services.followups.api.work_schemas import (
    DelegationItem,
    PartItem,
    WorkItem,
    delegation_item,
    part_items,
    work_items,
)
from services.followups.domain.escalation import days_late, is_unacknowledged
from services.followups.domain.records import (
    EvidenceAdded,
    Extension,
    Followup,
    Request,
    State,
)
from shared.contracts.events.base import Brief, Day, Text
from shared.contracts.events.followups import Progress
from shared.messaging.core.model import Entry
from shared.runtime.http import Page, RequestBody


class RequestItem(BaseModel):
    """A request for a later due date that is not decided yet."""

    due_on: date = Field(description="requested, in Asia/Tehran")
    by: str
    at: datetime
    reason: str
    lapses_at: datetime = Field(description="when it lapses if nobody decides")


class ExtensionItem(BaseModel):
    """A later due date that was granted."""

    previous_due_on: date
    due_on: date
    by: str
    at: datetime


class EvidenceItem(BaseModel):
    """A piece of evidence: a file or a link."""

    evidence_id: str
    name: str | None = Field(description="of a file")
    media_type: str | None = Field(description="of a file")
    bytes: int | None = Field(description="of a file")
    sha256: str | None = Field(description="hexadecimal; of a link only if it was given")
    url: str | None = Field(description="of a link")
    note: str | None
    by: str
    at: datetime


class FollowupItem(BaseModel):
    """A follow-up in its present state."""

    followup_id: str
    resolution_id: str
    deputy: str
    title: str
    state: State
    progress: int = Field(description="0 to 100")
    approved_at: datetime
    due_on: date = Field(description="in Asia/Tehran")
    original_due_on: date = Field(description="as approved; never changes")
    days_overdue: int = Field(
        description="calendar days past due_on; if it is claimed done, until the claim"
    )
    days_overdue_original: int = Field(description="the same against original_due_on")
    level: int = Field(description="announced for this due date; 0: none")
    overdue: bool = Field(description="open, and a level was announced for this due date")
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
    acknowledge_by: date | None = Field(
        description="the last day to take note, in Asia/Tehran; null if there is no limit"
    )
    unacknowledged: bool = Field(description="that day is past, and nobody has taken note")
    acknowledged_at: datetime | None
    blocked_by: str | None = Field(description="who has to act first")
    claimed_by: str | None
    claimed_at: datetime | None
    verified_by: str | None
    finding: str | None
    outcome: str | None
    closed_by: str | None
    extension_request: RequestItem | None
    extensions: list[ExtensionItem]
    predecessor: str | None = Field(description="the id of the resolution that it continues")
    predecessor_deputy: str | None
    officer: str | None = Field(description="may report progress, block and unblock")
    delegation: DelegationItem | None = Field(description="null if it has ended")
    parts: list[PartItem] = Field(description="of other bodies, as each was reported last")
    items: list[WorkItem] = Field(description="parts of the work, by their numbers")
    opened_at: datetime
    changed_at: datetime
    version: int
    evidence: list[EvidenceItem]
    former_deputies: list[str] = Field(description="who was responsible for it before, in order")


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
    note: Text | None = Field(None, description="needed if it is disputed")


class Settle(RequestBody):
    reason: Saying


class ReportProgress(RequestBody):
    progress: Progress
    note: Text | None = None


class Block(RequestBody):
    blocked_by: Body = Field(description="who has to act first")
    reason: Saying


class Unblock(RequestBody):
    note: Text | None = None


class RequestExtension(RequestBody):
    due_on: Day = Field(description="requested, in Asia/Tehran")
    reason: Saying


class Extend(RequestBody):
    due_on: Day | None = Field(None, description="granted; the requested one if left out")
    note: Text | None = None


class RefuseExtension(RequestBody):
    reason: Saying


class Complete(RequestBody):
    note: Text | None = None


class Verify(RequestBody):
    finding: Literal["done", "partly-done"] = "done"
    note: Text | None = None


class Reopen(RequestBody):
    reason: Saying


class Close(RequestBody):
    outcome: Literal["partly-done", "superseded", "will-not-be-done"]
    reason: Saying


class AddLink(RequestBody):
    url: Url = Field(description="http or https")
    sha256: Sha256 | None = Field(None, description="of the content there")
    note: Brief | None = None


# long: one line per field, in the order of FollowupItem
def followup_item(followup: Followup, now: datetime) -> FollowupItem:
    """A follow-up as the API shows it at an instant (UTC)."""
    r, work = followup.resolution, followup.work
    delegation, before = work.delegated(now), work.predecessor
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
        days_overdue=days_late(followup, r.due_on, now),
        days_overdue_original=days_late(followup, followup.original_due_on, now),
        level=followup.level,
        overdue=followup.is_overdue,
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
        acknowledge_by=followup.acknowledge_by,
        unacknowledged=is_unacknowledged(followup, now),
        acknowledged_at=followup.acknowledged_at,
        blocked_by=followup.blocked_by,
        claimed_by=followup.claimed_by,
        claimed_at=followup.claimed_at,
        verified_by=followup.verified_by,
        finding=followup.finding,
        outcome=followup.outcome,
        closed_by=followup.closed_by,
        extension_request=None if followup.request is None else _request(followup.request),
        extensions=_extensions(followup.extensions),
        predecessor=None if before is None else before.resolution_id,
        predecessor_deputy=None if before is None else before.deputy,
        officer=work.officer,
        delegation=None if delegation is None else delegation_item(delegation),
        parts=part_items(work.parts),
        items=work_items(followup, now),
        opened_at=followup.opened_at,
        changed_at=followup.changed_at,
        version=followup.version,
        evidence=[evidence_item(piece) for piece in followup.evidence],
        former_deputies=list(followup.former_deputies),
    )


def evidence_item(piece: EvidenceAdded) -> EvidenceItem:
    """A piece of evidence as the API shows it."""
    return EvidenceItem.model_validate(piece, from_attributes=True)


def history_item(entry: Entry) -> HistoryItem:
    """An event of a follow-up's history, with who caused it."""
    event = entry.event
    return HistoryItem(
        version=event.version,
        type=event.type,
        time=event.time,
        by=entry.by,
        data=json.loads(event.data),
    )


def _request(request: Request) -> RequestItem:
    return RequestItem(
        due_on=request.due_on,
        by=request.by,
        at=request.at,
        reason=request.reason,
        lapses_at=request.lapses_at,
    )


def _extensions(extensions: Sequence[Extension]) -> list[ExtensionItem]:
    return [
        ExtensionItem(previous_due_on=e.from_, due_on=e.to, by=e.by, at=e.at) for e in extensions
    ]
