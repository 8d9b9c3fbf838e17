"""The follow-up, the facts of its life, and how each fact changes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, TypeAlias
from uuid import UUID

from services.followups.domain import work
from services.followups.domain.work import Work, WorkFact
from shared.runtime.ids import name_id

_FOLLOWUP_IDS = UUID("5f0f5f3e-6a31-5c1e-8d0c-1c8e2f9b7d21")


class State(StrEnum):
    """Where a follow-up stands. Being overdue is no state: it may come on top of most of them."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    DISPUTED = "disputed"  # the deputy says that it is not for him, or not so
    IN_PROGRESS = "in-progress"
    BLOCKED = "blocked"  # somebody else has to act first
    DONE = "done"  # claimed by the deputy, not yet confirmed
    REOPENED = "reopened"
    VERIFIED = "verified"  # confirmed by another
    CLOSED = "closed"  # ended otherwise


ENDED = frozenset({State.VERIFIED, State.CLOSED})
OPEN = frozenset(State) - ENDED
WAITS_FOR_THE_DEPUTY = OPEN - {State.DONE}

Priority: TypeAlias = Literal["normal", "urgent"]
Stance: TypeAlias = Literal["agreed", "disputed"]
Ending: TypeAlias = Literal["partly-done", "superseded", "will-not-be-done", "withdrawn"]
Finding: TypeAlias = Literal["done", "partly-done"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What was approved: the known data of a resolution, as amended."""

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
    executing_body: str | None = None  # outside the ministry; the deputy stays accountable
    priority: Priority = "normal"
    number: str | None = None  # of the formal letter
    baseline_on: date | None = None  # no level is announced for working days before it

    @property
    def bodies(self) -> tuple[str, ...]:
        """Who has a part in it besides the deputy, by name or by id, each once."""
        executing = () if self.executing_body is None else (self.executing_body,)
        return tuple(dict.fromkeys((*executing, *self.supporting)))


@dataclass(frozen=True, slots=True)
class Request:
    """A later due date that the deputy asks for, until it is decided or lapses."""

    due_on: date  # wanted, Asia/Tehran
    by: str
    at: datetime  # UTC
    reason: str
    lapses_at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class Extension:
    """A later due date that was granted."""

    from_: date  # Asia/Tehran
    to: date
    by: str
    at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class Followup:
    """A follow-up as it stands after its latest fact."""

    followup_id: str
    version: int  # the number of its facts
    state: State
    resolution: Resolution
    original_due_on: date  # stays for ever, whatever is extended or amended
    approved_source: str  # ce_source of the approval
    fingerprint: str  # of the approval's known data (hex SHA-256)
    opened_at: datetime
    changed_at: datetime
    reported: int = 0  # 0…100: how far it is, as the deputy said last
    level: int = (
        0  # announced for the present due date: 0 none, 1 deputy, 2 coordination, 3 minister
    )
    acknowledge_by: date | None = None  # Asia/Tehran; None: without a limit
    unacknowledged_at: datetime | None = None  # when it was told that it went unacknowledged
    acknowledged_at: datetime | None = None
    blocked_by: str | None = None  # whoever has to act first
    claimed_by: str | None = None
    claimed_for: str | None = None  # who had delegated to whoever claimed it
    claimed_at: datetime | None = None  # the latest claim: lateness is told by it
    verified_by: str | None = None
    finding: Finding | None = None
    amended_at: datetime | None = None  # of the latest dated amendment, as its source says
    outcome: Ending | None = None  # of an ending other than done
    closed_by: str | None = None
    former_levels: tuple[tuple[date, int], ...] = ()  # announced for former due dates, by date
    due_soon_for: tuple[date, ...] = ()  # the due dates that were announced as near
    request: Request | None = None
    requested_for: tuple[date, ...] = ()  # the due dates beyond which was asked for more
    extensions: tuple[Extension, ...] = ()
    work: Work = work.NONE
    evidence: tuple[EvidenceAdded, ...] = ()  # each piece as the fact that added it
    former_deputies: tuple[str, ...] = ()  # who answered for it before

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
        """0 to 100; whole once it is claimed, and as it was where the claim is not confirmed."""
        return 100 if self.state in {State.DONE, State.VERIFIED} else self.reported


# -- what happens to it -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """A resolution was approved, so its deputy is followed from now on."""

    at: datetime
    resolution: Resolution
    approved_source: str
    fingerprint: str
    acknowledge_by: date | None = None  # Asia/Tehran; set here, so that a change of the rule
    # changes nothing for what was opened before


@dataclass(frozen=True, slots=True)
class Amended:
    """The resolution was changed by whoever approved it, or by the scheduler."""

    at: datetime
    by: str
    resolution: Resolution  # as it is now
    reason: str | None
    amendment: str | None  # its id among those of `by`
    amended_at: datetime | None = None  # UTC, as its source says; None: what it says is no date


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The deputy has taken note, and agrees or disputes."""

    at: datetime
    by: str
    stance: Stance
    note: str | None


@dataclass(frozen=True, slots=True)
class Settled:
    """Coordination decided a dispute: it stands."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """The deputy reports how far it is."""

    at: datetime
    by: str
    progress: int
    note: str | None


@dataclass(frozen=True, slots=True)
class Blocked:
    """The deputy can't go on until somebody else has acted."""

    at: datetime
    by: str
    blocked_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unblocked:
    """What was in the way is gone."""

    at: datetime
    by: str
    note: str | None


@dataclass(frozen=True, slots=True)
class WentUnacknowledged:
    """The days in which the deputy has to take note are over, told once."""

    at: datetime
    acknowledge_by: date


@dataclass(frozen=True, slots=True)
class CameDueSoon:
    """The due date has come near, told once for a due date."""

    at: datetime
    due_on: date


@dataclass(frozen=True, slots=True)
class FellOverdue:
    """A level of escalation was reached, once for a due date."""

    at: datetime
    level: int
    due_on: date
    days_overdue: int  # calendar days


@dataclass(frozen=True, slots=True)
class ExtensionRequested:
    """The deputy asks for a later due date; escalation pauses until it is decided or lapses."""

    at: datetime
    by: str
    due_on: date  # at present
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
    """The deputy claims that it is done."""

    at: datetime
    by: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """Somebody else confirmed that it is done."""

    at: datetime
    by: str
    finding: Finding
    note: str | None


@dataclass(frozen=True, slots=True)
class Reopened:
    """A claim was not confirmed, or a confirmation taken back."""

    at: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """It ended otherwise than done."""

    at: datetime
    by: str
    outcome: Ending
    reason: str | None


@dataclass(frozen=True, slots=True)
class EvidenceAdded:
    """Somebody handed in a piece of evidence: a file, or a link to one."""

    at: datetime
    by: str
    evidence_id: str
    name: str | None  # of a file, for people
    media_type: str | None
    bytes: int | None
    sha256: str | None  # hex; of a link only where it was told
    url: str | None  # of a link
    note: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """Another deputy answers for it from now on."""

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


def followup_id(deputy: str, resolution_id: str) -> str:
    """One follow-up a deputy and resolution: its id is theirs (UUID, RFC 9562 version 5)."""
    return name_id(_FOLLOWUP_IDS, f"{deputy}|{resolution_id}")


def opened(fact: Opened) -> Followup:
    """The follow-up that a fact of opening brings about."""
    resolution = fact.resolution
    return Followup(
        followup_id=followup_id(resolution.deputy, resolution.resolution_id),
        version=1,
        state=State.OPENED,
        resolution=resolution,
        original_due_on=resolution.due_on,
        approved_source=fact.approved_source,
        fingerprint=fact.fingerprint,
        opened_at=fact.at,
        changed_at=fact.at,
        acknowledge_by=fact.acknowledge_by,
    )


def evolve(followup: Followup, fact: Fact) -> Followup:  # noqa: PLR0912  # one case a fact
    """The follow-up after one more fact. Decides nothing: a fact has happened."""
    next_ = replace(followup, version=followup.version + 1, changed_at=fact.at)
    match fact:
        case Opened():
            return opened(fact)
        case Amended():
            left = work.within(followup.work, fact.resolution.bodies)
            at = fact.amended_at or followup.amended_at
            return _due(replace(next_, amended_at=at, work=left), fact.resolution)
        case Acknowledged():
            state = State.ACKNOWLEDGED if fact.stance == "agreed" else State.DISPUTED
            return replace(next_, state=state, acknowledged_at=fact.at)
        case Settled():
            return replace(next_, state=State.ACKNOWLEDGED)
        case Progressed():
            return replace(next_, state=State.IN_PROGRESS, reported=fact.progress)
        case Blocked():
            return replace(next_, state=State.BLOCKED, blocked_by=fact.blocked_by)
        case Unblocked():
            return replace(next_, state=State.IN_PROGRESS, blocked_by=None)
        case WentUnacknowledged():
            return replace(next_, unacknowledged_at=fact.at)
        case CameDueSoon():
            return replace(next_, due_soon_for=(*followup.due_soon_for, fact.due_on))
        case FellOverdue():
            return replace(next_, level=fact.level)
        case ExtensionRequested():
            request = Request(fact.requested_due_on, fact.by, fact.at, fact.reason, fact.lapses_at)
            asked = (*followup.requested_for, fact.due_on)
            return replace(next_, request=request, requested_for=asked)
        case Extended():
            granted = Extension(fact.previous_due_on, fact.due_on, fact.by, fact.at)
            extended = replace(next_, request=None, extensions=(*followup.extensions, granted))
            return _due(extended, replace(followup.resolution, due_on=fact.due_on))
        case ExtensionRefused():
            return replace(next_, request=None)
        case Completed():
            lent = followup.work.delegated_to(fact.by, fact.at)
            return replace(
                next_, state=State.DONE, claimed_by=fact.by, claimed_at=fact.at, blocked_by=None,
                claimed_for=None if lent is None else lent.by, request=None,
            )  # fmt: skip
        case Verified():
            return replace(next_, state=State.VERIFIED, verified_by=fact.by, finding=fact.finding)
        case Reopened():
            return replace(
                next_, state=State.REOPENED, claimed_by=None, claimed_for=None, claimed_at=None,
                verified_by=None, finding=None,
            )  # fmt: skip
        case Closed():
            return replace(
                next_, state=State.CLOSED, outcome=fact.outcome, closed_by=fact.by, request=None,
                blocked_by=None,
            )  # fmt: skip
        case EvidenceAdded():
            return replace(next_, evidence=(*followup.evidence, fact))
        case Moved():
            return replace(
                next_, resolution=replace(followup.resolution, deputy=fact.to),
                former_deputies=(*followup.former_deputies, fact.previous_deputy),
                work=replace(followup.work, officer=None, delegation=None),
            )  # fmt: skip
        case _:
            return replace(next_, work=work.after(followup.work, fact))


def _due(followup: Followup, resolution: Resolution) -> Followup:
    """A new due date has its own levels; one that was due before keeps those it had.

    A request for more time was about the former date.
    """
    was = followup.resolution.due_on
    if resolution.due_on == was:
        return replace(followup, resolution=resolution)
    levels = dict(followup.former_levels)
    if followup.level:
        levels[was] = followup.level
    level = levels.pop(resolution.due_on, 0)
    former = tuple(sorted(levels.items()))
    return replace(followup, resolution=resolution, level=level, former_levels=former, request=None)
