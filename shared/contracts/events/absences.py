"""Events of the absences of deputies; the service `followups` owns them, in its topics.

Their key is the absence's id: they are about no follow-up.
"""

from __future__ import annotations

from shared.contracts.events.base import Brief, Day, EventData, Id, Instant, Slug
from shared.contracts.events.followups import By


class AbsenceEvent(EventData):
    """The fields of every event of an absence."""

    absence_id: Id
    deputy: Slug


class AbsenceDeclared(AbsenceEvent):
    """A deputy is away from `first_on` to `last_on`; the substitute acts for the deputy meanwhile.

    The absence ends after that day without an event.
    """

    at: Instant
    by: By
    substitute: By
    first_on: Day
    last_on: Day
    reason: Brief


class AbsenceEnded(AbsenceEvent):
    """An absence was ended before its last day."""

    at: Instant
    by: By
