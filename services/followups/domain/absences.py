"""Absences: while a deputy is away, a substitute acts for the deputy, on these days and no others.

Instants are in UTC, days in Asia/Tehran. `now` is the present instant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from services.followups.domain.refusals import NotNow
from shared.runtime.calendar import tehran_date
from shared.runtime.principals import Substitution
from shared.runtime.refusals import Refused
from shared.runtime.sentences import sentence

LONGEST_ABSENCE: Final = 366  # days, the first and the last included


class BadSubstitute(Refused):
    """The substitute has to be somebody else than who declares the absence."""

    reason = "bad-substitute"


class BadFirstDay(Refused):
    """An absence begins today or later."""

    reason = "bad-first-on"


class BadLastDay(Refused):
    """An absence ends on its first day or later, within a year."""

    reason = "bad-last-on"


class Overlaps(Refused):
    """Another absence of the same deputy has some of these days, whoever the substitute is there.

    So one person at a time acts for a deputy.
    """

    reason = "absence-overlaps"


@dataclass(frozen=True, slots=True)
class Absence:
    """A deputy is away, and a substitute acts for that deputy."""

    absence_id: str
    deputy: str
    substitute: str  # a user
    first_on: date  # from 00:00 of this day
    last_on: date  # until the end of this day
    reason: str
    declared_by: str
    declared_at: datetime
    ended_by: str | None = None
    ended_at: datetime | None = None  # None: it was not ended before its last day

    @property
    def version(self) -> int:
        """The number of its facts: it is declared, and may be ended."""
        return 1 if self.ended_at is None else 2

    def covers(self, now: datetime) -> bool:
        """Whether the substitute acts for the deputy at an instant."""
        if self.ended_at is not None and now >= self.ended_at:
            return False
        return self.first_on <= tehran_date(now) <= self.last_on

    def shares_days_with(self, first_on: date, last_on: date) -> bool:
        """Whether it has one of these days, and was not ended."""
        return self.ended_at is None and self.first_on <= last_on and first_on <= self.last_on


def declare(absence: Absence, others: Iterable[Absence]) -> Absence:
    """Declare an absence; `others` are those of the same deputy that may have the same days.

    Raises BadSubstitute, BadFirstDay, BadLastDay, Overlaps.
    """
    if absence.substitute == absence.declared_by:
        raise BadSubstitute(
            sentence("{substitute} declares it; who else acts?", substitute=absence.substitute)
        )
    today, first, last = tehran_date(absence.declared_at), absence.first_on, absence.last_on
    if first < today:
        raise BadFirstDay(sentence("{first} is past: today is {today}", first=first, today=today))
    latest = first + timedelta(days=LONGEST_ABSENCE - 1)
    if not first <= last <= latest:
        raise BadLastDay(
            sentence(
                "{last} is not from {first} to {latest}", last=last, first=first, latest=latest
            )
        )
    for other in others:
        if other.shares_days_with(first, last):
            raise Overlaps(
                sentence(
                    "from {first} to {last} {substitute} acts for {deputy}; end that first",
                    first=other.first_on,
                    last=other.last_on,
                    substitute=other.substitute,
                    deputy=other.deputy,
                )
            )
    return absence


def end(absence: Absence, by: str, now: datetime) -> Absence:
    """End an absence at once, also one that has not begun. Raises NotNow if it is over."""
    if absence.ended_at is not None or tehran_date(now) > absence.last_on:
        raise NotNow("the absence is over")
    return replace(absence, ended_by=by, ended_at=now)


def substitutions(
    absences: Iterable[Absence], user: str, now: datetime
) -> Mapping[str, Substitution]:
    """Return for which deputies somebody acts at an instant, and by which absence."""
    return {
        absence.deputy: Substitution(absence.absence_id, absence.last_on)
        for absence in absences
        if absence.substitute == user and absence.covers(now)
    }
