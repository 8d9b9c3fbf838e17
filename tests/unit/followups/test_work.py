"""Comments, items, the parts of other bodies, and what a follow-up continues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.followups.api.work_schemas import work_items
from services.followups.domain import teamwork
from services.followups.domain.evolution import evolve
from services.followups.domain.facts import Fact
from services.followups.domain.records import Followup, State
from services.followups.domain.refusals import BadProgress, NotNow
from services.followups.domain.teamwork import (
    MOST_ITEMS,
    BadPredecessor,
    DueAfterFollowup,
    NoPart,
    TooManyItems,
    UnknownItem,
)
from services.followups.domain.work import (
    ItemAdded,
    ItemDone,
    ItemDropped,
    Linked,
    PartReported,
    Predecessor,
)
from shared.runtime.calendar import start_of_day
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    AIDE,
    ASSIGNED,
    CIVIL,
    CLOSED,
    COMMENTED,
    COMPLETED,
    COORDINATION,
    ITEM_ADDED,
    ITEM_DONE,
    ITEM_DROPPED,
    KHORASAN,
    LATER,
    MINISTER_OFFICE,
    SOCIAL,
    TEHRAN_PROVINCE,
    after,
    amended,
    evolved,
    followup,
    resolution,
)
from tests.unit.followups.states import IN_STATE

# -- comments -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("by", [CIVIL, COORDINATION, MINISTER_OFFICE, KHORASAN, AIDE])
def test_everybody_concerned_comments_at_any_time(by: Principal, state: State) -> None:
    current = evolved(IN_STATE[state], ASSIGNED)
    fact = teamwork.comment(current, by, "بازدید شد", LATER)
    assert (fact.by, fact.text) == (by.id, "بازدید شد")


@pytest.mark.parametrize("by", [SOCIAL, TEHRAN_PROVINCE, AIDE])
def test_nobody_else_comments(by: Principal) -> None:
    with pytest.raises(NotAllowed):
        teamwork.comment(followup(), by, "بازدید شد", LATER)


def test_a_comment_is_a_version_and_changes_nothing_else() -> None:
    current = after(ACKNOWLEDGED)
    assert evolve(current, COMMENTED) == replace(current, version=3, changed_at=COMMENTED.at)


# -- items --------------------------------------------------------------------------------------

AT_WORK = {State.ACKNOWLEDGED, State.IN_PROGRESS, State.REOPENED, State.BLOCKED}
DUE = date(2024, 1, 1)  # of the follow-up
ITEM_STEPS: dict[str, Callable[[Followup, Principal], Fact]] = {
    "add": lambda f, by: teamwork.add_item(f, by, "تملک زمین", "شهرداری مشهد", DUE, LATER),
    "finish": lambda f, by: teamwork.finish_item(f, by, 1, None, LATER),
    "drop": lambda f, by: teamwork.drop_item(f, by, 1, "لازم نیست", LATER),
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("name", ITEM_STEPS)
def test_items_are_added_and_ended_during_the_work_by_deputy_and_officer(
    name: str, state: State
) -> None:
    current = evolved(IN_STATE[state], ASSIGNED, ITEM_ADDED)
    for by in (CIVIL, AIDE):
        if state in AT_WORK:
            assert ITEM_STEPS[name](current, by).at == LATER
        else:
            with pytest.raises(NotNow):
                ITEM_STEPS[name](current, by)
    for by in (COORDINATION, KHORASAN, MINISTER_OFFICE, SOCIAL):
        with pytest.raises(NotAllowed):
            ITEM_STEPS[name](current, by)


def test_items_have_numbers_and_end_once() -> None:
    current = after(ACKNOWLEDGED)
    for number in (1, 2, 3):
        fact = teamwork.add_item(current, CIVIL, "تملک زمین", "شهرداری مشهد", DUE, LATER)
        assert fact == ItemAdded(LATER, "d.karimi", number, "تملک زمین", "شهرداری مشهد", DUE)
        current = evolve(current, fact)
    done = teamwork.finish_item(current, CIVIL, 2, "تحویل شد", LATER)
    assert done == ItemDone(LATER, "d.karimi", 2, "تحویل شد")
    dropped = teamwork.drop_item(current, CIVIL, 3, "لازم نیست", LATER)
    assert dropped == ItemDropped(LATER, "d.karimi", 3, "لازم نیست")
    current = evolved(current, done, dropped)
    ends = [(item.state, item.ended_by, item.note) for item in current.work.items]
    assert ends == [
        ("open", None, None),
        ("done", "d.karimi", "تحویل شد"),
        ("dropped", "d.karimi", "لازم نیست"),
    ]
    for number in (2, 3):
        with pytest.raises(NotNow):
            teamwork.finish_item(current, CIVIL, number, None, LATER)
        with pytest.raises(NotNow):
            teamwork.drop_item(current, CIVIL, number, "نه", LATER)
    for number in (0, 4, -1):
        with pytest.raises(UnknownItem):
            teamwork.finish_item(current, CIVIL, number, None, LATER)


def test_the_number_of_items_is_limited_and_dropped_ones_count() -> None:
    current = after(ACKNOWLEDGED)
    for number in range(1, MOST_ITEMS + 1):
        current = evolve(current, teamwork.add_item(current, CIVIL, "تملک", "شهرداری", DUE, LATER))
        current = evolve(current, ItemDropped(LATER, "d.karimi", number, "نه"))
    with pytest.raises(TooManyItems, match="50"):
        teamwork.add_item(current, CIVIL, "تملک", "شهرداری", DUE, LATER)


def test_no_item_is_due_after_the_follow_up_and_none_moves_with_it() -> None:
    current = after(ACKNOWLEDGED)
    with pytest.raises(DueAfterFollowup):
        teamwork.add_item(current, CIVIL, "تملک", "شهرداری", DUE + timedelta(days=1), LATER)
    current = evolve(current, ITEM_ADDED)
    for due_on in (date(2024, 6, 1), date(2023, 11, 1)):
        moved = evolve(current, amended(resolution(due_on=due_on)))
        assert moved.work == current.work


def test_an_item_is_late_by_the_earlier_due_date_until_its_end() -> None:
    """Due on 1 December 2023, in a follow-up that is due a month later."""
    current = after(ACKNOWLEDGED, ITEM_ADDED)

    def late(current: Followup, day: date) -> int:
        (item,) = work_items(current, start_of_day(day))
        return item.days_overdue

    assert [late(current, date(2023, 12, day)) for day in (1, 2, 11)] == [0, 1, 10]
    done = replace(ITEM_DONE, at=start_of_day(date(2023, 12, 4)))
    assert late(evolve(current, done), date(2023, 12, 11)) == 3
    assert late(evolve(current, ITEM_DROPPED), date(2023, 12, 11)) == 0
    later = evolve(current, amended(resolution(due_on=date(2024, 6, 1))))
    assert late(later, date(2023, 12, 11)) == 10
    earlier = evolve(current, amended(resolution(due_on=date(2023, 11, 21))))
    assert late(earlier, date(2023, 12, 11)) == 20
    claimed = evolve(current, replace(COMPLETED, at=start_of_day(date(2023, 12, 3))))
    assert late(claimed, date(2023, 12, 11)) == 2
    assert late(evolve(current, CLOSED), date(2023, 12, 11)) == 0


# -- the parts of other bodies ------------------------------------------------------------------

MASHHAD, RAILWAYS = "شهرداری مشهد", "شرکت راه‌آهن"
HELPED = followup(supporting=(MASHHAD, "social", "IR-23"), executing_body=RAILWAYS)


def report(current: Followup, by: Principal, body: str, progress: int = 30) -> PartReported:
    return teamwork.report_part(current, by, body, progress, "آغاز شد", LATER)


@pytest.mark.parametrize("body", HELPED.resolution.bodies)
def test_the_deputys_side_reports_every_part(body: str) -> None:
    current = evolved(HELPED, ASSIGNED)
    for by in (CIVIL, AIDE):
        assert report(current, by, body) == PartReported(LATER, by.id, body, 30, "آغاز شد")
    with pytest.raises(NotAllowed):
        report(HELPED, AIDE, body)


def test_a_deputy_and_a_province_report_their_own_part() -> None:
    assert report(HELPED, SOCIAL, "social").by == "d.sadeghi"
    assert report(HELPED, TEHRAN_PROVINCE, "IR-23").by == "g.tehrani"
    for by, body in ((SOCIAL, MASHHAD), (SOCIAL, "IR-23"), (TEHRAN_PROVINCE, "social")):
        with pytest.raises(NotAllowed, match="does not speak for"):
            report(HELPED, by, body)
    for by in (COORDINATION, KHORASAN, MINISTER_OFFICE):
        for body in HELPED.resolution.bodies:
            with pytest.raises(NotAllowed):
                report(HELPED, by, body)


def test_a_supporting_body_reports_nothing_of_another_follow_up() -> None:
    with pytest.raises(NotAllowed):
        report(followup(), SOCIAL, "social")


def test_a_body_that_does_not_take_part_is_refused() -> None:
    for body in ("crisis", "شهرداری تهران"):
        with pytest.raises(NoPart, match=MASHHAD):
            report(HELPED, CIVIL, body)
    with pytest.raises(NoPart):
        report(followup(), CIVIL, MASHHAD)


@pytest.mark.parametrize("spelt", ["شهرداري مشهد", "شهرداری  مشهد", "شرکت راه آهن", "شركت راه‌آهن"])
def test_a_body_is_recognised_in_other_spellings(spelt: str) -> None:
    assert report(HELPED, CIVIL, spelt).body in {MASHHAD, RAILWAYS}


def test_bodies_that_differ_only_in_spelling_are_distinguished() -> None:
    both = followup(supporting=("شركت", "شرکت"))
    assert report(both, CIVIL, "شرکت").body == "شرکت"
    assert report(both, CIVIL, "شركت").body == "شركت"
    with pytest.raises(NoPart):
        report(both, CIVIL, "شر کت")


@pytest.mark.parametrize("progress", [-1, 101])
def test_a_part_is_from_0_to_100(progress: int) -> None:
    with pytest.raises(BadProgress):
        report(HELPED, CIVIL, MASHHAD, progress)


@pytest.mark.parametrize("state", State)
def test_parts_are_reported_while_it_is_open(state: State) -> None:
    current = replace(IN_STATE[state], resolution=HELPED.resolution)
    if state in {State.VERIFIED, State.CLOSED}:
        with pytest.raises(NotNow):
            report(current, CIVIL, MASHHAD)
    else:
        assert evolve(current, report(current, CIVIL, MASHHAD)).state is state


def test_the_latest_report_of_a_body_counts_and_goes_with_the_body() -> None:
    current = evolved(
        HELPED,
        report(HELPED, CIVIL, MASHHAD, 30),
        report(HELPED, SOCIAL, "social", 10),
        report(HELPED, CIVIL, MASHHAD, 20),
    )
    assert [(p.body, p.progress) for p in current.work.parts] == [(MASHHAD, 20), ("social", 10)]
    left = evolve(current, amended(replace(current.resolution, supporting=("social",))))
    assert [p.body for p in left.work.parts] == ["social"]


# -- what it continues --------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
def test_coordination_links_whatever_it_is_and_nobody_else_does(state: State) -> None:
    current = IN_STATE[state]
    fact = teamwork.link(current, COORDINATION, "1401-R7", "social", LATER)
    assert fact == Linked(LATER, "c.ahmadi", "1401-R7", "social")
    assert evolve(current, fact).work.predecessor == Predecessor("1401-R7", "social")
    for by in (CIVIL, SOCIAL, KHORASAN, MINISTER_OFFICE, AIDE):
        with pytest.raises(NotAllowed):
            teamwork.link(current, by, "1401-R7", None, LATER)
    own = replace(current, resolution=resolution(deputy="coordination"))
    assert teamwork.link(own, MINISTER_OFFICE, "1401-R7", None, LATER).by == "m.rezaei"


def test_nothing_continues_itself() -> None:
    current = followup()
    for deputy in (None, "civil"):
        with pytest.raises(BadPredecessor):
            teamwork.link(current, COORDINATION, current.resolution_id, deputy, LATER)
    other = teamwork.link(current, COORDINATION, current.resolution_id, "social", LATER)
    assert other.predecessor_deputy == "social", "another deputy's follow-up of it is another"


def test_there_is_one_predecessor_and_a_mistake_can_be_mended() -> None:
    current = evolve(followup(), teamwork.link(followup(), COORDINATION, "1401-R7", None, LATER))
    with pytest.raises(NotNow, match="already"):
        teamwork.link(current, COORDINATION, "1401-R7", None, LATER)
    mended = teamwork.link(current, COORDINATION, "1401-R8", None, LATER)
    assert evolve(current, mended).work.predecessor == Predecessor("1401-R8", None)
