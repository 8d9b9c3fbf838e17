"""What the API answers: the records with the field names of the events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from services.scheduler.domain.records import (
    Kind,
    Mode,
    Resolution,
    ResolutionState,
    Season,
    Session,
    State,
)


def _hours_and_minutes(of_day: time) -> str:
    return of_day.isoformat("minutes")


class AttendeeItem(BaseModel):
    """Somebody who takes part, in a role."""

    model_config = ConfigDict(from_attributes=True)

    role: str
    id: str
    name: str | None


class SessionItem(BaseModel):
    """A session as it stands."""

    session_id: str
    kind: Kind
    state: State
    season: str | None
    provinces: tuple[str, ...]
    title: str
    starts_at: datetime
    ends_at: datetime
    mode: Mode
    venue: str | None
    report_due_at: datetime | None
    attendees: tuple[AttendeeItem, ...]
    summary: str | None
    resolutions: int = Field(description="how many were recorded in it")
    scheduled_at: datetime
    opened_at: datetime | None
    closed_at: datetime | None
    cancelled_at: datetime | None
    changed_at: datetime
    version: int


class SeasonItem(BaseModel):
    """A season."""

    model_config = ConfigDict(from_attributes=True)

    season: str
    starts_on: date = Field(description="in Asia/Tehran")
    starts_at_time: Annotated[time, PlainSerializer(_hours_and_minutes)] = Field(
        description="in Asia/Tehran"
    )
    minutes: int
    provinces: tuple[str, ...] = Field(description="in the order of their turns")
    mode: Mode
    venue: str | None
    created_at: datetime


class SeasonWithSessions(SeasonItem):
    """A season and its sessions, by when they begin."""

    sessions: list[SessionItem]


class ResolutionItem(BaseModel):
    """A resolution as it stands."""

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


def session_item(session: Session) -> SessionItem:
    """A session as it is answered."""
    g = session.gathering
    return SessionItem(
        session_id=session.session_id,
        kind=g.kind,
        state=session.state,
        season=g.season,
        provinces=g.provinces,
        title=g.title,
        starts_at=g.starts_at,
        ends_at=g.ends_at,
        mode=g.mode,
        venue=g.venue,
        report_due_at=g.report_due_at,
        attendees=tuple(map(AttendeeItem.model_validate, g.attendees)),
        summary=session.summary,
        resolutions=session.resolutions,
        scheduled_at=session.scheduled_at,
        opened_at=session.opened_at,
        closed_at=session.closed_at,
        cancelled_at=session.cancelled_at,
        changed_at=session.changed_at,
        version=session.version,
    )


def season_with_sessions(season: Season, sessions: Iterable[Session]) -> SeasonWithSessions:
    """A season as it is answered alone."""
    item = SeasonItem.model_validate(season)
    in_order = sorted(sessions, key=lambda session: session.gathering.starts_at)
    return SeasonWithSessions(**dict(item), sessions=[session_item(s) for s in in_order])


def resolution_item(resolution: Resolution) -> ResolutionItem:
    """A resolution as it is answered."""
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
