"""Absences in the database of their deputy, in memory and on MongoDB."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.followups import handlers
from services.followups.domain import absences
from services.followups.domain.absences import Absence, Overlaps
from services.followups.handlers import AbsenceChange, AbsenceCommand, absence_events
from shared.messaging.core.errors import Stale
from shared.runtime.calendar import start_of_day, tehran_date
from shared.runtime.list_queries import ListQuery, Place, Sort
from tests.stores.followups import CAUSE, AnyFollowups, new
from tests.unit.followups.examples import CIVIL, LATER, NOW, TOPIC, TRACKING
from tests.unit.followups.messages import as_read
from tests.unit.followups.test_absences import absence

TODAY = tehran_date(NOW)
DAY = timedelta(days=1)


def change(before: Absence | None, after: Absence) -> AbsenceChange:
    return AbsenceChange(before, after, [absence_events.to_event(after, TOPIC, None)])


async def test_what_is_saved_is_read_again(store: AnyFollowups) -> None:
    one = absence()
    assert await store.absences.get("A-1") is None
    known = await store.absences.known(TODAY)
    assert list(known.absences) == []
    await store.absences.save([change(None, one)], CAUSE, known.turn)
    assert await store.absences.get("A-1") == one
    ended = absences.end(one, "m.rezaei", LATER)
    await store.absences.save([change(one, ended)], CAUSE)
    assert await store.absences.get("A-1") == ended
    history = await store.history("A-1")
    assert [entry.event.type.split(".")[1] for entry in history] == [
        *("AbsenceDeclared", "AbsenceEnded"),
    ]
    assert [entry.event.version for entry in history] == [1, 2]


async def test_what_was_changed_by_another_is_stale(store: AnyFollowups) -> None:
    one = absence()
    turn = (await store.absences.known(TODAY)).turn
    await store.absences.save([change(None, one)], CAUSE, turn)
    with pytest.raises(Stale):
        await store.absences.save([change(None, absence(absence_id="A-2"))], CAUSE, turn)
    with pytest.raises(Stale):
        await store.absences.save([change(None, one)], CAUSE)
    ended = absences.end(one, "m.rezaei", LATER)
    await store.absences.save([change(one, ended)], CAUSE)
    with pytest.raises(Stale):
        await store.absences.save([change(one, ended)], CAUSE)
    assert await store.absences.get("A-2") is None
    assert len(await store.history("A-1")) == 2


async def test_of_two_at_once_with_the_same_days_one_is_declared(store: AnyFollowups) -> None:
    """As two replicas would: neither has seen the other's."""
    for round_, first in enumerate((TODAY, TODAY + 10 * DAY)):  # the counter is there already

        async def declare(n: int, round_: int = round_, first: date = first) -> Absence | Overlaps:
            id_ = f"A-{round_}-{n}"
            command = AbsenceCommand(id_, store.absences, TRACKING, CIVIL, NOW)
            try:
                return await handlers.declare_absence(
                    command, "s.moradi", first + n * DAY, first + 4 * DAY, "سفر"
                )
            except Overlaps as overlaps:
                return overlaps

        answers = await asyncio.gather(*map(declare, range(4)))
        (declared,) = (one for one in answers if isinstance(one, Absence))
        assert await store.absences.get(declared.absence_id) == declared
        known = await store.absences.known(first)
        assert list(known.absences) == [declared]


async def test_those_of_a_substitute_on_a_day(store: AnyFollowups) -> None:
    first, last = TODAY + 2 * DAY, TODAY + 5 * DAY
    await store.absences.save([change(None, absence())], CAUSE)
    other = absence(absence_id="A-2", first_on=last + DAY, last_on=last + DAY)
    await store.absences.save([change(None, replace(other, substitute="b.nouri"))], CAUSE)
    for day, found in (
        (first - DAY, []),
        (first, ["A-1"]),
        (last, ["A-1"]),
        (last + DAY, []),
    ):
        absent = await store.absences.of_substitute("s.moradi", day)
        assert [one.absence_id for one in absent] == found, day
        assert all(one.covers(start_of_day(day)) for one in absent)
    assert await store.absences.of_substitute("d.karimi", first) == []


async def test_only_what_lasts_and_was_not_ended_matters_for_another(store: AnyFollowups) -> None:
    for n in range(3):
        one = absence(
            absence_id=f"A-{n}", first_on=TODAY + 10 * n * DAY, last_on=TODAY + (10 * n + 5) * DAY
        )
        await store.absences.save([change(None, one)], CAUSE)
    (last,) = (await store.absences.known(TODAY + 20 * DAY)).absences
    assert last.absence_id == "A-2"
    await store.absences.save([change(last, absences.end(last, "d.karimi", LATER))], CAUSE)
    known = await store.absences.known(TODAY + 15 * DAY)
    assert [one.absence_id for one in known.absences] == ["A-1"]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("field", ["", "first_on"])
async def test_pages_join_to_the_list(store: AnyFollowups, field: str, descending: bool) -> None:
    for n in range(7):
        first = TODAY + (n % 3) * DAY  # some begin on the same day
        one = absence(absence_id=f"A-{n}", first_on=first, last_on=first)
        await store.absences.save([change(None, one)], CAUSE)
    sort, shown = Sort(field, descending), list[Absence]()
    query = ListQuery({}, None, 2, sort=sort)
    while page := await store.absences.page(query):
        shown += page
        key = page[-1].first_on if field else None
        query = replace(query, after=Place(page[-1].absence_id, key))
    keys = [one.first_on if field else one.absence_id for one in shown]
    assert keys == sorted(keys, reverse=descending)
    assert sorted(one.absence_id for one in shown) == [f"A-{n}" for n in range(7)]


async def test_a_restored_copy_takes_in_absences_and_follow_ups_together(
    store: AnyFollowups,
) -> None:
    ended = absences.end(absence(), "m.rezaei", LATER)
    told = [absence_events.to_event(one, TOPIC, None) for one in (absence(), ended)]
    opening = new("R-1")
    messages = [as_read(event) for event in (told[0], *opening.events, told[1])]
    assert await handlers.recover(messages[:1], store, TRACKING) == 1
    assert await handlers.recover(messages, store, TRACKING) == 2
    assert await handlers.recover(messages, store, TRACKING) == 0
    assert await store.absences.get("A-1") == ended
    assert await store.get(opening.after.followup_id) == opening.after
    turn = (await store.absences.known(TODAY)).turn
    later = absence(absence_id="A-2")
    await store.absences.save([change(None, later)], CAUSE, turn)
