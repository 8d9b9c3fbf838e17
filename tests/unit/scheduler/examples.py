"""Examples for the tests of the scheduler: people, rules, a session, terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args

from hypothesis import settings
from hypothesis import strategies as st

from services.scheduler.domain.records import (
    Amended,
    Amendment,
    Approved,
    Attendee,
    Cancelled,
    Closed,
    Gathering,
    Kind,
    Mode,
    Opened,
    Priority,
    Rescheduled,
    ResolutionFact,
    Scheduled,
    Season,
    Session,
    SessionFact,
    Terms,
    Withdrawn,
    evolve,
    scheduled,
)
from services.scheduler.handlers import HandlerContext
from shared.contracts.reference import DEPUTIES, PROVINCES
from shared.contracts.topics import Topics
from shared.runtime.calendar import FRIDAY, WorkingCalendar
from shared.runtime.principals import Principal, Roles

NOW = datetime(2023, 10, 16, 9, 0, tzinfo=UTC)
CODES = tuple(province.code for province in PROVINCES)
DEPUTY_IDS = tuple(deputy.id for deputy in DEPUTIES)
LEAD = timedelta(hours=72)


def principal(user: str, *roles: str) -> Principal:
    """A person with these roles."""
    return Principal.with_roles(user, roles, Roles.of(DEPUTY_IDS))


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


def context(deputies: Sequence[str] = DEPUTY_IDS) -> HandlerContext:
    """The usual rules, with no holidays but Fridays."""
    calendar = WorkingCalendar(frozenset({FRIDAY}))
    return HandlerContext(calendar, LEAD, tuple(deputies), Topics(deputies))


# -- any chain of facts -------------------------------------------------------------------------

unhurried = settings(max_examples=60)
texts = st.none() | st.text("مصوبه‌ی ۱۲ \nabc", max_size=20)
names = st.text("شهرداریمشهدabc", min_size=1, max_size=10)
few_days = st.sampled_from([date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)])


@st.composite
def instants(draw: st.DrawFn) -> datetime:
    """Instants to the millisecond, as both the store and the events keep them."""
    return NOW + timedelta(milliseconds=draw(st.integers(0, 10**11)))


@st.composite
def gatherings(draw: st.DrawFn) -> Gathering:
    """Any gathering, with all optional fields or with none."""
    least = gathering(season=None, report_due_at=None, kind="visit", provinces=())
    whole = gathering(
        title=draw(names),
        starts_at=draw(instants()),
        mode=draw(st.sampled_from(get_args(Mode))),
        venue=draw(st.none() | names),
        attendees=draw(st.sampled_from([(), (Attendee("governor", "g.razavi", "استاندار"),)])),
    )
    return draw(st.sampled_from([least, whole]))


@st.composite
def later_facts(draw: st.DrawFn, current: Session) -> SessionFact:
    """Any fact of a session, even one that no decision would allow."""
    at, text = draw(instants()), draw(texts)
    starts_at, ends_at, due_at = draw(instants()), draw(instants()), draw(st.none() | instants())
    previous = current.gathering.starts_at
    kinds: list[SessionFact] = [
        Rescheduled(at, starts_at, ends_at, previous, due_at, text),
        Cancelled(at, text),
        Opened(at),
        Closed(at, text),
    ]
    return draw(st.sampled_from(kinds))


@st.composite
def session_lives(draw: st.DrawFn) -> list[SessionFact]:
    """Whole lives of sessions."""
    facts: list[SessionFact] = [Scheduled(draw(instants()), draw(gatherings()))]
    current = session()
    for _ in range(draw(st.integers(0, 8))):
        facts.append(draw(later_facts(current)))
        current = evolve(current, facts[-1])
    return facts


@st.composite
def resolution_lives(draw: st.DrawFn) -> list[ResolutionFact]:
    """Whole lives of resolutions, amended and withdrawn in any order."""
    least = terms(due_on=draw(few_days))
    whole = terms(
        axis="crisis",
        province="IR-09",
        text=draw(texts),
        supporting=tuple(draw(st.lists(names, max_size=3))),
        executing_body=draw(st.none() | names),
        priority=draw(st.sampled_from(get_args(Priority))),
        number=draw(st.none() | names),
        baseline_on=draw(st.none() | few_days),
    )
    meant = draw(st.sampled_from([least, whole]))
    kind = draw(st.sampled_from(get_args(Kind)))
    facts: list[ResolutionFact] = [
        Approved(draw(instants()), "1402-IR-09-R001", "1402-IR-09", kind, meant)
    ]
    amendments = st.builds(
        Amendment,
        title=st.none() | names,
        due_on=st.none() | few_days,
        text=texts,
        supporting=st.none() | st.lists(names, max_size=3).map(tuple),
        executing_body=st.none() | names,
        priority=st.none() | st.sampled_from(get_args(Priority)),
        number=st.none() | names,
    )
    amended = st.builds(Amended, instants(), amendments, texts)
    withdrawn = st.builds(Withdrawn, instants(), texts)
    facts += draw(st.lists(amended | withdrawn, max_size=8))
    return facts
