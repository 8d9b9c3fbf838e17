"""The decisions of the deputy, coordination and the province."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from services.followups.domain import decisions
from services.followups.domain.evolution import evolve
from services.followups.domain.facts import Acknowledged, ExtensionRefused, Verified
from services.followups.domain.records import Followup, State
from services.followups.domain.refusals import (
    BadBlocker,
    BadDueDate,
    BadProgress,
    NotNow,
    ReasonMissing,
    TooManyExtensions,
)
from services.followups.domain.transitions import RULES, Transition
from shared.runtime.calendar import start_of_day
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    CIVIL,
    COMPLETED,
    COORDINATION,
    EXTENSIONS,
    KHORASAN,
    LATER,
    MINISTER_OFFICE,
    REQUESTED,
    SOCIAL,
    TEHRAN_PROVINCE,
    after,
    followup,
    principal,
)
from tests.unit.followups.states import (
    ALLOWED,
    COORDINATIONS,
    DECIDE,
    DEPUTYS,
    IN_STATE,
    request,
    state_for,
)

BOTH = principal("d.karimi", "deputy:civil", "coordination")


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("name", DECIDE)
def test_each_state_allows_only_its_steps(state: State, name: str) -> None:
    by, decide = DECIDE[name]
    current = IN_STATE[state]
    assert current.state is state
    if name in ALLOWED[state]:
        assert decide(current, by).at == LATER
    else:
        with pytest.raises(NotNow):
            decide(current, by)


@pytest.mark.parametrize("name", DEPUTYS)
@pytest.mark.parametrize("by", [SOCIAL, COORDINATION, MINISTER_OFFICE, KHORASAN])
def test_only_the_deputy_takes_the_deputys_steps(name: str, by: Principal) -> None:
    with pytest.raises(NotAllowed):
        DECIDE[name][1](state_for(name), by)


@pytest.mark.parametrize("name", COORDINATIONS)
@pytest.mark.parametrize("by", [CIVIL, SOCIAL, MINISTER_OFFICE, KHORASAN, BOTH])
def test_only_coordination_decides_and_nobody_about_their_own_work(
    name: str, by: Principal
) -> None:
    with pytest.raises(NotAllowed):
        DECIDE[name][1](state_for(name), by)


@pytest.mark.parametrize("name", COORDINATIONS)
def test_the_ministers_office_decides_about_follow_ups_of_coordination(name: str) -> None:
    current = state_for(name)
    own = replace(current, resolution=replace(current.resolution, deputy="coordination"))
    assert DECIDE[name][1](own, MINISTER_OFFICE).at == LATER
    with pytest.raises(NotAllowed):
        DECIDE[name][1](own, COORDINATION)


def test_the_table_names_every_step_and_every_state_can_be_left() -> None:
    assert set(RULES) == set(Transition)
    for state in State:
        leads_on = any(state in rule.sources and rule.target for rule in RULES.values())
        assert leads_on is (state is not State.CLOSED)


# -- extensions --------------------------------------------------------------------------------


def requested(**changes: Any) -> Followup:
    return replace(after(ACKNOWLEDGED, REQUESTED), **changes)


def test_a_request_for_an_extension_has_a_reason_and_lapses() -> None:
    """Monday 16 October: five working days end on Saturday 21, a Friday not counted."""
    fact = request(IN_STATE[State.ACKNOWLEDGED], CIVIL, date(2024, 2, 1))
    assert (fact.due_on, fact.requested_due_on) == (date(2024, 1, 1), date(2024, 2, 1))
    assert fact.lapses_at == start_of_day(date(2023, 10, 23))


@pytest.mark.parametrize("due_on", [date(2023, 12, 31), date(2024, 1, 1), date(2024, 4, 1)])
def test_a_date_that_is_not_later_or_beyond_the_limit_is_refused(due_on: date) -> None:
    """The limit of 90 days past 1 January 2024 is 31 March."""
    with pytest.raises(BadDueDate):
        request(IN_STATE[State.ACKNOWLEDGED], CIVIL, due_on)
    with pytest.raises(BadDueDate):
        decisions.extend(requested(), COORDINATION, due_on, None, EXTENSIONS, LATER)
    request(IN_STATE[State.ACKNOWLEDGED], CIVIL, date(2024, 3, 31))


def test_an_extension_is_requested_once_per_due_date_up_to_a_limit() -> None:
    with pytest.raises(NotNow):
        request(requested(), CIVIL, date(2024, 2, 1))
    refused = evolve(requested(), ExtensionRefused(LATER, None, date(2024, 2, 1), None))
    with pytest.raises(TooManyExtensions):
        request(refused, CIVIL, date(2024, 2, 1))
    current = IN_STATE[State.ACKNOWLEDGED]
    for due_on in (date(2024, 2, 1), date(2024, 3, 1)):
        current = evolve(current, request(current, CIVIL, due_on))
        more = decisions.extend(current, COORDINATION, None, None, EXTENSIONS, LATER)
        assert more.due_on == due_on
        current = evolve(current, more)
    with pytest.raises(TooManyExtensions):
        request(current, CIVIL, date(2024, 3, 10))


def test_coordination_may_grant_another_date() -> None:
    fact = decisions.extend(
        requested(), COORDINATION, date(2024, 1, 20), "تا پایان دی", EXTENSIONS, LATER
    )
    assert (fact.due_on, fact.previous_due_on) == (date(2024, 1, 20), date(2024, 1, 1))
    refused = decisions.refuse_extension(requested(), COORDINATION, "بی‌دلیل", LATER)
    assert (refused.due_on, refused.by) == (date(2024, 2, 1), "c.ahmadi")
    with pytest.raises(NotNow):
        decisions.extend(IN_STATE[State.ACKNOWLEDGED], COORDINATION, None, None, EXTENSIONS, LATER)


@pytest.mark.parametrize("by", [CIVIL, SOCIAL, MINISTER_OFFICE, KHORASAN, BOTH])
def test_nobody_else_decides_an_extension(by: Principal) -> None:
    with pytest.raises(NotAllowed):
        decisions.extend(requested(), by, None, None, EXTENSIONS, LATER)
    with pytest.raises(NotAllowed):
        decisions.refuse_extension(requested(), by, "نه", LATER)


def test_the_requester_does_not_decide_in_another_role() -> None:
    moved_on = principal("d.karimi", "coordination")
    with pytest.raises(NotAllowed, match="asked"):
        decisions.extend(requested(), moved_on, None, None, EXTENSIONS, LATER)


@pytest.mark.parametrize("note", [None, "", "  "])
def test_a_dispute_needs_a_reason(note: str | None) -> None:
    with pytest.raises(ReasonMissing):
        decisions.acknowledge(followup(), CIVIL, "disputed", note, LATER)


# -- claims -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["verify", "reopen"])
def test_a_claim_is_judged_by_coordination_or_the_province_concerned(name: str) -> None:
    claimed, decide = IN_STATE[State.DONE], DECIDE[name][1]
    for by in (COORDINATION, KHORASAN):
        assert decide(claimed, by).at == LATER
    for by in (CIVIL, SOCIAL, TEHRAN_PROVINCE, MINISTER_OFFICE):
        with pytest.raises(NotAllowed):
            decide(claimed, by)
    nowhere = after(ACKNOWLEDGED, COMPLETED, province=None)
    with pytest.raises(NotAllowed):
        decide(nowhere, KHORASAN)


@pytest.mark.parametrize("name", ["verify", "reopen"])
def test_nobody_confirms_what_they_claimed_themselves(name: str) -> None:
    everybody = principal("d.karimi", "deputy:civil", "coordination", "minister-office")
    with pytest.raises(NotAllowed, match="claimed"):
        DECIDE[name][1](IN_STATE[State.DONE], everybody)


def test_the_ministers_office_confirms_follow_ups_of_coordination() -> None:
    claimed = after(ACKNOWLEDGED, COMPLETED, deputy="coordination")
    assert isinstance(decisions.verify(claimed, MINISTER_OFFICE, "done", None, LATER), Verified)
    for by in (COORDINATION, KHORASAN):
        with pytest.raises(NotAllowed):
            decisions.verify(claimed, by, "done", None, LATER)


@pytest.mark.parametrize("progress", [-1, 101])
def test_progress_is_from_0_to_100(progress: int) -> None:
    with pytest.raises(BadProgress):
        decisions.report_progress(IN_STATE[State.ACKNOWLEDGED], CIVIL, progress, None, LATER)


@pytest.mark.parametrize("himself", ["civil", "d.karimi"])
def test_nobody_is_blocked_by_themselves(himself: str) -> None:
    with pytest.raises(BadBlocker):
        decisions.block(IN_STATE[State.ACKNOWLEDGED], CIVIL, himself, "اعتبار", LATER)


def test_a_deputy_may_take_note_and_disagree() -> None:
    fact = decisions.acknowledge(followup(), CIVIL, "disputed", "در صلاحیت ما نیست", LATER)
    assert fact == Acknowledged(LATER, "d.karimi", "disputed", "در صلاحیت ما نیست")
