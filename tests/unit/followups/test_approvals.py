"""The decisions about approvals, amendments and withdrawals of resolutions."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.followups.domain import decisions
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import Amended, Closed, Opened
from services.followups.domain.records import State, followup_id
from services.followups.domain.refusals import (
    Conflict,
    DueBeforeApproval,
    NotNow,
    NotTheApprover,
    Outdated,
    WrongDeputy,
)
from tests.unit.followups.examples import (
    APPROVER,
    FINGERPRINT,
    LATER,
    NOW,
    SCHEDULER,
    STRANGER,
    followup,
    resolution,
)
from tests.unit.followups.states import IN_STATE


def test_an_approval_opens_the_follow_up_of_its_deputy_and_resolution() -> None:
    fact = decisions.open_(resolution(), APPROVER, FINGERPRINT, NOW)
    assert fact == Opened(NOW, resolution(), APPROVER, FINGERPRINT)
    begun = opened(fact)
    assert begun.followup_id == followup_id("civil", "1402-IR-09-R001")
    assert (begun.version, begun.state, begun.level) == (1, State.OPENED, 0)


def test_the_id_of_a_follow_up_never_changes() -> None:
    """Stored documents and published events have this id."""
    assert followup_id("civil", "1402-IR-09-R001") == "dbc94aab-88c3-5bac-8e9a-ae8ebd289b05"
    assert followup_id("social", "1402-IR-09-R001") != followup_id("civil", "1402-IR-09-R001")


def test_an_event_of_another_deputy_than_the_topics_is_refused() -> None:
    begun = followup()
    decisions.require_own("civil", "civil", None)
    decisions.require_own("civil", "social", replace(begun, former_deputies=("civil",)))
    for known in (None, begun):
        with pytest.raises(WrongDeputy):
            decisions.require_own("civil", "social", known)


def test_a_due_date_is_not_before_the_day_of_approval_in_tehran() -> None:
    late = NOW.replace(hour=21)  # 00:30 of the 17th in Tehran
    on_the_day = resolution(approved_at=late, due_on=date(2023, 10, 17))
    assert decisions.open_(on_the_day, APPROVER, FINGERPRINT, NOW).resolution == on_the_day
    before = resolution(approved_at=late, due_on=date(2023, 10, 16))
    with pytest.raises(DueBeforeApproval):
        decisions.open_(before, APPROVER, FINGERPRINT, NOW)
    with pytest.raises(DueBeforeApproval):
        decisions.amend(
            followup(approved_at=late), before, APPROVER, SCHEDULER, None, "a", LATER, LATER
        )


def test_a_repeated_approval_is_accepted_and_a_different_one_is_a_conflict() -> None:
    decisions.approve_again(followup(), FINGERPRINT)
    with pytest.raises(Conflict):
        decisions.approve_again(followup(), "b" * 64)


@pytest.mark.parametrize("source", [APPROVER, SCHEDULER])
def test_the_approver_and_the_scheduler_amend_and_withdraw(source: str) -> None:
    moved = resolution(due_on=date(2024, 6, 1))
    amendment = decisions.amend(followup(), moved, source, SCHEDULER, "برف", "a", LATER, LATER)
    assert amendment == Amended(LATER, source, moved, "برف", "a", LATER)
    withdrawal = decisions.withdraw(followup(), source, SCHEDULER, None, LATER)
    assert withdrawal == Closed(LATER, source, "withdrawn", None)


def test_nobody_else_amends_or_withdraws() -> None:
    with pytest.raises(NotTheApprover):
        decisions.amend(followup(), resolution(), STRANGER, SCHEDULER, None, "a", LATER, LATER)
    with pytest.raises(NotTheApprover):
        decisions.withdraw(followup(), STRANGER, SCHEDULER, None, LATER)


@pytest.mark.parametrize("state", State)
def test_an_ended_follow_up_is_neither_amended_nor_withdrawn_again(state: State) -> None:
    current = IN_STATE[state]
    moved = resolution(due_on=current.resolution.due_on + timedelta(days=1))
    if state not in {State.VERIFIED, State.CLOSED}:
        assert decisions.amend(current, moved, APPROVER, SCHEDULER, None, "a", LATER, LATER)
        assert decisions.withdraw(current, APPROVER, SCHEDULER, None, LATER)
        return
    with pytest.raises(NotNow):
        decisions.amend(current, moved, APPROVER, SCHEDULER, None, "a", LATER, LATER)
    if state is State.CLOSED:
        assert decisions.withdraw(current, APPROVER, SCHEDULER, None, LATER) is None
    else:
        with pytest.raises(NotNow):
            decisions.withdraw(current, APPROVER, SCHEDULER, None, LATER)


def test_an_older_amendment_does_not_undo_a_newer_one() -> None:
    moved = resolution(due_on=date(2024, 6, 1))
    newer = decisions.amend(followup(), moved, APPROVER, SCHEDULER, None, "b", LATER, LATER)
    assert newer is not None
    amended = evolve(followup(), newer)
    again = resolution(due_on=date(2024, 7, 1))
    with pytest.raises(Outdated):
        decisions.amend(amended, again, APPROVER, SCHEDULER, None, "a", NOW, LATER)
    assert decisions.amend(amended, again, APPROVER, SCHEDULER, None, "c", LATER, LATER)


@pytest.mark.parametrize(
    ("ahead", "believed"),
    [
        (timedelta(days=-400), True),
        (timedelta(0), True),
        (timedelta(minutes=5), True),
        (timedelta(minutes=5, milliseconds=1), False),
        (timedelta(hours=3), False),
        (timedelta(days=60_000), False),
    ],
)
def test_the_date_of_an_amendment_may_be_some_minutes_ahead(
    ahead: timedelta, believed: bool
) -> None:
    """With a date further ahead it is applied, but does not outdate later amendments."""
    sent, fast = LATER, LATER + ahead
    due = resolution(due_on=date(2024, 6, 1))
    first = decisions.amend(followup(), due, APPROVER, SCHEDULER, None, "a", fast, LATER, sent)
    assert first is not None
    assert first.amended_at == (fast if believed else None)
    amended = evolve(followup(), first)
    assert amended.resolution.due_on == date(2024, 6, 1)
    next_day, later = sent + timedelta(days=1), resolution(due_on=date(2024, 7, 1))
    assert decisions.amend(
        amended, later, APPROVER, SCHEDULER, None, "b", next_day, LATER, next_day
    )


def test_an_amendment_without_a_date_keeps_the_former_date() -> None:
    sent, due = LATER, [resolution(due_on=date(2024, month, 1)) for month in (6, 7, 8)]
    rest = (APPROVER, SCHEDULER, None)
    first = decisions.amend(followup(), due[0], *rest, "a", LATER, LATER, sent)
    assert first is not None
    fast = LATER + timedelta(days=1)
    second = decisions.amend(evolve(followup(), first), due[1], *rest, "b", fast, LATER, sent)
    assert second is not None
    amended = evolve(evolve(followup(), first), second)
    assert (amended.amended_at, amended.resolution) == (LATER, due[1])
    with pytest.raises(Outdated):
        decisions.amend(amended, due[2], *rest, "c", NOW, LATER, sent)


def test_a_stored_date_ahead_does_not_outdate_later_amendments() -> None:
    """Older versions stored such dates."""
    far = replace(followup(), amended_at=LATER + timedelta(days=300))
    due = resolution(due_on=date(2024, 6, 1))
    mended = decisions.amend(far, due, APPROVER, SCHEDULER, None, "a", LATER, LATER, LATER)
    assert mended is not None
    assert evolve(far, mended).amended_at == LATER


def test_an_amendment_that_changes_nothing_is_no_fact() -> None:
    assert (
        decisions.amend(followup(), resolution(), APPROVER, SCHEDULER, None, "a", LATER, LATER)
        is None
    )
