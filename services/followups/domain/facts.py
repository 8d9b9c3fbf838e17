"""The facts of a follow-up's life. Instants are in UTC, days in Asia/Tehran."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

from services.followups.domain.records import (
    Ending,
    EvidenceAdded,
    Finding,
    Resolution,
    Stance,
)
from services.followups.domain.work import WorkFact


@dataclass(frozen=True, slots=True)
class Opened:
    """A resolution was approved; its follow-up begins."""

    at: datetime
    resolution: Resolution
    approved_source: str
    fingerprint: str
    acknowledge_by: date | None = None  # stored, so that a new rule leaves older follow-ups alone


@dataclass(frozen=True, slots=True)
class Amended:
    """The resolution was changed by the source that approved it, or by the scheduler."""

    at: datetime
    by: str
    resolution: Resolution  # after the amendment
    reason: str | None
    amendment: str | None  # its event id, unique within `by`
    amended_at: datetime | None = None  # by the clock of its source; None: that clock is wrong


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The deputy took note, and agrees or disputes."""

    at: datetime
    by: str
    stance: Stance
    note: str | None


@dataclass(frozen=True, slots=True)
class Settled:
    """Coordination decided a dispute: the resolution stays as it is."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """The deputy reported the progress."""

    at: datetime
    by: str
    progress: int  # 0…100
    note: str | None


@dataclass(frozen=True, slots=True)
class Blocked:
    """The deputy cannot go on until somebody else has acted."""

    at: datetime
    by: str
    blocked_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unblocked:
    """Nothing blocks the work any more."""

    at: datetime
    by: str
    note: str | None


@dataclass(frozen=True, slots=True)
class WentUnacknowledged:
    """The deputy did not take note in time; announced once."""

    at: datetime
    acknowledge_by: date


@dataclass(frozen=True, slots=True)
class CameDueSoon:
    """The due date is near; announced once per due date."""

    at: datetime
    due_on: date


@dataclass(frozen=True, slots=True)
class FellOverdue:
    """A level of escalation was reached; announced once per due date."""

    at: datetime
    level: int
    due_on: date
    days_overdue: int  # calendar days


@dataclass(frozen=True, slots=True)
class ExtensionRequested:
    """The deputy asked for a later due date; escalation pauses until a decision, or the lapse."""

    at: datetime
    by: str
    due_on: date  # the present one
    requested_due_on: date
    reason: str
    lapses_at: datetime


@dataclass(frozen=True, slots=True)
class Extended:
    """A later due date was granted."""

    at: datetime
    by: str
    due_on: date
    previous_due_on: date
    note: str | None


@dataclass(frozen=True, slots=True)
class ExtensionRefused:
    """A later due date was refused, or nobody decided in time."""

    at: datetime
    by: str | None  # None: it lapsed
    due_on: date
    reason: str | None


@dataclass(frozen=True, slots=True)
class Completed:
    """The deputy claimed that it is done."""

    at: datetime
    by: str
    note: str | None
    absence_id: str | None = None  # by which a substitute claimed it for the deputy


@dataclass(frozen=True, slots=True)
class Verified:
    """Somebody else confirmed that it is done."""

    at: datetime
    by: str
    finding: Finding
    note: str | None


@dataclass(frozen=True, slots=True)
class Reopened:
    """A claim was refused, or a confirmation taken back."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """It ended with another outcome than done."""

    at: datetime
    by: str
    outcome: Ending
    reason: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """Another deputy is accountable from now on."""

    at: datetime
    by: str
    previous_deputy: str
    to: str
    reason: str


Fact: TypeAlias = (
    Opened
    | Amended
    | Acknowledged
    | Settled
    | Progressed
    | Blocked
    | Unblocked
    | WentUnacknowledged
    | CameDueSoon
    | FellOverdue
    | ExtensionRequested
    | Extended
    | ExtensionRefused
    | Completed
    | Verified
    | Reopened
    | Closed
    | WorkFact
    | EvidenceAdded
    | Moved
)
