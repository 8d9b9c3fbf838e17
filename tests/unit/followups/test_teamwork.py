"""Who works on a follow-up beside its deputy, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from services.followups.domain import decisions, teamwork
from services.followups.domain.evolution import evolve
from services.followups.domain.facts import Completed, Fact
from services.followups.domain.records import Followup, State
from services.followups.domain.refusals import NotAllowed, NotNow
from services.followups.domain.teamwork import BadDelegate, BadUntil
from services.followups.domain.work import Assigned, Delegated, DelegationEnded
from shared.runtime.calendar import start_of_day
from shared.runtime.principals import Principal
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    AIDE,
    ASSIGNED,
    BLOCKED,
    CIVIL,
    CLOSED,
    COMPLETED,
    COORDINATION,
    DELEGATED,
    DELEGATION_ENDED,
    DISPUTED,
    EXTENSIONS,
    KHORASAN,
    LATER,
    MINISTER_OFFICE,
    REQUESTED,
    SOCIAL,
    UNASSIGNED,
    VERIFIED,
    after,
    as_stands,
    followup,
    principal,
)
from tests.unit.followups.test_decisions import DECIDE, DEPUTYS, IN_STATE, state_for

OVER = start_of_day(DELEGATED.until + timedelta(days=1))
STEPS: dict[str, Callable[[Followup, Principal], Fact]] = {
    "assign": lambda f, by: teamwork.assign(f, by, "a.nouri", None, LATER),
    "unassign": lambda f, by: teamwork.unassign(f, by, None, LATER),
    "delegate": lambda f, by: teamwork.delegate(f, by, "a.nouri", DELEGATED.until, None, LATER),
    "end delegation": lambda f, by: teamwork.end_delegation(f, by, None, LATER),
}
READY = {
    "assign": followup(),
    "unassign": after(ASSIGNED),
    "delegate": followup(),
    "end delegation": after(DELEGATED),
}


def named(by: Principal, fact: Assigned | Delegated) -> Fact:
    """That fact, with somebody else named."""
    if isinstance(fact, Assigned):
        return Assigned(fact.at, fact.by, by.id, fact.note)
    return Delegated(fact.at, fact.by, by.id, fact.until, fact.note)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("by", [SOCIAL, COORDINATION, MINISTER_OFFICE, KHORASAN, principal("x")])
def test_only_the_deputy_shares_his_work(name: str, by: Principal) -> None:
    assert STEPS[name](READY[name], CIVIL).at == LATER
    with pytest.raises(NotAllowed):
        STEPS[name](READY[name], by)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("name", STEPS)
def test_it_is_shared_while_it_is_open(name: str, state: State) -> None:
    stands = IN_STATE[state]
    if name in {"unassign", "end delegation"}:
        stands = as_stands(stands, ASSIGNED, DELEGATED)
    if state in {State.VERIFIED, State.CLOSED}:
        with pytest.raises(NotNow):
            STEPS[name](stands, CIVIL)
    else:
        assert STEPS[name](stands, CIVIL).at == LATER


# -- the officer --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEPUTYS)
def test_the_officer_takes_three_of_the_deputys_steps_and_no_other(name: str) -> None:
    stands = as_stands(state_for(name), ASSIGNED)
    if name in {"progress", "block", "unblock"}:
        assert DECIDE[name][1](stands, AIDE).at == LATER
        with pytest.raises(NotAllowed):
            DECIDE[name][1](evolve(stands, UNASSIGNED), AIDE)
    else:
        with pytest.raises(NotAllowed):
            DECIDE[name][1](stands, AIDE)


def test_there_is_one_officer_and_he_may_give_it_back() -> None:
    stands = after(ASSIGNED)
    assert stands.work.officer == "a.nouri"
    assert teamwork.assign(stands, CIVIL, "b.amini", None, LATER).officer == "b.amini"
    with pytest.raises(NotNow, match="already"):
        teamwork.assign(stands, CIVIL, "a.nouri", None, LATER)
    assert evolve(stands, teamwork.unassign(stands, AIDE, None, LATER)).work.officer is None
    for name in ("assign", "delegate", "end delegation"):
        with pytest.raises(NotAllowed):
            STEPS[name](after(ASSIGNED, DELEGATED_TO_ANOTHER), AIDE)
    with pytest.raises(NotNow, match="no officer"):
        teamwork.unassign(followup(), CIVIL, None, LATER)


DELEGATED_TO_ANOTHER = named(principal("b.amini"), DELEGATED)


# -- what is delegated --------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEPUTYS)
def test_a_delegate_takes_all_of_the_deputys_steps_while_it_counts(name: str) -> None:
    stands = as_stands(state_for(name), DELEGATED)
    assert DECIDE[name][1](stands, AIDE).at == LATER
    assert DECIDE[name][1](stands, CIVIL).at == LATER, "and so does the deputy"
    with pytest.raises(NotAllowed):
        DECIDE[name][1](evolve(stands, DELEGATION_ENDED), AIDE)


def test_it_counts_up_to_the_end_of_its_last_day_in_tehran() -> None:
    stands = after(ACKNOWLEDGED, DELEGATED)
    last = OVER - timedelta(milliseconds=1)
    assert decisions.report_progress(stands, AIDE, 10, None, last).by == "a.nouri"
    with pytest.raises(NotAllowed):
        decisions.report_progress(stands, AIDE, 10, None, OVER)
    with pytest.raises(NotNow, match="nothing is delegated"):
        teamwork.end_delegation(stands, CIVIL, None, OVER)


def test_nobody_passes_on_what_was_delegated_to_him_and_he_may_give_it_back() -> None:
    stands = after(DELEGATED)
    with pytest.raises(NotAllowed, match="himself"):
        teamwork.delegate(stands, AIDE, "b.amini", DELEGATED.until, None, LATER)
    assert teamwork.assign(stands, AIDE, "b.amini", None, LATER).officer == "b.amini"
    given_back = teamwork.end_delegation(stands, AIDE, None, LATER)
    assert given_back == DelegationEnded(LATER, "a.nouri", None)
    assert evolve(stands, given_back).work.delegation is None
    with pytest.raises(NotNow):
        teamwork.end_delegation(followup(), CIVIL, None, LATER)


@pytest.mark.parametrize("until", [date(2023, 10, 15), date(2024, 10, 17)])
def test_a_delegation_ends_on_a_day_to_come_within_a_year(until: date) -> None:
    with pytest.raises(BadUntil):
        teamwork.delegate(followup(), CIVIL, "a.nouri", until, None, LATER)
    for last in (date(2023, 10, 16), date(2024, 10, 16)):
        assert teamwork.delegate(followup(), CIVIL, "a.nouri", last, None, LATER).until == last


def test_nobody_delegates_to_himself() -> None:
    with pytest.raises(BadDelegate):
        teamwork.delegate(followup(), CIVIL, "d.karimi", DELEGATED.until, None, LATER)


# -- whoever acts for the deputy decides nothing there ------------------------------------------

DECIDES: dict[str, tuple[Followup, Callable[[Followup, Principal], Fact]]] = {
    "settle": (after(DISPUTED), DECIDE["settle"][1]),
    "close": (after(ACKNOWLEDGED, BLOCKED), DECIDE["close"][1]),
    "extend": (
        after(ACKNOWLEDGED, REQUESTED),
        lambda f, by: decisions.extend(f, by, None, None, EXTENSIONS, LATER),
    ),
    "refuse": (
        after(ACKNOWLEDGED, REQUESTED),
        lambda f, by: decisions.refuse_extension(f, by, "نه", LATER),
    ),
    "verify": (after(ACKNOWLEDGED, COMPLETED), DECIDE["verify"][1]),
    "reopen": (after(ACKNOWLEDGED, COMPLETED, VERIFIED), DECIDE["reopen"][1]),
}


@pytest.mark.parametrize("name", DECIDES)
@pytest.mark.parametrize("fact", [ASSIGNED, DELEGATED], ids=["officer", "delegate"])
def test_who_decides_or_confirms_does_not_while_he_acts_for_the_deputy(
    name: str, fact: Assigned | Delegated
) -> None:
    stands, decide = DECIDES[name]
    others = [COORDINATION, KHORASAN] if name in {"verify", "reopen"} else [COORDINATION]
    for by in others:
        assert decide(stands, by).at == LATER
        acting = evolve(stands, named(by, fact))
        with pytest.raises(NotAllowed):
            decide(acting, by)
        given_back = UNASSIGNED if isinstance(fact, Assigned) else DELEGATION_ENDED
        assert decide(evolve(acting, given_back), by).at == LATER


def test_about_coordinations_own_the_office_does_not_decide_while_it_acts_for_it() -> None:
    claimed = after(ACKNOWLEDGED, COMPLETED, deputy="coordination")
    acting = evolve(claimed, named(MINISTER_OFFICE, DELEGATED))
    for decide in (DECIDE["close"][1], DECIDE["verify"][1]):
        assert decide(claimed, MINISTER_OFFICE).at == LATER
        with pytest.raises(NotAllowed):
            decide(acting, MINISTER_OFFICE)


@pytest.mark.parametrize("over", [True, False], ids=["over", "taken back"])
def test_whoever_claimed_it_for_the_deputy_never_confirms_it(over: bool) -> None:
    """Long after he acted for the deputy, in whatever role."""
    stands = as_stands(after(ACKNOWLEDGED), named(COORDINATION, DELEGATED))
    claim = decisions.complete(stands, COORDINATION, None, LATER)
    assert claim == Completed(LATER, "c.ahmadi", None)
    stands = evolve(stands, claim)
    if not over:
        stands = evolve(stands, DELEGATION_ENDED)
    with pytest.raises(NotAllowed):
        decisions.verify(stands, COORDINATION, "done", None, OVER)
    with pytest.raises(NotAllowed):
        decisions.reopen(stands, COORDINATION, "ناقص", OVER)
    assert decisions.verify(stands, KHORASAN, "done", None, OVER).by == "g.razavi"


def test_nor_does_whoever_had_it_claimed_for_him() -> None:
    """The deputy, who has another role as well, and whose delegate claims."""
    both = principal("d.karimi", "deputy:civil", "coordination")
    stands = after(ACKNOWLEDGED, DELEGATED)
    stands = evolve(stands, decisions.complete(stands, AIDE, None, LATER))
    for claimed in (stands, evolve(stands, DELEGATION_ENDED)):
        assert (claimed.claimed_by, claimed.claimed_for) == ("a.nouri", "d.karimi")
        for by in (both, principal("d.karimi", "province:IR-09")):
            with pytest.raises(NotAllowed):
                decisions.verify(claimed, by, "done", None, LATER)
        assert decisions.verify(claimed, COORDINATION, "done", None, LATER).by == "c.ahmadi"
    reopened = evolve(stands, decisions.reopen(stands, COORDINATION, "ناقص", LATER))
    assert reopened.claimed_for is None
    own = evolve(after(ACKNOWLEDGED, DELEGATED), COMPLETED)
    assert (own.claimed_by, own.claimed_for) == ("d.karimi", None)


def test_neither_officer_nor_delegate_closes_it() -> None:
    for stands in (after(ASSIGNED), after(DELEGATED)):
        for by in (AIDE, CIVIL):
            with pytest.raises(NotAllowed):
                decisions.close(stands, by, "superseded", "ادغام", LATER)


def test_what_has_ended_stays_as_it_was_shared() -> None:
    assert after(ASSIGNED, DELEGATED, CLOSED).work == after(ASSIGNED, DELEGATED).work
