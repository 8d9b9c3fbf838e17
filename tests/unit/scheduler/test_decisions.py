"""What may happen to a session and to a resolution, and who may do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scheduler.domain import decisions
from services.scheduler.domain.decisions import Conflict, Invalid, NotNow
from services.scheduler.domain.records import (
    Amendment,
    Cancelled,
    Closed,
    Gathering,
    Resolution,
    ResolutionState,
    Session,
    SessionFact,
    State,
    Terms,
    Withdrawn,
    approved,
    evolve,
    evolve_resolution,
)
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed
from tests.unit.scheduler.examples import (
    CIVIL,
    COORDINATION,
    DEPUTY_IDS,
    LEAD,
    MINISTER_OFFICE,
    NOW,
    gathering,
    opened,
    session,
    terms,
)

unhurried = settings(deadline=None)  # a shared machine may be slow
TOMORROW = gathering().starts_at + timedelta(days=1)
LATER = NOW + timedelta(hours=1)

DECIDE: dict[str, Callable[[Session, Principal], SessionFact | None]] = {
    "reschedule": lambda s, by: decisions.reschedule(
        s, by, TOMORROW, TOMORROW + timedelta(hours=4), None, LEAD, LATER
    ),
    "cancel": lambda s, by: decisions.cancel(s, by, None, LATER),
    "open": lambda s, by: decisions.open_(s, by, LATER),
    "close": lambda s, by: decisions.close(s, by, "جمع‌بندی", LATER),
}
ALLOWED = {
    State.SCHEDULED: {"reschedule", "cancel", "open"},
    State.OPENED: {"close"},
    State.CLOSED: set[str](),
    State.CANCELLED: set[str](),
}
REACHED = {
    "reschedule": State.SCHEDULED,
    "cancel": State.CANCELLED,
    "open": State.OPENED,
    "close": State.CLOSED,
}


def in_state(state: State) -> Session:
    """The session after these facts."""
    match state:
        case State.SCHEDULED:
            return session()
        case State.OPENED:
            return opened()
        case State.CLOSED:
            return evolve(opened(), Closed(NOW, None))
        case State.CANCELLED:
            return evolve(session(), Cancelled(NOW, None))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("name", DECIDE)
def test_a_session_goes_from_scheduled_to_opened_to_closed_or_is_cancelled(
    state: State, name: str
) -> None:
    before = in_state(state)
    assert before.state is state
    if name not in ALLOWED[state]:
        with pytest.raises(NotNow, match=state):
            DECIDE[name](before, COORDINATION)
        return
    fact = DECIDE[name](before, COORDINATION)
    assert fact is not None
    after = evolve(before, fact)
    assert (after.state, after.version) == (REACHED[name], before.version + 1)
    assert after.changed_at == LATER


@unhurried
@given(st.lists(st.sampled_from(sorted(DECIDE)), max_size=8))
def test_versions_count_what_happened_and_an_end_is_the_end(names: list[str]) -> None:
    current, happened = session(), 1
    for name in names:
        ended = current.state in {State.CLOSED, State.CANCELLED}
        try:
            fact = DECIDE[name](current, COORDINATION)
        except NotNow:
            continue
        assert not ended
        if fact is not None:
            current, happened = evolve(current, fact), happened + 1
    assert current.version == happened


@pytest.mark.parametrize("name", DECIDE)
@pytest.mark.parametrize("by", [MINISTER_OFFICE, CIVIL])
def test_the_calendar_is_coordinations(name: str, by: Principal) -> None:
    with pytest.raises(NotAllowed, match=by.id):
        DECIDE[name](in_state(State.OPENED if name == "close" else State.SCHEDULED), by)
    with pytest.raises(NotAllowed):
        decisions.schedule(gathering(), by, LEAD, NOW)


def test_a_provincial_sessions_report_is_due_three_days_before_it_also_after_a_move() -> None:
    planned = decisions.schedule(gathering(report_due_at=None), COORDINATION, LEAD, NOW)
    assert planned.gathering.report_due_at == gathering().starts_at - timedelta(hours=72)
    fact = DECIDE["reschedule"](session(), COORDINATION)
    assert fact is not None
    moved = evolve(session(), fact)
    assert moved.gathering.starts_at == TOMORROW
    assert moved.gathering.report_due_at == TOMORROW - timedelta(hours=72)


def test_no_report_is_due_for_other_gatherings() -> None:
    visit = gathering(kind="visit", season=None)
    assert decisions.schedule(visit, COORDINATION, LEAD, NOW).gathering.report_due_at is None


def test_moving_a_session_to_its_present_time_changes_nothing() -> None:
    stands = session()
    where = stands.gathering
    moved = decisions.reschedule(
        stands, COORDINATION, where.starts_at, where.ends_at, "x", LEAD, NOW
    )
    assert moved is None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (gathering(ends_at=gathering().starts_at), "ends_at"),
        (gathering(provinces=("IR-09", "IR-10")), "provinces"),
        (gathering(provinces=()), "provinces"),
        (gathering(kind="visit", provinces=("IR-09", "IR-09")), "provinces"),
    ],
)
def test_a_gathering_that_cannot_be_is_refused_by_field(wrong: Gathering, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        decisions.schedule(wrong, COORDINATION, LEAD, NOW)
    assert [fault.field for fault in refused.value.faults] == [field]


def test_a_cancelled_session_gives_its_turn_back() -> None:
    assert session().turn == "1402|IR-09"
    assert in_state(State.CANCELLED).turn is None
    assert session(kind="visit").turn is None
    assert session(season=None).turn is None


# -- resolutions --------------------------------------------------------------------------------


def resolution() -> Resolution:
    """The bridge, approved."""
    return approved(decisions.approve(opened(), "R-1", terms(), DEPUTY_IDS, NOW))


@pytest.mark.parametrize("state", State)
def test_resolutions_come_of_a_session_that_has_begun(state: State) -> None:
    if state in {State.OPENED, State.CLOSED}:
        decisions.require_begun(in_state(state))
    else:
        with pytest.raises(NotNow, match="opened or closed"):
            decisions.require_begun(in_state(state))


def test_coordination_and_the_ministers_office_record_them() -> None:
    decisions.require_recorder(COORDINATION)
    decisions.require_recorder(MINISTER_OFFICE)
    with pytest.raises(NotAllowed, match=r"d\.karimi"):
        decisions.require_recorder(CIVIL)


def test_every_wrong_field_of_a_resolution_is_named() -> None:
    wrong = terms(deputy="nobody", axis="nothing", due_on=date(2023, 10, 15))
    with pytest.raises(Invalid) as refused:
        decisions.approve(opened(), "R-1", wrong, DEPUTY_IDS, NOW)
    assert [fault.field for fault in refused.value.faults] == ["deputy", "axis", "due_on"]


def test_the_day_of_approval_is_that_of_tehran() -> None:
    late = datetime(2023, 10, 16, 20, 30, tzinfo=UTC)  # midnight in Tehran: the 17th
    with pytest.raises(Invalid, match="2023-10-17"):
        decisions.approve(opened(), "R-1", terms(due_on=date(2023, 10, 16)), DEPUTY_IDS, late)
    just_before = late - timedelta(seconds=1)
    decisions.approve(opened(), "R-1", terms(due_on=date(2023, 10, 16)), DEPUTY_IDS, just_before)


def test_a_resolution_of_a_provincial_session_concerns_its_province_by_default() -> None:
    assert decisions.terms_in(opened(), terms()).province == "IR-09"
    assert decisions.terms_in(opened(), terms(province="IR-10")).province == "IR-10"
    council = opened(kind="council-executive", provinces=("IR-01", "IR-02"))
    assert decisions.terms_in(council, terms()).province is None


def test_the_same_approval_again_is_taken_even_after_an_amendment() -> None:
    known = resolution()
    amendment = Amendment(due_on=date(2024, 6, 1))
    fact = decisions.amend(known, COORDINATION, amendment, None, LATER)
    assert fact is not None
    decisions.approve_again(evolve_resolution(known, fact), opened(), terms())


@pytest.mark.parametrize(
    "other",
    [terms(title="پل دیگر"), terms(due_on=date(2024, 1, 2)), terms(supporting=("شهرداری",))],
)
def test_another_approval_under_the_same_id_is_a_conflict(other: Terms) -> None:
    with pytest.raises(Conflict, match="R-1"):
        decisions.approve_again(resolution(), opened(), other)


def test_the_same_approval_in_another_session_is_a_conflict() -> None:
    with pytest.raises(Conflict):
        decisions.approve_again(resolution(), opened(session_id="1402-IR-10"), terms())


def test_an_amendment_tells_only_what_is_otherwise() -> None:
    amendment = Amendment(title=terms().title, due_on=date(2024, 6, 1), supporting=())
    fact = decisions.amend(resolution(), MINISTER_OFFICE, amendment, "برف", LATER)
    assert fact is not None
    assert fact.amendment == Amendment(due_on=date(2024, 6, 1))
    after = evolve_resolution(resolution(), fact)
    assert after.terms == replace(terms(), due_on=date(2024, 6, 1))
    assert (after.original, after.version) == (terms(), 2)


def test_an_amendment_that_changes_nothing_is_none() -> None:
    same = Amendment(title=terms().title)
    assert decisions.amend(resolution(), COORDINATION, same, "x", LATER) is None
    assert decisions.amend(resolution(), COORDINATION, Amendment(), "x", LATER) is None


def test_an_amendment_can_empty_the_list_of_supporting_bodies() -> None:
    supported = approved(
        decisions.approve(opened(), "R-1", terms(supporting=("شهرداری",)), DEPUTY_IDS, NOW)
    )
    fact = decisions.amend(supported, COORDINATION, Amendment(supporting=()), None, LATER)
    assert fact is not None
    assert evolve_resolution(supported, fact).terms.supporting == ()


def test_a_due_date_is_never_moved_before_the_approval() -> None:
    with pytest.raises(Invalid, match="due_on"):
        decisions.amend(
            resolution(), COORDINATION, Amendment(due_on=date(2023, 10, 15)), None, LATER
        )


def test_a_withdrawn_resolution_stays_as_it_is() -> None:
    fact = decisions.withdraw(resolution(), COORDINATION, "تکراری", LATER)
    assert fact == Withdrawn(LATER, "تکراری")
    withdrawn = evolve_resolution(resolution(), fact)
    assert withdrawn.state is ResolutionState.WITHDRAWN
    assert decisions.withdraw(withdrawn, COORDINATION, None, LATER) is None
    with pytest.raises(NotNow, match="withdrawn"):
        decisions.amend(withdrawn, COORDINATION, Amendment(title="x"), None, LATER)


def test_others_neither_amend_nor_withdraw() -> None:
    with pytest.raises(NotAllowed):
        decisions.amend(resolution(), CIVIL, Amendment(title="x"), None, LATER)
    with pytest.raises(NotAllowed):
        decisions.withdraw(resolution(), CIVIL, None, LATER)
