"""What may happen to a report, and who may do it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TypeGuard

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.reports.domain import decisions
from services.reports.domain.catalogue import CATALOGUES
from services.reports.domain.decisions import Conflict, Faulty, NotNow
from services.reports.domain.records import (
    Cancelled,
    FellOverdue,
    Session,
    State,
    Submitted,
    completeness,
    report_id,
)
from services.reports.domain.visibility import readable_axes
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed, Refused
from tests.unit.reports.builders import (
    BEFORE,
    COORDINATION,
    DUE_AT,
    KHORASAN,
    RECEPTION,
    SESSION,
    STARTS_AT,
    after,
    awaited,
    principal,
    submission,
    submitted,
)

RESTRICTED = {"security"}
LATER = DUE_AT + timedelta(seconds=1)


# -- events of the scheduler --------------------------------------------------------------------


def test_the_same_announcement_again_is_known_even_after_the_session_was_moved() -> None:
    moved = after(awaited(), decisions.move(awaited(), STARTS_AT, None, 2, BEFORE))
    decisions.expect_again(moved, SESSION)
    with pytest.raises(Conflict):
        decisions.expect_again(moved, replace(SESSION, province="IR-07"))


def test_a_session_that_moves_without_a_due_date_is_due_72_hours_before_it() -> None:
    starts_at = STARTS_AT + timedelta(days=7)
    moved = decisions.move(awaited(), starts_at, None, 2, BEFORE)
    assert moved.session.due_at == starts_at - timedelta(hours=72)
    given_due = starts_at - timedelta(days=5)
    moved = decisions.move(awaited(), starts_at, given_due, 2, BEFORE)
    assert moved.session.due_at == given_due


def test_an_event_without_a_sequence_does_not_let_an_older_one_pass() -> None:
    known = awaited(sequence=5)
    moved = after(known, decisions.move(known, STARTS_AT, None, None, BEFORE))
    assert decisions.is_overtaken(moved, 5)
    assert not decisions.is_overtaken(moved, 6)
    assert not decisions.is_overtaken(moved, None)


def test_a_gathering_without_a_report_stays_so_when_it_moves() -> None:
    council = awaited(Session(None, "شورای معاونان", STARTS_AT, None))
    moved = after(council, decisions.move(council, STARTS_AT, DUE_AT, 2, BEFORE))
    assert (moved.state, moved.next_due) == (State.NOT_EXPECTED, None)
    with pytest.raises(Faulty) as refused:
        decisions.submit(moved, COORDINATION, submission(), CATALOGUES, RESTRICTED, BEFORE)
    assert refused.value.field == "session_id"


def test_nothing_is_expected_of_a_cancelled_session() -> None:
    gone = after(awaited(), Cancelled(BEFORE, 2))
    assert (gone.state, gone.next_due) == (State.CANCELLED, None)
    assert decisions.cancel(gone, 3, BEFORE) is None
    assert not decisions.fall_overdue(gone, LATER)
    with pytest.raises(NotNow):
        decisions.move(gone, STARTS_AT, None, 3, BEFORE)
    with pytest.raises(NotNow):
        decisions.submit(gone, KHORASAN, submission(), CATALOGUES, RESTRICTED, BEFORE)


# -- commands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [KHORASAN, COORDINATION])
def test_the_province_or_coordination_sends_the_report(by: Principal) -> None:
    facts = decisions.submit(awaited(), by, submission(), CATALOGUES, RESTRICTED, BEFORE)
    (fact,) = facts
    assert isinstance(fact, Submitted)
    report = fact.report
    assert (report.revision, report.late, report.submitted_by) == (1, False, by.id)
    assert completeness(report.open_axes) == 1 / 36
    assert completeness(report.restricted_axes) == 1 / 5
    assert {count.axis for count in report.restricted_axes} == RESTRICTED


@pytest.mark.parametrize("role", ["province:IR-07", "deputy:civil", "minister-office", "operator"])
def test_nobody_else_sends_it(role: str) -> None:
    with pytest.raises(NotAllowed):
        decisions.submit(awaited(), principal(role), submission(), CATALOGUES, RESTRICTED, BEFORE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"province": "IR-07"}, "province"),
        ({"catalogue_version": 2}, "catalogue_version"),
        ({"answers": {"securty": {}}}, "answers.securty"),
        ({"answers": {"crisis": {"reliefs": "…"}}}, "answers.crisis.reliefs"),
        ({"answers": {"crisis": {"borders": "…"}}}, "answers.crisis.borders"),
    ],
)
def test_a_fault_is_named_by_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Faulty) as refused:
        decisions.submit(awaited(), KHORASAN, submission(**changes), CATALOGUES, RESTRICTED, BEFORE)
    assert refused.value.field == field


def test_an_answer_of_blanks_is_none() -> None:
    blank = submission(answers={"crisis": {"relief": " \n\u00a0", "earthquake": "انجام شد"}})
    facts = decisions.submit(awaited(), KHORASAN, blank, CATALOGUES, RESTRICTED, BEFORE)
    (fact,) = facts
    assert isinstance(fact, Submitted)
    assert {c.axis: c.answered for c in fact.report.axes if c.answered} == {"crisis": 1}


def test_a_report_at_its_due_time_is_in_time_and_after_it_is_late() -> None:
    (fact,) = decisions.submit(awaited(), KHORASAN, submission(), CATALOGUES, RESTRICTED, DUE_AT)
    assert isinstance(fact, Submitted)
    assert not fact.report.late
    overdue, fact = decisions.submit(
        awaited(), KHORASAN, submission(), CATALOGUES, RESTRICTED, LATER
    )
    assert overdue == FellOverdue(LATER, DUE_AT)
    assert isinstance(fact, Submitted)
    assert fact.report.late


def test_what_was_announced_as_overdue_is_not_announced_again_with_the_report() -> None:
    overdue = after(awaited(), *decisions.fall_overdue(awaited(), LATER))
    facts = decisions.submit(overdue, KHORASAN, submission(), CATALOGUES, RESTRICTED, LATER)
    assert [type(fact) for fact in facts] == [Submitted]


def test_a_further_revision_is_not_distributed_yet() -> None:
    first = submitted()
    recipients = RECEPTION.recipients
    given_out = after(first, decisions.distribute(first, COORDINATION, recipients, BEFORE))
    with pytest.raises(NotNow):
        decisions.distribute(given_out, COORDINATION, recipients, BEFORE)
    second = submitted(BEFORE, given_out)
    assert second.report is not None
    assert (second.report.revision, second.report.distributed_at) == (2, None)
    assert second.report_id == first.report_id == report_id("1402-IR-09")
    assert decisions.distribute(second, COORDINATION, recipients, BEFORE).recipients == recipients


def test_only_coordination_distributes_and_only_what_is_there() -> None:
    with pytest.raises(NotAllowed):
        decisions.distribute(submitted(), KHORASAN, RECEPTION.recipients, BEFORE)
    with pytest.raises(NotNow):
        decisions.distribute(awaited(), COORDINATION, RECEPTION.recipients, BEFORE)


@pytest.mark.parametrize(
    ("roles", "reads"),
    [
        (["deputy:security"], True),
        (["deputy:civil"], False),
        (["province:IR-09"], True),
        (["province:IR-07"], False),
        (["coordination"], True),
        (["minister-office"], True),
        (["operator", "system"], False),
    ],
)
def test_who_reads_a_restricted_axis(roles: list[str], reads: bool) -> None:
    report = submitted().report
    assert report is not None
    readable = readable_axes(report, "IR-09", principal(*roles))
    assert ("security" in readable) is reads
    assert len(readable - {"security"}) == 7


def test_a_circular_is_issued_by_coordination_of_a_catalogue_that_exists() -> None:
    circular = decisions.issue("c", COORDINATION, 1, ("IR-09", "IR-07"), CATALOGUES, BEFORE)
    assert circular.provinces == ("IR-07", "IR-09")
    decisions.issue_again(circular, replace(circular, issued_at=LATER, issued_by="other"))
    with pytest.raises(Conflict):
        decisions.issue_again(circular, replace(circular, provinces=("IR-07",)))
    with pytest.raises(NotAllowed):
        decisions.issue("c", KHORASAN, 1, ("IR-09",), CATALOGUES, BEFORE)
    with pytest.raises(Faulty, match="no version 7"):
        decisions.issue("c", COORDINATION, 7, ("IR-09",), CATALOGUES, BEFORE)


def _is_refusal(value: object) -> TypeGuard[type[Refused]]:
    return isinstance(value, type) and issubclass(value, Refused) and value is not Refused


def test_every_refusal_has_a_slug_of_its_own() -> None:
    named = [refused for refused in vars(decisions).values() if _is_refusal(refused)]
    slugs = [refused.reason for refused in named]
    assert len(named) > 3
    assert len(set(slugs)) == len(slugs)
    assert Refused.reason not in slugs


# -- the clock ----------------------------------------------------------------------------------


@given(st.lists(st.integers(-5, 5), max_size=12))
@settings(deadline=None)
def test_a_due_date_is_announced_once_however_often_the_session_moves(days: list[int]) -> None:
    expectation = awaited(sequence=None)
    announced = []
    now = DUE_AT
    for step in days:
        starts_at = STARTS_AT + timedelta(days=step)
        expectation = after(expectation, decisions.move(expectation, starts_at, None, None, now))
        facts = decisions.fall_overdue(expectation, now)
        announced += [fact.due_at for fact in facts]
        expectation = after(expectation, *facts)
        assert not decisions.fall_overdue(expectation, now)
        due_at = expectation.session.due_at
        assert due_at is not None
        assert (expectation.state is State.OVERDUE) is (due_at in announced)
        assert due_at > now or due_at in announced
    assert len(set(announced)) == len(announced)
