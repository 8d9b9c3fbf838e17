"""The plan of a season: which province meets on which day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from services.scheduler.domain.decisions import Fault, Invalid
from services.scheduler.domain.records import Gathering, Season
from shared.contracts.reference import PROVINCE_CODES, PROVINCE_NAMES_FA, PROVINCES
from shared.runtime.calendar import TEHRAN, WorkingCalendar
from shared.runtime.sentences import Sentence, sentence

_WEEK = 7
_SATURDAY = 5  # as date.weekday() counts; Iran's week begins with it


def plan(season: Season, calendar: WorkingCalendar, report_lead: timedelta) -> list[Gathering]:
    """Plan one session per week, one per province, in the order of their turns.

    Each is on the weekday of the first. If that is not a working day, it is on the nearest working
    day of the same week (Saturday to Friday); of two equally near days, on the later. Raises
    Invalid if a province does not have exactly one turn, or if a week has no working day.
    """
    require_each_once(season.provinces)
    return [
        _gathering(season, province, _working_day(season.starts_on, week, calendar), report_lead)
        for week, province in enumerate(season.provinces)
    ]


def require_each_once(provinces: Sequence[str]) -> None:
    """Check that each province is named exactly once. Raises Invalid if not."""
    twice = sorted({code for code in provinces if provinces.count(code) > 1})
    missing = [province.code for province in PROVINCES if province.code not in provinces]
    unknown = sorted(set(provinces) - PROVINCE_CODES)
    wrong = [("named twice", twice), ("missing", missing), ("unknown", unknown)]
    parts = [
        sentence("{what}: {codes}", what=sentence(what), codes=codes)
        for what, codes in wrong
        if codes
    ]
    if parts:
        wrongs = Sentence.of("; ".join(parts), "{parts}", {"parts": parts})
        raise Invalid([Fault("provinces", sentence("each exactly once; {wrong}", wrong=wrongs))])


def _working_day(starts_on: date, week: int, calendar: WorkingCalendar) -> date:
    day = starts_on + timedelta(days=week * _WEEK)
    saturday = day - timedelta(days=(day.weekday() - _SATURDAY) % _WEEK)
    week_days = (saturday + timedelta(days=number) for number in range(_WEEK))
    worked = [candidate for candidate in week_days if calendar.is_working(candidate)]
    if not worked:
        raise Invalid(
            [
                Fault(
                    "starts_on",
                    sentence("the week of {saturday} has no working day", saturday=saturday),
                )
            ]
        )
    return min(worked, key=lambda candidate: (abs(candidate - day), day - candidate))


def _gathering(season: Season, province: str, day: date, report_lead: timedelta) -> Gathering:
    starts_at = datetime.combine(day, season.starts_at_time, tzinfo=TEHRAN).astimezone(UTC)
    return Gathering(
        session_id=f"{season.season}-{province}",
        kind="provincial",
        provinces=(province,),
        title=f"نشست تخصصی استان {PROVINCE_NAMES_FA[province]}",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=season.minutes),
        mode=season.mode,
        season=season.season,
        venue=season.venue,
        report_due_at=starts_at - report_lead,
    )
