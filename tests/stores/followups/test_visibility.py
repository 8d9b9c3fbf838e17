"""What somebody may see: the query shows what the rule shows, on every list, in every order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from services.followups.domain.absences import Absence, substitutions
from services.followups.domain.records import Followup
from services.followups.domain.visibility import sees, within
from services.followups.domain.work import Assigned, Delegated
from shared.runtime.access import Action, Reach, reach
from shared.runtime.calendar import tehran_date
from shared.runtime.list_queries import ListQuery, Place, Sort
from tests.stores.followups import CAUSE, AnyFollowups, new, step
from tests.unit.followups.examples import NOW, principal

PROVINCES = ("IR-00", "IR-07", "IR-09", None)
AXES = ("crisis", "economic", None)
BODIES = ("IR-07", "IR-10", "social", "شهرداری مشهد", "ir-10", None)
PEOPLE = ("a.nouri", "b.nouri", None)
SORTS = (Sort(), Sort("due_on"), Sort("due_on", descending=True), Sort("days_overdue"))
TODAY = tehran_date(NOW)


async def populate(store: AnyFollowups, chance: random.Random) -> Sequence[Followup]:
    """Sixty follow-ups of all kinds; some with an officer, some delegated, some of that expired."""
    found = []
    for n in range(60):
        body, supporting = chance.choice(BODIES), chance.choice(BODIES)
        change = new(
            f"R-{n}",
            province=chance.choice(PROVINCES),
            axis=chance.choice(AXES),
            executing_body=body,
            supporting=() if supporting is None else (supporting, "دهیاری"),
        )
        await store.save([change], CAUSE)
        officer, delegate = chance.choice(PEOPLE), chance.choice(PEOPLE)
        if officer is not None:
            change = step(change.after, Assigned(NOW, "d.karimi", officer, None))
            await store.save([change], CAUSE)
        if delegate is not None:
            until = TODAY + timedelta(days=chance.choice((-1, 0, 1)))
            change = step(change.after, Delegated(NOW, "d.karimi", delegate, until, None))
            await store.save([change], CAUSE)
        found.append(change.after)
    return found


def some_of(chance: random.Random, values: Sequence[str | None]) -> frozenset[str]:
    return frozenset(v for v in values if v is not None and chance.random() < 0.3)


def any_reach(chance: random.Random) -> Reach:
    return Reach(
        everything=chance.random() < 0.1,
        deputies=some_of(chance, ("social", "civil")),
        provinces=some_of(chance, ("IR-00", "IR-07", "IR-09", "IR-10")),
        axes=some_of(chance, AXES),
        person=chance.choice(PEOPLE),
    )


async def test_lists_show_what_the_rule_shows_and_nothing_else(store: AnyFollowups) -> None:
    chance = random.Random(1402)
    everything = await populate(store, chance)
    for _ in range(120):
        reach = any_reach(chance)
        expected = {f.followup_id for f in everything if sees(reach, f, NOW)}
        narrowed = within(reach, "civil", NOW)
        assert (narrowed is None) is (reach.everything or "civil" in reach.deputies)
        query = ListQuery({}, None, 500, sort=chance.choice(SORTS), as_of=TODAY, within=narrowed)
        shown = [followup.followup_id for followup in await store.page(query)]
        assert (set(shown), len(shown)) == (expected, len(expected)), (reach, query.sort)
        drawn = [id_ async for some in store.ids({}, narrowed) for id_ in some]
        assert sorted(drawn) == sorted(expected), reach
        filtered = replace(query, fields={"axis": ("crisis",)})
        of_crisis = {f.followup_id for f in everything if f.resolution.axis == "crisis"}
        assert {f.followup_id for f in await store.page(filtered)} == expected & of_crisis


async def test_a_substitute_is_shown_what_the_deputy_is_shown(store: AnyFollowups) -> None:
    """Whoever else the substitute is; and the rule and the query agree on each of these days."""
    chance = random.Random(1404)
    everything = await populate(store, chance)
    roles = ("deputy:social", "province:IR-07", "adviser:crisis", "coordination")
    for _ in range(60):
        deputy, days = chance.choice(("civil", "social")), [chance.randrange(-3, 4), 0]
        days[1] = days[0] + chance.randrange(4)
        first, last = (TODAY + n * timedelta(days=1) for n in days)
        absence = Absence("A-1", deputy, "a.nouri", first, last, "سفر", "m.rezaei", NOW)
        if chance.random() < 0.3:
            ended_at = NOW + timedelta(hours=chance.randrange(-1, 2))
            absence = replace(absence, ended_by="m.rezaei", ended_at=ended_at)
        alone = principal("a.nouri", *(role for role in roles if chance.random() < 0.2))
        deputy_alone = principal("d.other", f"deputy:{deputy}")
        by = alone.with_absences(substitutions([absence], "a.nouri", NOW))
        read = reach(by, Action.READ_FOLLOWUPS)
        shown = {f.followup_id for f in everything if sees(read, f, NOW)}
        query = ListQuery({}, None, 500, within=within(read, "civil", NOW))
        assert {f.followup_id for f in await store.page(query)} == shown
        for_deputy = reach(deputy_alone, Action.READ_FOLLOWUPS) if absence.covers(NOW) else Reach()
        assert shown == {
            f.followup_id
            for f in everything
            if sees(reach(alone, Action.READ_FOLLOWUPS), f, NOW) or sees(for_deputy, f, NOW)
        }


async def test_pages_of_a_part_join_to_the_part(store: AnyFollowups) -> None:
    chance = random.Random(7)
    everything = await populate(store, chance)
    reach = Reach(provinces=frozenset({"IR-07"}), person="a.nouri")
    expected = sorted(f.followup_id for f in everything if sees(reach, f, NOW))
    assert 5 < len(expected) < 50
    query, shown = ListQuery({}, None, 7, within=within(reach, "civil", NOW)), []
    while page := await store.page(query):
        shown += [followup.followup_id for followup in page]
        query = replace(query, after=Place(page[-1].followup_id))
    assert shown == expected


async def test_a_delegation_is_seen_until_its_last_day(store: AnyFollowups) -> None:
    change = new("R-1")
    until = date(2024, 1, 20)
    delegated = step(change.after, Delegated(NOW, "d.karimi", "b.nouri", until, None))
    await store.save([change], CAUSE)
    await store.save([delegated], CAUSE)
    reach = Reach(person="b.nouri")
    for days, seen in ((0, True), (1, False)):
        now = NOW + (until - TODAY) + timedelta(days=days)
        query = ListQuery({}, None, 10, within=within(reach, "civil", now))
        assert bool(await store.page(query)) is seen
        assert sees(reach, delegated.after, now) is seen
