"""Absences: when a substitute acts for a deputy, what the substitute may do and may not."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.followups import handlers
from services.followups.domain import absences, decisions, teamwork
from services.followups.domain.absences import (
    LONGEST_ABSENCE,
    Absence,
    BadFirstDay,
    BadLastDay,
    BadSubstitute,
    Overlaps,
    substitutions,
)
from services.followups.domain.bulk import Edit
from services.followups.domain.evolution import evolve
from services.followups.domain.permissions import require
from services.followups.domain.records import Followup
from services.followups.domain.refusals import NotNow
from services.followups.domain.teamwork import BadUntil
from services.followups.domain.transitions import RULES, Actor, Transition
from services.followups.handlers import AbsenceChange, absence_events, bulk
from shared.contracts.events import (
    AbsenceDeclared,
    AbsenceEnded,
    FollowupCompleted,
    FollowupStepEvent,
)
from shared.messaging.core.model import RECOVERY, Event, Message, requested
from shared.runtime.calendar import start_of_day, tehran_date
from shared.runtime.principals import Principal, Substitution
from shared.runtime.refusals import NotAllowed, Refused
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    AIDE,
    CIVIL,
    COMPLETED,
    COORDINATION,
    KHORASAN,
    LATER,
    NOW,
    SOCIAL,
    TOPIC,
    TRACKING,
    after,
    evolved,
    followup,
    principal,
)
from tests.unit.followups.messages import as_read
from tests.unit.followups.states import DECIDE, IN_STATE

TODAY = tehran_date(NOW)
DAY = timedelta(days=1)
INSTANT = timedelta(milliseconds=1)
BOTH = principal("d.karimi", "deputy:civil", "coordination")


def absence(**changes: Any) -> Absence:
    """From the second day after today to the fifth."""
    usual = Absence(
        absence_id="A-1",
        deputy="civil",
        substitute="s.moradi",
        first_on=TODAY + 2 * DAY,
        last_on=TODAY + 5 * DAY,
        reason="سفر",
        declared_by="d.karimi",
        declared_at=NOW,
    )
    return replace(usual, **changes)


def acting(by: Principal, deputy: str = "civil", last_on: date = TODAY + 5 * DAY) -> Principal:
    """The same person as the substitute of a deputy."""
    return by.with_absences({deputy: Substitution("A-1", last_on)})


SUBSTITUTE = acting(principal("s.moradi"))

# -- when ---------------------------------------------------------------------------------------


def test_it_lasts_from_midnight_to_midnight_in_tehran() -> None:
    one = absence()
    begins, ends = start_of_day(one.first_on), start_of_day(one.last_on + DAY)
    assert begins.hour == 20, "Tehran is three and a half hours ahead"
    assert begins.minute == 30
    for now, covered in (
        (begins - INSTANT, False),
        (begins, True),
        (ends - INSTANT, True),
        (ends, False),
    ):
        assert one.covers(now) is covered, now
        found = substitutions([one], "s.moradi", now)
        assert found == ({"civil": Substitution("A-1", one.last_on)} if covered else {})
        assert substitutions([one], "d.karimi", now) == {}


def test_one_that_is_ended_lasts_until_that_instant() -> None:
    at = start_of_day(TODAY + 3 * DAY) + timedelta(hours=9)
    ended = absences.end(absence(), "m.rezaei", at)
    assert (ended.ended_by, ended.ended_at, ended.version) == ("m.rezaei", at, 2)
    assert ended.covers(at - INSTANT)
    assert not ended.covers(at)
    with pytest.raises(NotNow):
        absences.end(ended, "d.karimi", at + DAY)


def test_one_that_has_not_begun_may_be_ended_and_one_that_is_over_may_not() -> None:
    one = absence()
    assert not absences.end(one, "d.karimi", NOW).covers(start_of_day(one.first_on))
    over = start_of_day(one.last_on + DAY)
    assert absences.end(one, "d.karimi", over - INSTANT).ended_at == over - INSTANT
    with pytest.raises(NotNow):
        absences.end(one, "d.karimi", over)


# -- which --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"substitute": "d.karimi"}, BadSubstitute),
        ({"first_on": TODAY - DAY}, BadFirstDay),
        ({"last_on": TODAY + DAY}, BadLastDay),
        ({"last_on": TODAY + (2 + LONGEST_ABSENCE) * DAY}, BadLastDay),
        ({"first_on": date(2199, 12, 1), "last_on": date(2199, 11, 1)}, BadLastDay),
    ],
)
def test_what_cannot_be_an_absence(changes: dict[str, Any], refusal: type[Refused]) -> None:
    with pytest.raises(refusal):
        absences.declare(absence(**changes), [])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"first_on": TODAY, "last_on": TODAY},
        {"last_on": TODAY + (1 + LONGEST_ABSENCE) * DAY},
        {"first_on": date(2199, 12, 1), "last_on": date(2199, 12, 31)},
    ],
)
def test_what_can_be_one(changes: dict[str, Any]) -> None:
    one = absence(**changes)
    assert absences.declare(one, []) == one


@pytest.mark.parametrize("substitute", ["s.moradi", "b.nouri"])
def test_two_of_one_deputy_have_no_day_in_common(substitute: str) -> None:
    chance = random.Random(1404)
    for _ in range(300):
        first, other = (TODAY + chance.randrange(10) * DAY for _ in range(2))
        known = absence(first_on=first, last_on=first + chance.randrange(5) * DAY)
        new = absence(
            absence_id="A-2",
            substitute=substitute,
            first_on=other,
            last_on=other + chance.randrange(5) * DAY,
        )
        days = [
            {one.first_on + n * DAY for n in range((one.last_on - one.first_on).days + 1)}
            for one in (known, new)
        ]
        if days[0] & days[1]:
            with pytest.raises(Overlaps):
                absences.declare(new, [known])
        else:
            assert absences.declare(new, [known]) == new
        assert absences.declare(new, [absences.end(known, "d.karimi", NOW)]) == new


# -- what a substitute may do -------------------------------------------------------------------


@pytest.mark.parametrize("step", Transition)
def test_a_substitute_may_what_the_deputy_may(step: Transition) -> None:
    for current in IN_STATE.values():
        assert _may(current, step, SUBSTITUTE) == _may(current, step, CIVIL), current.state
        assert _may(current, step, acting(principal("s.moradi"), "social")) in {False, None}
        for by in (COORDINATION, KHORASAN):
            alone, both = _may(current, step, by), _may(current, step, acting(by))
            as_deputy = _may(current, step, CIVIL)
            if RULES[step].by in {Actor.DECIDER, Actor.VERIFIER}:
                assert not both, "nobody decides about their own work"
            else:
                assert bool(both) is bool(alone or as_deputy)


def _may(current: Followup, step: Transition, by: Principal) -> bool | None:
    """Whether somebody may take a step now; None if the state does not allow it."""
    try:
        require(current, step, by, LATER)
    except NotAllowed:
        return False
    except NotNow:
        return None
    return True


def test_a_substitute_speaks_for_the_deputy_as_a_body_of_others() -> None:
    of_social = after(ACKNOWLEDGED, deputy="social", supporting=("civil", "شهرداری مشهد"))
    assert teamwork.report_part(of_social, SUBSTITUTE, "civil", 40, None, LATER).progress == 40
    with pytest.raises(NotAllowed):
        teamwork.report_part(of_social, SUBSTITUTE, "شهرداری مشهد", 40, None, LATER)
    with pytest.raises(NotAllowed):
        decisions.complete(of_social, SUBSTITUTE, None, LATER)


def test_what_a_substitute_delegates_ends_with_the_absence() -> None:
    current, last = after(ACKNOWLEDGED), TODAY + 5 * DAY
    assert teamwork.delegate(current, SUBSTITUTE, "b.nouri", last, None, LATER).until == last
    with pytest.raises(BadUntil):
        teamwork.delegate(current, SUBSTITUTE, "b.nouri", last + DAY, None, LATER)
    by_deputy = teamwork.delegate(current, CIVIL, "b.nouri", last + DAY, None, LATER)
    assert by_deputy.until == last + DAY


def test_somebody_with_the_deputys_role_needs_no_absence() -> None:
    both = acting(BOTH)
    assert both.substitutions == {}
    assert decisions.complete(after(ACKNOWLEDGED), both, None, LATER) == COMPLETED


# -- four eyes ----------------------------------------------------------------------------------


def test_neither_substitute_nor_deputy_confirms_what_the_substitute_claimed() -> None:
    fact = decisions.complete(after(ACKNOWLEDGED), SUBSTITUTE, None, LATER)
    assert (fact.by, fact.absence_id) == ("s.moradi", "A-1")
    claimed = evolve(after(ACKNOWLEDGED), fact)
    assert (claimed.claimed_by, claimed.claimed_for) == ("s.moradi", "deputy:civil")
    later = start_of_day(TODAY + 30 * DAY)  # the absence is long over
    for by in (
        principal("s.moradi", "coordination"),
        acting(principal("s.moradi", "coordination")),
        acting(principal("x.other", "coordination")),
        principal("s.moradi", "province:IR-09"),
        BOTH,
        principal("x.other", "deputy:civil", "province:IR-09"),
    ):
        for decide in (
            lambda by: decisions.verify(claimed, by, "done", None, later),
            lambda by: decisions.reopen(claimed, by, "ناقص", later),
        ):
            with pytest.raises(NotAllowed):
                decide(by)
    for by in (COORDINATION, KHORASAN):
        assert decisions.verify(claimed, by, "done", None, later).by == by.id


def test_a_claim_of_the_deputy_is_not_confirmed_by_the_substitute() -> None:
    claimed = after(ACKNOWLEDGED, COMPLETED)
    with pytest.raises(NotAllowed):
        decisions.verify(claimed, acting(COORDINATION), "done", None, LATER)


def test_whom_a_claim_was_made_for_is_forgotten_with_the_claim() -> None:
    claim = decisions.complete(after(ACKNOWLEDGED), SUBSTITUTE, None, LATER)
    reopened = evolved(
        evolve(after(ACKNOWLEDGED), claim),
        decisions.reopen(evolve(after(ACKNOWLEDGED), claim), COORDINATION, "ناقص", LATER),
    )
    assert (reopened.claimed_by, reopened.claimed_for) == (None, None)


# -- events -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DECIDE))
def test_each_event_of_a_substitute_names_the_absence(name: str) -> None:
    usual, decide = DECIDE[name]
    if usual != CIVIL:
        return
    for current in IN_STATE.values():
        try:
            fact = decide(current, SUBSTITUTE)
        except Refused:
            continue
        (event,) = handlers.changed(current, [fact], TRACKING, None, SUBSTITUTE).events
        data = as_read(event).data
        assert isinstance(data, FollowupStepEvent)
        assert data.absence_id == "A-1"


async def test_a_sheet_of_a_substitute_is_decided_like_the_deputys() -> None:
    store, current = MemoryFollowups(), after(ACKNOWLEDGED)
    await store.save([handlers.Change(None, current, (), None)], RECOVERY)
    edit = Edit(5, current.followup_id, current.version, progress=100, claims=True)
    for by, outcomes in (
        (principal("s.moradi"), []),
        (acting(principal("s.moradi"), "social"), []),
        (SUBSTITUTE, ["applied"]),
    ):
        lines = await bulk.apply([edit], store, TRACKING, by, LATER, None, together=True)
        assert [line.outcome for line in lines] == outcomes
    told_of = [as_read(event).data for event in store.events]
    assert [getattr(data, "absence_id", None) for data in told_of] == ["A-1", "A-1"]
    claimed = await store.get(current.followup_id)
    assert claimed is not None
    assert claimed.claimed_for == "deputy:civil"


async def test_a_claim_of_a_substitute_is_recovered_with_whom_it_is_for() -> None:
    claim = decisions.complete(after(ACKNOWLEDGED), SUBSTITUTE, None, LATER)
    change = handlers.changed(after(ACKNOWLEDGED), [claim], TRACKING, None, SUBSTITUTE)
    store = MemoryFollowups()
    await store.save([handlers.Change(None, after(ACKNOWLEDGED), (), None)], RECOVERY)
    messages = [as_read(event) for event in change.events]
    assert isinstance(messages[0].data, FollowupCompleted)
    assert await handlers.recover(messages, store, TRACKING) == 1
    recovered = await store.get(followup().followup_id)
    assert recovered is not None
    assert recovered.claimed_for == "deputy:civil"


def told(*of: Absence) -> list[Event]:
    return [absence_events.to_event(one, TOPIC, None) for one in of]


ENDED = absences.end(absence(), "m.rezaei", LATER)


async def test_absences_are_recovered_from_their_events_however_often_they_come() -> None:
    declared, ended = (as_read(event) for event in told(absence(), ENDED))
    assert isinstance(declared.data, AbsenceDeclared)
    assert isinstance(ended.data, AbsenceEnded)
    for parts in (
        [[declared, ended]],
        [[declared], [ended]],
        [[declared, declared], [declared, ended, ended], [declared, ended]],
        [[ended, declared], [ended]],  # a version that does not follow is passed over
    ):
        store = MemoryFollowups()
        taken = [await handlers.recover(part, store, TRACKING) for part in parts]
        assert sum(taken) == 2, parts
        assert await store.absences.get("A-1") == ENDED
        assert [event.version for event in store.events] == [1, 2]


async def test_other_events_of_the_topic_are_no_absences_and_absences_no_follow_ups() -> None:
    store = MemoryFollowups()
    alien = replace(as_read(told(absence())[0]), data=as_read(told(ENDED)[0]).data)
    unknown: list[Message] = [alien]
    assert await handlers.recover(unknown, store, TRACKING) == 0
    assert store.events == []


async def test_a_replica_that_recovers_the_same_does_not_apply_it_twice() -> None:
    first, second = MemoryFollowups(), MemoryFollowups()
    messages = [as_read(event) for event in told(absence(), ENDED)]
    for store in (first, second):
        assert await handlers.recover(messages, store, TRACKING) == 2
        assert await handlers.recover(messages, store, TRACKING) == 0
    assert await first.absences.get("A-1") == await second.absences.get("A-1")


async def test_a_declaration_is_decided_again_if_another_was_faster() -> None:
    store = MemoryFollowups()
    known = await store.absences.known(TODAY)
    change = AbsenceChange(None, absence(), told(absence()))
    await store.absences.save([change], requested(CIVIL), known.turn)
    command = handlers.AbsenceCommand("A-2", store.absences, TRACKING, CIVIL, NOW)
    with pytest.raises(Overlaps):
        await handlers.declare_absence(command, "b.nouri", TODAY + 5 * DAY, TODAY + 9 * DAY, "سفر")
    later = await handlers.declare_absence(
        command, "b.nouri", TODAY + 6 * DAY, TODAY + 9 * DAY, "سفر"
    )
    assert (later.declared_by, later.declared_at) == ("d.karimi", NOW)
    assert [event.key for event in store.events] == ["A-1", "A-2"]


def test_nobody_else_is_touched() -> None:
    at: datetime = start_of_day(TODAY + 3 * DAY)
    found = substitutions([absence(), absence(deputy="crisis", absence_id="A-9")], "s.moradi", at)
    assert set(found) == {"civil", "crisis"}
    assert substitutions([absence()], AIDE.id, at) == {}
    assert SOCIAL.substitution("civil") is None
