"""Converts the facts of absences to events, and our own events back."""

from __future__ import annotations

from dataclasses import replace

from services.followups.domain.absences import Absence
from shared.contracts.events import AbsenceDeclared, AbsenceEnded, AbsenceEvent
from shared.messaging.core.model import Event, event_of


def to_event(absence: Absence, topic: str, trace: str | None) -> Event:
    """Return the event of the latest fact of an absence."""
    data = _declared(absence) if absence.ended_at is None else _ended(absence)
    return event_of(
        data,
        topic=topic,
        aggregate_id=absence.absence_id,
        version=absence.version,
        time=data.at,
        trace=trace,
    )


def from_event(data: AbsenceEvent, before: Absence | None) -> Absence | None:
    """Return the absence after one of our own events, or None if it does not follow `before`."""
    match data:
        case AbsenceDeclared() if before is None:
            return Absence(
                absence_id=data.absence_id,
                deputy=data.deputy,
                substitute=data.substitute,
                first_on=data.first_on,
                last_on=data.last_on,
                reason=data.reason,
                declared_by=data.by,
                declared_at=data.at,
            )
        case AbsenceEnded() if before is not None and before.ended_at is None:
            return replace(before, ended_by=data.by, ended_at=data.at)
        case _:
            return None


def _declared(absence: Absence) -> AbsenceDeclared:
    return AbsenceDeclared(
        absence_id=absence.absence_id,
        deputy=absence.deputy,
        at=absence.declared_at,
        by=absence.declared_by,
        substitute=absence.substitute,
        first_on=absence.first_on,
        last_on=absence.last_on,
        reason=absence.reason,
    )


def _ended(absence: Absence) -> AbsenceEnded:
    assert absence.ended_by is not None
    assert absence.ended_at is not None
    return AbsenceEnded(
        absence_id=absence.absence_id,
        deputy=absence.deputy,
        at=absence.ended_at,
        by=absence.ended_by,
    )
