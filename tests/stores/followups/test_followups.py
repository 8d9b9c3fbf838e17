"""The repository of follow-ups, in memory and on MongoDB."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from services.followups.domain.facts import CameDueSoon, Extended, FellOverdue, WentUnacknowledged
from shared.messaging.core.errors import AlreadyExists, Stale
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.list_queries import ListQuery, Place
from shared.runtime.mongo import Database
from tests.stores.followups import (
    CAUSE,
    DAY,
    AnyFollowups,
    counted_states,
    new,
    prepared,
    step,
)
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    ASSIGNED,
    BLOCKED,
    CLOSED,
    COMMENTED,
    COMPLETED,
    DELEGATED,
    DELEGATION_ENDED,
    DISPUTED,
    ITEM_ADDED,
    ITEM_DONE,
    ITEM_DROPPED,
    LATER,
    LINKED,
    NOW,
    PART_REPORTED,
    PROGRESSED,
    REQUESTED,
    SETTLED,
    UNASSIGNED,
    UNBLOCKED,
    VERIFIED,
    amended,
    resolution,
)


async def test_what_is_saved_is_read_as_it_was(store: AnyFollowups) -> None:
    whole = new(
        "R-1",
        session_id="1402-IR-09",
        session_kind="provincial",
        axis="civil-infrastructure",
        text="با همکاری استانداری؛ می‌شود",
        supporting=("شهرداری مشهد", "راه‌آهن"),
        executing_body="شرکت راه‌آهن",
        priority="urgent",
        number="۱۲/۳۴",
        baseline_on=date(2023, 11, 1),
    )
    least = new("R-2", province=None)
    await store.save([whole, least], CAUSE)
    assert await store.get(whole.after.followup_id) == whole.after
    known = await store.of_resolutions(["R-1", "R-2", "R-3"])
    assert known == {"R-1": whole.after, "R-2": least.after}
    id_ = least.after.followup_id
    assert await store.of_ids([id_, "nobody"]) == {id_: least.after}
    assert await store.of_ids([]) == {}


async def test_disputes_blocks_and_extensions_are_stored(store: AnyFollowups) -> None:
    first = new("R-1", acknowledge_by=date(2023, 10, 19))
    await store.save([first], CAUSE)
    granted = Extended(LATER, "c.ahmadi", date(2024, 2, 1), date(2024, 1, 1), "با تأکید")
    soon = CameDueSoon(LATER, date(2024, 2, 1))
    before = first.after
    unacknowledged = WentUnacknowledged(LATER, date(2023, 10, 19))
    for fact in (unacknowledged, DISPUTED, SETTLED, BLOCKED, REQUESTED, granted, UNBLOCKED, soon):
        life = step(before, fact)
        await store.save([life], CAUSE)
        assert await store.get(before.followup_id) == life.after
        before = life.after


async def test_the_work_is_stored(store: AnyFollowups) -> None:
    before = new("R-1")
    await store.save([before], CAUSE)
    current = before.after
    claimed = replace(COMPLETED, by="a.nouri")
    second = replace(ITEM_ADDED, item=2)
    dropped = replace(ITEM_DROPPED, item=2)
    shared = (ASSIGNED, DELEGATED, claimed, DELEGATION_ENDED, UNASSIGNED)
    for fact in (*shared, ITEM_ADDED, second, ITEM_DONE, dropped, PART_REPORTED, COMMENTED, LINKED):
        life = step(current, fact)
        await store.save([life], CAUSE)
        assert await store.get(current.followup_id) == life.after
        current = life.after


async def test_every_fact_is_stored(store: AnyFollowups) -> None:
    first = new("R-1")
    await store.save([first], CAUSE)
    overdue = FellOverdue(NOW, 1, date(2024, 1, 1), 1)
    moved = amended(resolution(resolution_id="R-1", due_on=date(2024, 6, 1)))
    life = step(first.after, ACKNOWLEDGED, PROGRESSED, overdue, moved, COMPLETED, VERIFIED)
    await store.save([life], CAUSE)
    assert await store.get(first.after.followup_id) == life.after
    assert life.after.former_levels == ((date(2024, 1, 1), 1),)
    closed = step(life.after, CLOSED)
    await store.save([closed], CAUSE)
    kept = await store.get(first.after.followup_id)
    assert kept == closed.after
    assert kept.outcome == "withdrawn"
    history = await store.history(first.after.followup_id)
    assert [entry.event for entry in history] == [*first.events, *life.events, *closed.events]
    assert {(entry.by, entry.roles) for entry in history} == {("d.karimi", ("deputy:civil",))}


async def test_unknown_ids_are_not_found(store: AnyFollowups) -> None:
    assert await store.get("nobody") is None
    assert await store.of_resolutions([]) == {}
    assert await store.history("nobody") == []
    assert set(await store.seen(["/x 1"])) == set()
    assert await store.due(NOW, 10) == []


async def test_a_resolution_has_one_follow_up(store: AnyFollowups) -> None:
    await store.save([new("R-1")], CAUSE)
    with pytest.raises(AlreadyExists):
        await store.save([new("R-2", "/x 1"), new("R-1", title="عنوان دیگر")], CAUSE)
    assert set(await store.of_resolutions(["R-1", "R-2"])) == {"R-1"}
    assert set(await store.seen(["/x 1"])) == set()
    assert await counted_states(store) == {"state:opened": 1}


async def test_a_step_from_an_old_version_is_stale(store: AnyFollowups) -> None:
    first, second = new("R-1"), new("R-2")
    await store.save([first, second], CAUSE)
    acknowledged = step(first.after, ACKNOWLEDGED)
    await store.save([acknowledged], CAUSE)
    with pytest.raises(Stale):
        await store.save([step(second.after, CLOSED), step(first.after, CLOSED)], CAUSE)
    assert await store.get(first.after.followup_id) == acknowledged.after
    assert await store.get(second.after.followup_id) == second.after


async def test_of_many_concurrent_changes_one_is_saved(store: AnyFollowups) -> None:
    first = new("R-1")
    await store.save([first], CAUSE)

    async def act(_: int) -> bool:
        try:
            await store.save([step(first.after, ACKNOWLEDGED)], CAUSE)
        except Stale:
            return False
        return True

    assert sum(await asyncio.gather(*map(act, range(8)))) == 1
    assert len(await store.history(first.after.followup_id)) == 2


async def test_the_inbox_knows_what_was_applied_and_accepts_nothing_twice(
    store: AnyFollowups,
) -> None:
    first = new("R-1")
    await store.save([first], CAUSE)
    acknowledged = step(first.after, ACKNOWLEDGED, inbox=("/x 1", "/x 2"))
    await store.save([acknowledged], CAUSE)
    assert set(await store.seen(["/x 1", "/x 2", "/x 3"])) == {"/x 1", "/x 2"}
    with pytest.raises(AlreadyExists):
        await store.save([step(acknowledged.after, PROGRESSED, inbox=("/x 2",))], CAUSE)
    assert await store.get(first.after.followup_id) == acknowledged.after


async def test_an_event_that_changes_nothing_is_stored_only_in_the_inbox(
    store: AnyFollowups,
) -> None:
    first = new("R-1")
    await store.save([first], CAUSE)
    await store.save([step(first.after, inbox=("/x 1",))], CAUSE)
    assert set(await store.seen(["/x 1"])) == {"/x 1"}
    assert await store.get(first.after.followup_id) == first.after
    assert len(await store.history(first.after.followup_id)) == 1


async def test_the_longest_due_come_first(store: AnyFollowups) -> None:
    alerts = {"late": NOW - DAY, "later": NOW, "latest": NOW - 2 * DAY, "to-come": NOW + DAY}
    changes = {name: new(name, alert=alert) for name, alert in alerts.items()}
    await store.save([*changes.values(), new("never")], CAUSE)
    assert [f.resolution_id for f in await store.due(NOW, 10)] == ["latest", "late", "later"]
    assert [f.resolution_id for f in await store.due(NOW, 2)] == ["latest", "late"]
    await store.save([step(changes["latest"].after, alert=NOW + 2 * DAY)], CAUSE)
    await store.save([step(changes["late"].after, COMPLETED)], CAUSE)
    assert [f.resolution_id for f in await store.due(NOW, 10)] == ["later"]


async def test_lists_are_by_id_and_filtered_by_their_fields(store: AnyFollowups) -> None:
    changes = [
        new("a", session_id="1402-IR-09", axis="crisis"),
        new("b", priority="urgent", province="IR-23"),
        new("c", session_id="1402-IR-09"),
    ]
    await store.save(changes, CAUSE)
    await store.save([step(changes[2].after, FellOverdue(NOW, 2, date(2024, 1, 1), 9))], CAUSE)

    async def ids(after: str | None = None, limit: int = 10, **fields: Any) -> list[str]:
        place = None if after is None else Place(after)
        fields_ = {n: v if isinstance(v, list) else (v,) for n, v in fields.items()}
        return [f.followup_id for f in await store.page(ListQuery(fields_, place, limit))]

    a, b, c = (change.after.followup_id for change in changes)
    everything = sorted([a, b, c])
    assert await ids() == everything
    assert await ids(limit=2) == everything[:2]
    assert await ids(after=everything[1]) == everything[2:]
    assert await ids(followup_id=b) == [b]
    assert await ids(followup_id=b, level=2) == []
    assert await ids(resolution_id="b") == [b]
    assert await ids(session_id="1402-IR-09") == sorted([a, c])
    assert await ids(session_id="1402-IR-09", axis="crisis") == [a]
    assert await ids(province="IR-23") == [b]
    assert await ids(priority="urgent") == [b]
    assert await ids(level=2) == await ids(overdue=True) == [c]
    assert await ids(overdue=True, state="opened", axis="crisis") == []
    assert await ids(overdue=False) == sorted([a, b])
    assert await ids(overdue=False, session_id="1402-IR-09") == [a]
    assert await ids(state="opened") == everything
    assert await ids(state="closed") == []
    assert await ids(followup_id=[b, c, "nobody"]) == sorted([b, c])
    assert await ids(level=[0, 2]) == await ids(overdue=[True, False]) == everything
    assert await ids(level=[1, 2], state=["opened", "closed"]) == [c]
    assert await ids(province=["IR-23", "IR-09"], priority="urgent") == [b]
    found = [id_ async for some in store.ids({"session_id": ["1402-IR-09"]}) for id_ in some]
    assert sorted(found) == sorted([a, c])
    assert sorted([id_ async for some in store.ids({}) for id_ in some]) == everything
    await store.save([step(changes[0].after, LINKED)], CAUSE)
    assert await ids(predecessor=LINKED.predecessor) == [a]
    assert await ids(predecessor="a") == []


async def test_successors_are_found_through_an_index(database: Database) -> None:
    store = await prepared(database)
    await store.save([new(f"R-{n}") for n in range(30)], CAUSE)
    found = database["followups"].find({"work.predecessor.resolution_id": "R-7"}).sort([("_id", 1)])
    plan = (await found.explain())["executionStats"]
    assert (plan["totalKeysExamined"], plan["totalDocsExamined"]) == (0, 0)


async def test_the_inbox_uses_the_machine_clock(
    database: Database,
) -> None:
    """MongoDB deletes entries some hundred days after their time, which must not be simulated."""
    store = await prepared(database)
    await store.save([new("R-1", "/x 1")], CAUSE)
    entry = await database["inbox"].find_one({"_id": "/x 1"})
    assert entry is not None
    assert abs(SystemMachineClock().now() - entry["at"]) < timedelta(minutes=5)
