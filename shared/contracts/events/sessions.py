"""Events of sessions and other gatherings; the scheduler owns them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from shared.contracts.events.base import (
    Count,
    EventData,
    Id,
    Instant,
    Name,
    NullIsAbsent,
    Person,
    ProvinceCode,
    Text,
    Title,
    Version,
)

SessionKind: TypeAlias = Literal[
    "provincial", "council-strategic", "council-executive", "nationwide", "visit"
]
SessionMode: TypeAlias = Literal["in-person", "webinar"]


class SessionScheduled(EventData):
    """A session was scheduled. The report of a provincial one is due 72 hours before it."""

    session_id: Id
    kind: SessionKind
    provinces: tuple[ProvinceCode, ...]
    title: Title
    starts_at: Instant
    ends_at: Instant
    mode: SessionMode
    season: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")] | None = None
    venue: Name | None = None
    report_due_at: Instant | None = None
    attendees: Annotated[tuple[Person, ...], NullIsAbsent(())] = ()


class SessionRescheduled(EventData):
    """A session was moved."""

    session_id: Id
    starts_at: Instant
    ends_at: Instant
    previous_starts_at: Instant
    report_due_at: Instant | None = None
    reason: Text | None = None


class SessionCancelled(EventData):
    """A session will not take place."""

    session_id: Id
    cancelled_at: Instant
    reason: Text | None = None


class InvitationIssued(EventData):
    """A province was invited, with the due time of its report."""

    session_id: Id
    province: ProvinceCode
    issued_at: Instant
    report_due_at: Instant
    circular_id: Id | None = None
    catalogue_version: Version | None = None


class SessionOpened(EventData):
    """A session has begun."""

    session_id: Id
    opened_at: Instant


class SessionClosed(EventData):
    """A session has ended with the Minister's summary and the number of resolutions."""

    session_id: Id
    closed_at: Instant
    resolutions: Count
    summary: Text | None = None
