"""Seasons, sessions, resolutions, the facts that happen to them, and what each fact changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any, Literal, TypeAlias, assert_never

Kind: TypeAlias = Literal[
    "provincial", "council-strategic", "council-executive", "nationwide", "visit"
]
Mode: TypeAlias = Literal["in-person", "webinar"]
Priority: TypeAlias = Literal["normal", "urgent"]


class State(StrEnum):
    """The state of a session."""

    SCHEDULED = "scheduled"
    OPENED = "opened"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class ResolutionState(StrEnum):
    """Whether a resolution is still in force."""

    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Season:
    """A round of weekly sessions, one per province. It never changes."""

    season: str
    starts_on: date  # Asia/Tehran; every session is on this weekday
    starts_at_time: time  # Asia/Tehran
    minutes: int
    provinces: tuple[str, ...]  # ISO 3166-2:IR, in the order of their turns
    mode: Mode
    venue: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Attendee:
    """Somebody who takes part, in a role."""

    role: str
    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Gathering:
    """An entry of the calendar: who meets, when and where."""

    session_id: str
    kind: Kind
    provinces: tuple[str, ...]
    title: str
    starts_at: datetime  # UTC
    ends_at: datetime
    mode: Mode
    season: str | None = None
    venue: str | None = None
    report_due_at: datetime | None = None  # only for a provincial session
    attendees: tuple[Attendee, ...] = ()


@dataclass(frozen=True, slots=True)
class Session:
    """A session, in the state after its latest fact."""

    version: int  # the number of its facts
    state: State
    gathering: Gathering
    scheduled_at: datetime
    changed_at: datetime
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    cancelled_at: datetime | None = None
    summary: str | None = None
    resolutions: int = 0  # how many were recorded in it; recording one does not raise `version`

    @property
    def session_id(self) -> str:
        return self.gathering.session_id

    @property
    def turn(self) -> str | None:
        """The key of the province's turn in a season; None if this session is no such turn."""
        gathering = self.gathering
        if gathering.kind != "provincial" or gathering.season is None:
            return None
        return None if self.state is State.CANCELLED else turn_of(gathering)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a resolution: who answers for what, until when."""

    deputy: str
    title: str
    due_on: date  # Asia/Tehran
    axis: str | None = None
    province: str | None = None  # ISO 3166-2:IR
    text: str | None = None
    supporting: tuple[str, ...] = ()
    executing_body: str | None = None  # outside the ministry; the deputy stays accountable
    priority: Priority = "normal"
    number: str | None = None  # of the formal letter
    baseline_on: date | None = None  # no level is announced for working days before it


@dataclass(frozen=True, slots=True)
class Amendment:
    """The fields that change; None: the field stays."""

    title: str | None = None
    due_on: date | None = None
    text: str | None = None
    supporting: tuple[str, ...] | None = None
    executing_body: str | None = None
    priority: Priority | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """A resolution, in the state after its latest fact."""

    resolution_id: str
    version: int  # the number of its facts
    state: ResolutionState
    session_id: str
    session_kind: Kind
    approved_at: datetime  # UTC
    original: Terms  # as approved, before any amendment
    terms: Terms
    changed_at: datetime


# -- facts of a session -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scheduled:
    """It was put into the calendar."""

    at: datetime
    gathering: Gathering


@dataclass(frozen=True, slots=True)
class Rescheduled:
    """It was moved."""

    at: datetime
    starts_at: datetime
    ends_at: datetime
    previous_starts_at: datetime
    report_due_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """It will not take place."""

    at: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class Opened:
    """It has begun."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Closed:
    """The Minister has summed up."""

    at: datetime
    summary: str | None


SessionFact: TypeAlias = Scheduled | Rescheduled | Cancelled | Opened | Closed


def turn_of(gathering: Gathering) -> str:
    """The key of a province's turn in a season, which only one session may have."""
    return f"{gathering.season}|{gathering.provinces[0]}"


def scheduled(fact: Scheduled) -> Session:
    """The session after its first fact."""
    return Session(1, State.SCHEDULED, fact.gathering, fact.at, fact.at)


def evolve(session: Session, fact: SessionFact) -> Session:
    """The session after one more fact. It checks nothing: a fact has happened."""
    next_ = replace(session, version=session.version + 1, changed_at=fact.at)
    match fact:
        case Scheduled():
            return scheduled(fact)
        case Rescheduled():
            moved = replace(
                session.gathering,
                starts_at=fact.starts_at,
                ends_at=fact.ends_at,
                report_due_at=fact.report_due_at,
            )
            return replace(next_, gathering=moved)
        case Cancelled():
            return replace(next_, state=State.CANCELLED, cancelled_at=fact.at)
        case Opened():
            return replace(next_, state=State.OPENED, opened_at=fact.at)
        case Closed():
            return replace(next_, state=State.CLOSED, closed_at=fact.at, summary=fact.summary)
    assert_never(fact)


# -- facts of a resolution ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Approved:
    """It was approved in a session."""

    at: datetime
    resolution_id: str
    session_id: str
    session_kind: Kind
    terms: Terms


@dataclass(frozen=True, slots=True)
class Amended:
    """It was amended."""

    at: datetime
    amendment: Amendment  # only the fields that differ
    reason: str | None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """It is no longer in force."""

    at: datetime
    reason: str | None


ResolutionFact: TypeAlias = Approved | Amended | Withdrawn


def approved(fact: Approved) -> Resolution:
    """The resolution after its first fact."""
    return Resolution(
        resolution_id=fact.resolution_id,
        version=1,
        state=ResolutionState.APPROVED,
        session_id=fact.session_id,
        session_kind=fact.session_kind,
        approved_at=fact.at,
        original=fact.terms,
        terms=fact.terms,
        changed_at=fact.at,
    )


def evolve_resolution(resolution: Resolution, fact: ResolutionFact) -> Resolution:
    """The resolution after one more fact. It checks nothing: a fact has happened."""
    next_ = replace(resolution, version=resolution.version + 1, changed_at=fact.at)
    match fact:
        case Approved():
            return approved(fact)
        case Amended():
            return replace(next_, terms=amended(resolution.terms, fact.amendment))
        case Withdrawn():
            return replace(next_, state=ResolutionState.WITHDRAWN)
    assert_never(fact)


def amended(terms: Terms, amendment: Amendment) -> Terms:
    """The terms with the fields of an amendment; the others stay."""
    return replace(terms, **changed_fields(amendment))


def changed_fields(amendment: Amendment) -> dict[str, Any]:
    """The fields that an amendment changes, with their new values."""
    fields = {name: getattr(amendment, name) for name in AMENDABLE}
    return {name: value for name, value in fields.items() if value is not None}


AMENDABLE = ("title", "due_on", "text", "supporting", "executing_body", "priority", "number")
