"""Events of follow-ups; the service `followups` owns them. Its whole state can be rebuilt from
them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StrictBool, StringConstraints

from shared.contracts.events.base import (
    Count,
    Day,
    EventData,
    FileName,
    Id,
    Instant,
    Name,
    NullIsAbsent,
    ProvinceCode,
    Slug,
    Text,
    Title,
)
from shared.contracts.events.resolutions import OrNormal, Supporting
from shared.contracts.events.sessions import SessionKind

By: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=1_024)]
Progress: TypeAlias = Annotated[int, Field(ge=0, le=100, strict=True)]


class FollowupEvent(EventData):
    """The fields of every event of a follow-up."""

    followup_id: Id
    resolution_id: Id
    deputy: Slug


class FollowupStepEvent(FollowupEvent):
    """A step of the deputy or of somebody who acts for the deputy.

    `absence_id` names the absence of the deputy by which a substitute took it.
    """

    absence_id: Id | None = None


class FollowupOpened(FollowupEvent):
    """The follow-up of a resolution with its deputy begins."""

    title: Title
    approved_at: Instant
    due_on: Day
    original_due_on: Day
    at: Instant
    approved_source: By
    fingerprint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    session_id: Id | None = None
    session_kind: SessionKind | None = None
    province: ProvinceCode | None = None
    axis: Slug | None = None
    text: Text | None = None
    supporting: Supporting = ()
    executing_body: Name | None = None
    priority: OrNormal = "normal"
    number: Name | None = None
    baseline_on: Day | None = None
    acknowledge_by: Day | None = None


class FollowupAmended(FollowupEvent):
    """The resolution was changed; these are its new values.

    `by` and `amendment` are the source and the id of the ResolutionAmended that changed it.
    `amended_at` is left out if that event gave a date in the future.
    """

    at: Instant
    by: By
    title: Title
    due_on: Day
    text: Text | None = None
    supporting: Supporting = ()
    executing_body: Name | None = None
    priority: OrNormal = "normal"
    number: Name | None = None
    reason: Text | None = None
    amendment: By | None = None
    amended_at: Instant | None = None


class FollowupAcknowledged(FollowupStepEvent):
    """The deputy has acknowledged the resolution, and agrees or disputes."""

    at: Instant
    by: By
    stance: Literal["agreed", "disputed"]
    note: Text | None = None


class FollowupUnacknowledged(FollowupEvent):
    """The deputy has not acknowledged in time: the last day to do so is over. Sent once."""

    title: Title
    acknowledge_by: Day
    at: Instant
    session_id: Id | None = None
    province: ProvinceCode | None = None
    axis: Slug | None = None


class FollowupSettled(FollowupEvent):
    """Coordination settled a dispute of the deputy: the resolution remains in force."""

    at: Instant
    by: By
    reason: Text


class FollowupBlocked(FollowupStepEvent):
    """The deputy cannot continue until somebody else has acted; due dates do not change."""

    at: Instant
    by: By
    blocked_by: Name
    reason: Text


class FollowupUnblocked(FollowupStepEvent):
    """The deputy can continue: the obstacle is gone."""

    at: Instant
    by: By
    note: Text | None = None


class FollowupProgressed(FollowupStepEvent):
    """The deputy reports progress."""

    at: Instant
    by: By
    progress: Progress
    note: Text | None = None


class FollowupDueSoon(FollowupEvent):
    """The due date is near."""

    title: Title
    due_on: Day
    at: Instant


class FollowupOverdue(FollowupEvent):
    """An escalation level was reached, once per due date: 1 deputy, 2 coordination, 3 minister."""

    title: Title
    due_on: Day
    original_due_on: Day
    days_overdue: Count
    level: int = Field(ge=1, le=3, strict=True)
    progress: Progress
    session_id: Id | None = None
    province: ProvinceCode | None = None
    axis: Slug | None = None
    at: Instant | None = None


class FollowupExtensionRequested(FollowupStepEvent):
    """The deputy requests a later due date; escalation pauses until a decision or its lapse."""

    at: Instant
    by: By
    due_on: Day
    requested_due_on: Day
    reason: Text
    lapses_at: Instant | None = None


class FollowupExtended(FollowupEvent):
    """Coordination granted a later due date; the original one stays on record."""

    at: Instant
    by: By
    due_on: Day
    previous_due_on: Day
    original_due_on: Day
    note: Text | None = None


class FollowupExtensionRefused(FollowupEvent):
    """A later due date was refused; if `lapsed`, because nobody decided in time."""

    at: Instant
    by: By
    due_on: Day
    reason: Text | None = None
    lapsed: StrictBool | None = None


class FollowupCompleted(FollowupStepEvent):
    """The deputy claims that the resolution is done; somebody else has to confirm."""

    at: Instant
    by: By
    progress: Annotated[Progress, NullIsAbsent(100)] = 100
    note: Text | None = None


class FollowupVerified(FollowupEvent):
    """Somebody else confirmed that the resolution is done."""

    at: Instant
    by: By
    finding: Literal["done", "partly-done"]
    note: Text | None = None


class FollowupReopened(FollowupEvent):
    """A claim was not confirmed, or a confirmation was withdrawn."""

    at: Instant
    by: By
    reason: Text


class FollowupClosed(FollowupEvent):
    """The follow-up ended without being done in full."""

    at: Instant
    by: By
    outcome: Literal["partly-done", "superseded", "will-not-be-done", "withdrawn"]
    reason: Text | None = None


class FollowupEvidenceAdded(FollowupStepEvent):
    """A piece of evidence was added: a file with its name, type, size and hash, or a link.

    A link has a `url`, and a `sha256` if its sender gave the hash of the linked content.
    """

    at: Instant
    by: By
    evidence_id: Id
    name: FileName | None = None
    media_type: Annotated[str, StringConstraints(min_length=3, max_length=255)] | None = None
    bytes: Annotated[Count, Field(ge=1)] | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] | None = None
    note: Text | None = None
