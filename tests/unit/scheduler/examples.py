"""What the tests of the scheduler speak of: people, rules, a session, terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from services.scheduler.domain.records import (
    Gathering,
    Opened,
    Scheduled,
    Season,
    Session,
    Terms,
    evolve,
    scheduled,
)
from services.scheduler.handlers import Rules
from shared.contracts.reference import DEPUTIES, PROVINCE_CODES, PROVINCES
from shared.contracts.topics import Topics
from shared.runtime.calendar import FRIDAY, WorkingCalendar
from shared.runtime.principals import Principal

NOW = datetime(2023, 10, 16, 9, 0, tzinfo=UTC)
CODES = tuple(province.code for province in PROVINCES)
DEPUTY_IDS = tuple(deputy.id for deputy in DEPUTIES)
LEAD = timedelta(hours=72)


def principal(user: str, *roles: str) -> Principal:
    """Somebody in these roles."""
    return Principal.with_roles(user, roles, DEPUTY_IDS, PROVINCE_CODES)


COORDINATION = principal("c.ahmadi", "coordination")
MINISTER_OFFICE = principal("m.rezaei", "minister-office")
CIVIL = principal("d.karimi", "deputy:civil")


def season(**changes: Any) -> Season:
    """The season of 1402."""
    usual = Season("1402", date(2023, 8, 14), time(9), 270, CODES, "in-person", None, NOW)
    return replace(usual, **changes)


def gathering(**changes: Any) -> Gathering:
    """The session of Razavi Khorasan."""
    starts_at = datetime(2023, 10, 16, 5, 30, tzinfo=UTC)
    usual = Gathering(
        session_id="1402-IR-09",
        kind="provincial",
        provinces=("IR-09",),
        title="نشست تخصصی استان خراسان رضوی",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=270),
        mode="in-person",
        season="1402",
        report_due_at=starts_at - LEAD,
    )
    return replace(usual, **changes)


def session(**changes: Any) -> Session:
    """That session, in the calendar."""
    return scheduled(Scheduled(NOW, gathering(**changes)))


def opened(**changes: Any) -> Session:
    """That session, begun."""
    return evolve(session(**changes), Opened(NOW))


def terms(**changes: Any) -> Terms:
    """A bridge to be built."""
    usual = Terms("civil", "تکمیل پل روستای سرآسیاب", date(2024, 1, 1))
    return replace(usual, **changes)


def rules(deputies: Sequence[str] = DEPUTY_IDS) -> Rules:
    """The usual rules, with no holidays but Fridays."""
    calendar = WorkingCalendar(frozenset({FRIDAY}))
    return Rules(calendar, LEAD, tuple(deputies), Topics(deputies))
