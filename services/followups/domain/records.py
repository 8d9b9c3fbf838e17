"""The follow-up and its parts, as they are after all facts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, TypeAlias
from uuid import UUID

from services.followups.domain import work
from services.followups.domain.work import Work
from shared.runtime.ids import name_id

_FOLLOWUP_IDS = UUID("5f0f5f3e-6a31-5c1e-8d0c-1c8e2f9b7d21")


class State(StrEnum):
    """The state of a follow-up. Being overdue is not a state: most states can be overdue."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    DISPUTED = "disputed"  # by the deputy: wrong deputy, or wrong content
    IN_PROGRESS = "in-progress"
    BLOCKED = "blocked"  # somebody else has to act first
    DONE = "done"  # claimed by the deputy, not yet confirmed
    REOPENED = "reopened"
    VERIFIED = "verified"  # confirmed by somebody else
    CLOSED = "closed"  # ended with another outcome than done


ENDED = frozenset({State.VERIFIED, State.CLOSED})
OPEN = frozenset(State) - ENDED
WAITS_FOR_THE_DEPUTY = OPEN - {State.DONE}

Priority: TypeAlias = Literal["normal", "urgent"]
Stance: TypeAlias = Literal["agreed", "disputed"]
Ending: TypeAlias = Literal["partly-done", "superseded", "will-not-be-done", "withdrawn"]
Finding: TypeAlias = Literal["done", "partly-done"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """The data of a resolution: as approved, with all amendments."""

    resolution_id: str
    deputy: str
    title: str
    approved_at: datetime  # UTC
    due_on: date  # Asia/Tehran
    session_id: str | None = None
    session_kind: str | None = None
    province: str | None = None  # ISO 3166-2:IR
    axis: str | None = None
    text: str | None = None
    supporting: tuple[str, ...] = ()
    executing_body: str | None = None  # outside the ministry; the deputy remains accountable
    priority: Priority = "normal"
    number: str | None = None  # of the formal letter
    baseline_on: date | None = None  # Asia/Tehran; working days before it do not count for levels

    @property
    def bodies(self) -> tuple[str, ...]:
        """The bodies that take part besides the deputy, by name or id, without duplicates."""
        executing = () if self.executing_body is None else (self.executing_body,)
        return tuple(dict.fromkeys((*executing, *self.supporting)))


@dataclass(frozen=True, slots=True)
class Request:
    """The deputy's request for a later due date, until it is decided or lapses."""

    due_on: date  # the requested one, Asia/Tehran
    by: str
    at: datetime  # UTC
    reason: str
    lapses_at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class Extension:
    """A later due date that was granted."""

    from_: date  # Asia/Tehran
    to: date  # Asia/Tehran
    by: str
    at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class EvidenceAdded:
    """Somebody handed in a piece of evidence: a file, or a link to one."""

    at: datetime
    by: str
    evidence_id: str
    name: str | None  # of a file
    media_type: str | None
    bytes: int | None
    sha256: str | None  # hex; of a link only if it was given
    url: str | None  # of a link
    note: str | None


@dataclass(frozen=True, slots=True)
class Followup:
    """A follow-up after its latest fact."""

    followup_id: str
    version: int  # the number of its facts
    state: State
    resolution: Resolution
    original_due_on: date  # Asia/Tehran; no extension or amendment changes it
    approved_source: str  # ce_source of the approval
    fingerprint: str  # of the approval's data (hex SHA-256)
    opened_at: datetime  # UTC, as all instants here
    changed_at: datetime
    reported: int = 0  # 0…100, as the deputy last reported
    # Announced for the present due date: 0 none, 1 deputy, 2 coordination, 3 minister.
    level: int = 0
    acknowledge_by: date | None = None  # Asia/Tehran; None: no limit
    unacknowledged_at: datetime | None = None  # when this was announced
    acknowledged_at: datetime | None = None
    blocked_by: str | None = None  # who has to act first
    claimed_by: str | None = None
    # Who had delegated to the claimant; of a substitute's claim, the role of the absent deputy.
    claimed_for: str | None = None
    claimed_at: datetime | None = None  # the latest claim; lateness is measured by it
    verified_by: str | None = None
    finding: Finding | None = None
    amended_at: datetime | None = None  # of the latest dated amendment, by the clock of its source
    outcome: Ending | None = None  # if it ended with another outcome than done
    closed_by: str | None = None
    former_levels: tuple[tuple[date, int], ...] = ()  # levels announced for former due dates
    due_soon_for: tuple[date, ...] = ()  # due dates that were announced as near
    request: Request | None = None
    requested_for: tuple[date, ...] = ()  # due dates for which an extension was requested
    extensions: tuple[Extension, ...] = ()
    work: Work = work.NONE
    evidence: tuple[EvidenceAdded, ...] = ()  # each piece as the fact that added it
    former_deputies: tuple[str, ...] = ()  # who were accountable before

    @property
    def deputy(self) -> str:
        return self.resolution.deputy

    @property
    def resolution_id(self) -> str:
        return self.resolution.resolution_id

    @property
    def is_overdue(self) -> bool:
        """Whether it is open, and was announced as overdue for its present due date."""
        return self.level > 0 and self.state not in ENDED

    @property
    def progress(self) -> int:
        """0 to 100: 100 while it is claimed or confirmed as done, otherwise as last reported."""
        return 100 if self.state in {State.DONE, State.VERIFIED} else self.reported


def followup_id(deputy: str, resolution_id: str) -> str:
    """Return the id of the deputy's follow-up of a resolution (UUID, RFC 9562 version 5)."""
    return name_id(_FOLLOWUP_IDS, f"{deputy}|{resolution_id}")
