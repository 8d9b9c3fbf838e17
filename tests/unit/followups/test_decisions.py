"""What may happen to a follow-up, and who may bring it about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from services.followups.domain import decisions
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import (
    Acknowledged,
    Amended,
    Closed,
    ExtensionRefused,
    ExtensionRequested,
    Fact,
    Opened,
    Verified,
)
from services.followups.domain.records import Followup, State, followup_id
from services.followups.domain.refusals import (
    BadBlocker,
    BadDueDate,
    BadProgress,
    Conflict,
    DueBeforeApproval,
    NotAllowed,
    NotNow,
    NotTheApprover,
    Outdated,
    ReasonMissing,
    TooManyExtensions,
    WrongDeputy,
)
from services.followups.domain.transitions import RULES, Transition
from shared.runtime.calendar import start_of_day
from shared.runtime.principals import Principal
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    APPROVER,
    BLOCKED,
    CIVIL,
    CLOSED,
    COMPLETED,
    COORDINATION,
    DISPUTED,
    EXTENSIONS,
    FINGERPRINT,
    KHORASAN,
    LATER,
    MINISTER_OFFICE,
    NOW,
    PROGRESSED,
    REOPENED,
    REQUESTED,
    SCHEDULER,
    SOCIAL,
    STRANGER,
    TEHRAN_PROVINCE,
    VERIFIED,
    after,
    followup,
    principal,
    resolution,
)

BOTH = principal("d.karimi", "deputy:civil", "coordination")
IN_STATE: dict[State, Followup] = {
    State.OPENED: followup(),
    State.ACKNOWLEDGED: after(ACKNOWLEDGED),
    State.DISPUTED: after(DISPUTED),
    State.IN_PROGRESS: after(ACKNOWLEDGED, PROGRESSED),
    State.BLOCKED: after(ACKNOWLEDGED, BLOCKED),
    State.DONE: after(ACKNOWLEDGED, COMPLETED),
    State.REOPENED: after(ACKNOWLEDGED, COMPLETED, REOPENED),
    State.VERIFIED: after(ACKNOWLEDGED, COMPLETED, VERIFIED),
    State.CLOSED: after(CLOSED),
}
DECIDE: dict[str, tuple[Principal, Callable[[Followup, Principal], Fact]]] = {
    "acknowledge": (CIVIL, lambda f, by: decisions.acknowledge(f, by, "agreed", None, LATER)),
    "dispute": (CIVIL, lambda f, by: decisions.acknowledge(f, by, "disputed", "نه ما", LATER)),
    "settle": (COORDINATION, lambda f, by: decisions.settle(f, by, "بجاست", LATER)),
    "progress": (CIVIL, lambda f, by: decisions.report_progress(f, by, 60, None, LATER)),
    "block": (CIVIL, lambda f, by: decisions.block(f, by, "استانداری", "اعتبار", LATER)),
    "unblock": (CIVIL, lambda f, by: decisions.unblock(f, by, None, LATER)),
    "request": (CIVIL, lambda f, by: request(f, by, date(2024, 2, 1))),
    "complete": (CIVIL, lambda f, by: decisions.complete(f, by, None, LATER)),
    "verify": (COORDINATION, lambda f, by: decisions.verify(f, by, "done", None, LATER)),
    "reopen": (COORDINATION, lambda f, by: decisions.reopen(f, by, "ناقص", LATER)),
    "close": (COORDINATION, lambda f, by: decisions.close(f, by, "superseded", "ادغام", LATER)),
}
WORK = {"progress", "block", "request", "complete", "close"}
ALLOWED = {
    State.OPENED: {"acknowledge", "dispute", "close"},
    State.ACKNOWLEDGED: WORK,
    State.DISPUTED: {"settle", "close"},
    State.IN_PROGRESS: WORK,
    State.BLOCKED: {"unblock", "request", "complete", "close"},
    State.DONE: {"verify", "reopen", "close"},
    State.REOPENED: WORK,
    State.VERIFIED: {"reopen"},
    State.CLOSED: set[str](),
}
DEPUTYS = ["acknowledge", "dispute", "progress", "block", "unblock", "request", "complete"]
COORDINATIONS = ["settle", "close"]


def request(stands: Followup, by: Principal, due_on: date) -> ExtensionRequested:
    return decisions.request_extension(stands, by, due_on, "بارش سنگین", EXTENSIONS, LATER)


def state_for(name: str) -> Followup:
    """A follow-up that stands where such a step may be taken."""
    return next(IN_STATE[state] for state, names in ALLOWED.items() if name in names)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("name", DECIDE)
def test_each_state_allows_what_it_allows_and_no_more(state: State, name: str) -> None:
    by, decide = DECIDE[name]
    stands = IN_STATE[state]
    assert stands.state is state
    if name in ALLOWED[state]:
        assert decide(stands, by).at == LATER
    else:
        with pytest.raises(NotNow):
            decide(stands, by)


@pytest.mark.parametrize("name", DEPUTYS)
@pytest.mark.parametrize("by", [SOCIAL, COORDINATION, MINISTER_OFFICE, KHORASAN])
def test_only_the_deputy_does_the_deputys_work(name: str, by: Principal) -> None:
    with pytest.raises(NotAllowed):
        DECIDE[name][1](state_for(name), by)


@pytest.mark.parametrize("name", COORDINATIONS)
@pytest.mark.parametrize("by", [CIVIL, SOCIAL, MINISTER_OFFICE, KHORASAN, BOTH])
def test_only_coordination_decides_and_nobody_about_what_is_his_own(
    name: str, by: Principal
) -> None:
    with pytest.raises(NotAllowed):
        DECIDE[name][1](state_for(name), by)


@pytest.mark.parametrize("name", COORDINATIONS)
def test_about_what_coordination_answers_for_the_ministers_office_decides(name: str) -> None:
    stands = state_for(name)
    own = replace(stands, resolution=replace(stands.resolution, deputy="coordination"))
    assert DECIDE[name][1](own, MINISTER_OFFICE).at == LATER
    with pytest.raises(NotAllowed):
        DECIDE[name][1](own, COORDINATION)


def test_the_table_names_every_step_and_no_state_is_without_a_way_out() -> None:
    assert set(RULES) == set(Transition)
    for state in State:
        leads_on = any(state in rule.sources and rule.target for rule in RULES.values())
        assert leads_on is (state is not State.CLOSED)


# -- more time ----------------------------------------------------------------------------------


def requested(**changes: Any) -> Followup:
    return replace(after(ACKNOWLEDGED, REQUESTED), **changes)


def test_more_time_is_asked_for_with_a_reason_and_lapses_when_nobody_decides() -> None:
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


def test_it_is_asked_for_once_a_due_date_and_so_often_in_all() -> None:
    with pytest.raises(NotNow):
        request(requested(), CIVIL, date(2024, 2, 1))
    refused = evolve(requested(), ExtensionRefused(LATER, None, date(2024, 2, 1), None))
    with pytest.raises(TooManyExtensions):
        request(refused, CIVIL, date(2024, 2, 1))
    stands = IN_STATE[State.ACKNOWLEDGED]
    for due_on in (date(2024, 2, 1), date(2024, 3, 1)):
        stands = evolve(stands, request(stands, CIVIL, due_on))
        more = decisions.extend(stands, COORDINATION, None, None, EXTENSIONS, LATER)
        assert more.due_on == due_on
        stands = evolve(stands, more)
    with pytest.raises(TooManyExtensions):
        request(stands, CIVIL, date(2024, 3, 10))


def test_coordination_decides_it_and_may_grant_another_date() -> None:
    fact = decisions.extend(
        requested(), COORDINATION, date(2024, 1, 20), "تا پایان دی", EXTENSIONS, LATER
    )
    assert (fact.due_on, fact.previous_due_on) == (date(2024, 1, 20), date(2024, 1, 1))
    refused = decisions.refuse_extension(requested(), COORDINATION, "بی‌دلیل", LATER)
    assert (refused.due_on, refused.by) == (date(2024, 2, 1), "c.ahmadi")
    with pytest.raises(NotNow):
        decisions.extend(IN_STATE[State.ACKNOWLEDGED], COORDINATION, None, None, EXTENSIONS, LATER)


@pytest.mark.parametrize("by", [CIVIL, SOCIAL, MINISTER_OFFICE, KHORASAN, BOTH])
def test_nobody_else_decides_it(by: Principal) -> None:
    with pytest.raises(NotAllowed):
        decisions.extend(requested(), by, None, None, EXTENSIONS, LATER)
    with pytest.raises(NotAllowed):
        decisions.refuse_extension(requested(), by, "نه", LATER)


def test_whoever_asked_does_not_decide_in_another_role() -> None:
    moved_on = principal("d.karimi", "coordination")
    with pytest.raises(NotAllowed, match="asked"):
        decisions.extend(requested(), moved_on, None, None, EXTENSIONS, LATER)


@pytest.mark.parametrize("note", [None, "", "  "])
def test_a_dispute_says_why(note: str | None) -> None:
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


def test_what_coordination_answers_for_the_ministers_office_confirms() -> None:
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
def test_nobody_waits_for_himself(himself: str) -> None:
    with pytest.raises(BadBlocker):
        decisions.block(IN_STATE[State.ACKNOWLEDGED], CIVIL, himself, "اعتبار", LATER)


def test_a_deputy_may_take_note_and_disagree() -> None:
    fact = decisions.acknowledge(followup(), CIVIL, "disputed", "در صلاحیت ما نیست", LATER)
    assert fact == Acknowledged(LATER, "d.karimi", "disputed", "در صلاحیت ما نیست")


# -- what comes by event ------------------------------------------------------------------------


def test_an_approval_opens_the_follow_up_of_its_deputy_and_resolution() -> None:
    fact = decisions.open_(resolution(), APPROVER, FINGERPRINT, NOW)
    assert fact == Opened(NOW, resolution(), APPROVER, FINGERPRINT)
    begun = opened(fact)
    assert begun.followup_id == followup_id("civil", "1402-IR-09-R001")
    assert (begun.version, begun.state, begun.level) == (1, State.OPENED, 0)


def test_the_id_of_a_follow_up_never_changes() -> None:
    """Recorded: what is stored and published stands under it for ever."""
    assert followup_id("civil", "1402-IR-09-R001") == "dbc94aab-88c3-5bac-8e9a-ae8ebd289b05"
    assert followup_id("social", "1402-IR-09-R001") != followup_id("civil", "1402-IR-09-R001")


def test_what_names_another_deputy_than_the_topics_is_refused() -> None:
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


def test_the_same_approval_again_is_nothing_and_another_a_conflict() -> None:
    decisions.approve_again(followup(), FINGERPRINT)
    with pytest.raises(Conflict):
        decisions.approve_again(followup(), "b" * 64)


@pytest.mark.parametrize("source", [APPROVER, SCHEDULER])
def test_whoever_approved_and_the_scheduler_amend_and_withdraw(source: str) -> None:
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
def test_what_has_ended_is_not_amended_and_not_withdrawn_again(state: State) -> None:
    stands = IN_STATE[state]
    moved = resolution(due_on=stands.resolution.due_on + timedelta(days=1))
    if state not in {State.VERIFIED, State.CLOSED}:
        assert decisions.amend(stands, moved, APPROVER, SCHEDULER, None, "a", LATER, LATER)
        assert decisions.withdraw(stands, APPROVER, SCHEDULER, None, LATER)
        return
    with pytest.raises(NotNow):
        decisions.amend(stands, moved, APPROVER, SCHEDULER, None, "a", LATER, LATER)
    if state is State.CLOSED:
        assert decisions.withdraw(stands, APPROVER, SCHEDULER, None, LATER) is None
    else:
        with pytest.raises(NotNow):
            decisions.withdraw(stands, APPROVER, SCHEDULER, None, LATER)


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
def test_the_date_of_an_amendment_is_believed_some_minutes_ahead(
    ahead: timedelta, believed: bool
) -> None:
    """What is dated further ahead counts all the same, and shuts nothing out that comes later."""
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


def test_an_amendment_without_a_date_leaves_that_of_the_one_before() -> None:
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


def test_a_date_ahead_that_stands_already_shuts_nothing_out() -> None:
    """It was believed before there was the rule."""
    far = replace(followup(), amended_at=LATER + timedelta(days=300))
    due = resolution(due_on=date(2024, 6, 1))
    mended = decisions.amend(far, due, APPROVER, SCHEDULER, None, "a", LATER, LATER, LATER)
    assert mended is not None
    assert evolve(far, mended).amended_at == LATER


def test_an_amendment_that_changes_nothing_is_nothing() -> None:
    assert (
        decisions.amend(followup(), resolution(), APPROVER, SCHEDULER, None, "a", LATER, LATER)
        is None
    )
