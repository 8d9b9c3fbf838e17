"""What goes in and out over HTTP, and how it is made of the domain's records."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Annotated, Final, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from services.scheduler.domain.records import (
    Attendee,
    Gathering,
    Kind,
    Mode,
    Season,
    Session,
    State,
)
from shared.contracts.events import Person
from shared.contracts.events.base import (
    Day,
    Instant,
    Name,
    NullIsAbsent,
    ProvinceCode,
    Text,
    Title,
)
from shared.contracts.events.sessions import SessionKind, SessionMode
from shared.contracts.reference import PROVINCES
from shared.runtime.calendar import TEHRAN
from shared.runtime.http import NewId, RequestBody

# -- kinds of fields ----------------------------------------------------------------------------

_YEARS: Final = range(1950, 2151)
_TIME: Final = "^([01][0-9]|2[0-3]):[0-5][0-9]$"

AnyDate = TypeVar("AnyDate", bound=date)


def _time_of_day(value: object) -> object:
    """Refuse numbers: pydantic would read them as seconds since midnight."""
    if not (isinstance(value, str) and re.fullmatch(_TIME, value)):
        raise PydanticCustomError("written", "must be text like {example}", {"example": "09:00"})
    return value


def _in_range(day: AnyDate) -> AnyDate:
    if day.year not in _YEARS:
        raise PydanticCustomError("year", "must be a year of the Gregorian calendar, 1950 to 2150")
    return day


def _to_the_millisecond(instant: datetime) -> datetime:
    return instant.replace(microsecond=instant.microsecond // 1_000 * 1_000)


StartDay: TypeAlias = Annotated[Day, AfterValidator(_in_range)]
"""A day in Asia/Tehran from which dates are counted."""

Start: TypeAlias = Annotated[
    Instant, AfterValidator(_in_range), AfterValidator(_to_the_millisecond)
]
"""An instant with an offset at which something begins or ends, cut to milliseconds."""

TimeOfDay: TypeAlias = Annotated[
    time,
    BeforeValidator(_time_of_day),
    WithJsonSchema({"type": "string", "pattern": _TIME}),
]
"""Hours and minutes in Asia/Tehran."""

SeasonName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")]


# -- requests -----------------------------------------------------------------------------------


class CreateSeason(RequestBody):
    season: SeasonName
    starts_on: StartDay = Field(description="of the first session, in Asia/Tehran")
    starts_at_time: TimeOfDay = Field(time(9), description="of every session, in Asia/Tehran")
    minutes: int = Field(270, ge=1, le=1_440, strict=True, description="how long each lasts")
    provinces: tuple[ProvinceCode, ...] = Field(
        tuple(province.code for province in PROVINCES),
        description="each exactly once, in the order of their turns",
    )
    mode: SessionMode = "in-person"
    venue: Name | None = None


class Invited(Person):
    """An attendee in a request."""

    model_config = ConfigDict(extra="forbid")


class Schedule(RequestBody):
    session_id: NewId | None = Field(
        None, description="by default of its kind and beginning: `visit-20230820-0900`"
    )
    kind: SessionKind
    provinces: Annotated[tuple[ProvinceCode, ...], NullIsAbsent(())] = ()
    title: Title
    starts_at: Start
    ends_at: Start
    mode: SessionMode
    venue: Name | None = None
    season: SeasonName | None = None
    attendees: Annotated[tuple[Invited, ...], Field(max_length=1_000), NullIsAbsent(())] = ()

    def gathering(self) -> Gathering:
        """The gathering in the domain's record."""
        begins = self.starts_at.astimezone(TEHRAN)
        return Gathering(
            session_id=self.session_id or f"{self.kind}-{begins:%Y%m%d-%H%M}",
            kind=self.kind,
            provinces=self.provinces,
            title=self.title,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            mode=self.mode,
            season=self.season,
            venue=self.venue,
            attendees=tuple(Attendee(p.role, p.id, p.name) for p in self.attendees),
        )


class Reschedule(RequestBody):
    starts_at: Start
    ends_at: Start
    reason: Text | None = None


class Cancel(RequestBody):
    reason: Text | None = None


class Close(RequestBody):
    summary: Text | None = None


# -- answers ------------------------------------------------------------------------------------


def _hours_and_minutes(of_day: time) -> str:
    return of_day.isoformat("minutes")


class AttendeeItem(BaseModel):
    """Somebody who takes part, in a role."""

    model_config = ConfigDict(from_attributes=True)

    role: str
    id: str
    name: str | None


class SessionItem(BaseModel):
    """A session."""

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
    """A season and its sessions, in the order of their start."""

    sessions: list[SessionItem]


def session_item(session: Session) -> SessionItem:
    """A session as the API answers it."""
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
    """A season with its sessions, as the API answers it."""
    item = SeasonItem.model_validate(season)
    in_order = sorted(sessions, key=lambda session: session.gathering.starts_at)
    return SeasonWithSessions(**dict(item), sessions=[session_item(s) for s in in_order])
