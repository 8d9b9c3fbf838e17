"""Who works on a follow-up besides its deputy, and what they may do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from services.followups.domain import decisions, teamwork
from services.followups.domain.evolution import evolve
from services.followups.domain.facts import Completed, Fact
from services.followups.domain.records import Followup, State
from services.followups.domain.refusals import NotNow
from services.followups.domain.teamwork import BadDelegate, BadUntil
from services.followups.domain.work import Assigned, Delegated, DelegationEnded
from shared.runtime.calendar import start_of_day
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed
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
    evolved,
    followup,
    principal,
)
from tests.unit.followups.states import DECIDE, DEPUTYS, IN_STATE, state_for

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
    """Return the fact with another person named."""
    if isinstance(fact, Assigned):
        return Assigned(fact.at, fact.by, by.id, fact.note)
    return Delegated(fact.at, fact.by, by.id, fact.until, fact.note)


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("by", [SOCIAL, COORDINATION, MINISTER_OFFICE, KHORASAN, principal("x")])
def test_only_the_deputy_shares_the_work(name: str, by: Principal) -> None:
    assert STEPS[name](READY[name], CIVIL).at == LATER
    with pytest.raises(NotAllowed):
        STEPS[name](READY[name], by)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("name", STEPS)
def test_the_work_is_shared_while_it_is_open(name: str, state: State) -> None:
    current = IN_STATE[state]
    if name in {"unassign", "end delegation"}:
        current = evolved(current, ASSIGNED, DELEGATED)
    if state in {State.VERIFIED, State.CLOSED}:
        with pytest.raises(NotNow):
            STEPS[name](current, CIVIL)
    else:
        assert STEPS[name](current, CIVIL).at == LATER


# -- the officer --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEPUTYS)
def test_the_officer_takes_three_of_the_deputys_steps_and_no_other(name: str) -> None:
    current = evolved(state_for(name), ASSIGNED)
    if name in {"progress", "block", "unblock"}:
        assert DECIDE[name][1](current, AIDE).at == LATER
        with pytest.raises(NotAllowed):
            DECIDE[name][1](evolve(current, UNASSIGNED), AIDE)
    else:
        with pytest.raises(NotAllowed):
            DECIDE[name][1](current, AIDE)


def test_there_is_one_officer_who_may_give_it_back() -> None:
    current = after(ASSIGNED)
    assert current.work.officer == "a.nouri"
    assert teamwork.assign(current, CIVIL, "b.amini", None, LATER).officer == "b.amini"
    with pytest.raises(NotNow, match="already"):
        teamwork.assign(current, CIVIL, "a.nouri", None, LATER)
    assert evolve(current, teamwork.unassign(current, AIDE, None, LATER)).work.officer is None
    for name in ("assign", "delegate", "end delegation"):
        with pytest.raises(NotAllowed):
            STEPS[name](after(ASSIGNED, DELEGATED_TO_ANOTHER), AIDE)
    with pytest.raises(NotNow, match="no officer"):
        teamwork.unassign(followup(), CIVIL, None, LATER)


DELEGATED_TO_ANOTHER = named(principal("b.amini"), DELEGATED)


# -- delegation --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DEPUTYS)
def test_a_delegate_takes_all_of_the_deputys_steps_while_it_is_valid(name: str) -> None:
    current = evolved(state_for(name), DELEGATED)
    assert DECIDE[name][1](current, AIDE).at == LATER
    assert DECIDE[name][1](current, CIVIL).at == LATER, "and so does the deputy"
    with pytest.raises(NotAllowed):
        DECIDE[name][1](evolve(current, DELEGATION_ENDED), AIDE)


def test_a_delegation_is_valid_until_the_end_of_its_last_day_in_tehran() -> None:
    current = after(ACKNOWLEDGED, DELEGATED)
    last = OVER - timedelta(milliseconds=1)
    assert decisions.report_progress(current, AIDE, 10, None, last).by == "a.nouri"
    with pytest.raises(NotAllowed):
        decisions.report_progress(current, AIDE, 10, None, OVER)
    with pytest.raises(NotNow, match="nothing is delegated"):
        teamwork.end_delegation(current, CIVIL, None, OVER)


def test_a_delegate_cannot_delegate_but_may_give_it_back() -> None:
    current = after(DELEGATED)
    with pytest.raises(NotAllowed, match="himself"):
        teamwork.delegate(current, AIDE, "b.amini", DELEGATED.until, None, LATER)
    assert teamwork.assign(current, AIDE, "b.amini", None, LATER).officer == "b.amini"
    given_back = teamwork.end_delegation(current, AIDE, None, LATER)
    assert given_back == DelegationEnded(LATER, "a.nouri", None)
    assert evolve(current, given_back).work.delegation is None
    with pytest.raises(NotNow):
        teamwork.end_delegation(followup(), CIVIL, None, LATER)


@pytest.mark.parametrize("until", [date(2023, 10, 15), date(2024, 10, 17)])
def test_a_delegation_ends_today_or_later_within_a_year(until: date) -> None:
    with pytest.raises(BadUntil):
        teamwork.delegate(followup(), CIVIL, "a.nouri", until, None, LATER)
    for last in (date(2023, 10, 16), date(2024, 10, 16)):
        assert teamwork.delegate(followup(), CIVIL, "a.nouri", last, None, LATER).until == last


def test_nobody_delegates_to_themselves() -> None:
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
def test_nobody_decides_or_confirms_while_acting_for_the_deputy(
    name: str, fact: Assigned | Delegated
) -> None:
    current, decide = DECIDES[name]
    others = [COORDINATION, KHORASAN] if name in {"verify", "reopen"} else [COORDINATION]
    for by in others:
        assert decide(current, by).at == LATER
        acting = evolve(current, named(by, fact))
        with pytest.raises(NotAllowed):
            decide(acting, by)
        given_back = UNASSIGNED if isinstance(fact, Assigned) else DELEGATION_ENDED
        assert decide(evolve(acting, given_back), by).at == LATER


def test_the_office_does_not_decide_while_it_acts_for_coordination() -> None:
    claimed = after(ACKNOWLEDGED, COMPLETED, deputy="coordination")
    acting = evolve(claimed, named(MINISTER_OFFICE, DELEGATED))
    for decide in (DECIDE["close"][1], DECIDE["verify"][1]):
        assert decide(claimed, MINISTER_OFFICE).at == LATER
        with pytest.raises(NotAllowed):
            decide(acting, MINISTER_OFFICE)


@pytest.mark.parametrize("over", [True, False], ids=["over", "taken back"])
def test_the_claimant_never_confirms_the_claim(over: bool) -> None:
    """Not even long after acting for the deputy, in any role."""
    current = evolved(after(ACKNOWLEDGED), named(COORDINATION, DELEGATED))
    claim = decisions.complete(current, COORDINATION, None, LATER)
    assert claim == Completed(LATER, "c.ahmadi", None)
    current = evolve(current, claim)
    if not over:
        current = evolve(current, DELEGATION_ENDED)
    with pytest.raises(NotAllowed):
        decisions.verify(current, COORDINATION, "done", None, OVER)
    with pytest.raises(NotAllowed):
        decisions.reopen(current, COORDINATION, "ناقص", OVER)
    assert decisions.verify(current, KHORASAN, "done", None, OVER).by == "g.razavi"


def test_nor_does_the_deputy_whose_delegate_claimed_it() -> None:
    """The deputy has another role as well."""
    both = principal("d.karimi", "deputy:civil", "coordination")
    current = after(ACKNOWLEDGED, DELEGATED)
    current = evolve(current, decisions.complete(current, AIDE, None, LATER))
    for claimed in (current, evolve(current, DELEGATION_ENDED)):
        assert (claimed.claimed_by, claimed.claimed_for) == ("a.nouri", "d.karimi")
        for by in (both, principal("d.karimi", "province:IR-09")):
            with pytest.raises(NotAllowed):
                decisions.verify(claimed, by, "done", None, LATER)
        assert decisions.verify(claimed, COORDINATION, "done", None, LATER).by == "c.ahmadi"
    reopened = evolve(current, decisions.reopen(current, COORDINATION, "ناقص", LATER))
    assert reopened.claimed_for is None
    own = evolve(after(ACKNOWLEDGED, DELEGATED), COMPLETED)
    assert (own.claimed_by, own.claimed_for) == ("d.karimi", None)


def test_neither_officer_nor_delegate_closes_it() -> None:
    for current in (after(ASSIGNED), after(DELEGATED)):
        for by in (AIDE, CIVIL):
            with pytest.raises(NotAllowed):
                decisions.close(current, by, "superseded", "ادغام", LATER)


def test_an_ended_follow_up_keeps_its_officer_and_delegation() -> None:
    assert after(ASSIGNED, DELEGATED, CLOSED).work == after(ASSIGNED, DELEGATED).work
