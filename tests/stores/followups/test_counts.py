"""The counts of follow-ups' states and levels, in memory and in MongoDB."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime

from services.followups.domain.facts import FellOverdue
from services.followups.domain.scores import By
from shared.messaging.core.model import CommitContext
from shared.messaging.core.retrying import retry_transient
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.mongo import Database
from tests.stores.followups import (
    CAUSE,
    AnyFollowups,
    counted,
    counted_states,
    new,
    prepared,
    step,
)
from tests.unit.followups.examples import ACKNOWLEDGED, CLOSED, COMPLETED, NOW, VERIFIED

LATE = date(2030, 1, 1)


async def test_the_counts_match_the_stored_follow_ups(store: AnyFollowups) -> None:
    first, second = new("R-1"), new("R-2")
    await store.save([first, second], CAUSE)
    overdue = FellOverdue(NOW, 1, date(2024, 1, 1), 1)
    late = step(first.after, overdue)
    await store.save([late, step(second.after, ACKNOWLEDGED)], CAUSE)
    assert await counted_states(store) == {
        "state:opened": 1,
        "state:acknowledged": 1,
        "overdue:1": 1,
    }
    await store.save([step(late.after, CLOSED)], CAUSE)
    assert await counted_states(store) == {"state:closed": 1, "state:acknowledged": 1}


async def test_recovered_follow_ups_are_counted_at_once(store: AnyFollowups) -> None:
    first, second = new("R-1"), new("R-2")
    await store.save([first], CAUSE)
    await store.save([second], CommitContext("recovery", "recovery"))
    assert await counted_states(store) == {"state:opened": 2}


async def test_each_subject_counts_its_own_follow_ups(store: AnyFollowups) -> None:
    opened_ = {"state:opened": 1, "age:2023-10-16": 1}
    spring = datetime(2024, 3, 20, 12, tzinfo=UTC)  # the first day of 1403
    visit = new("R-1", province="IR-07", axis="crisis", session_kind="visit")
    await store.save([visit], CAUSE)
    await store.save([new("R-2", province=None, approved_at=spring, due_on=LATE)], CAUSE)
    other = {"state:opened": 1, "age:2024-03-20": 1}
    assert await counted(store, By.DEPUTY) == {"": {**opened_, **other, "state:opened": 2}}
    assert await counted(store, By.PROVINCE) == {"IR-07": opened_, "": other}
    assert await counted(store, By.AXIS) == {"crisis": opened_, "": other}
    assert await counted(store, By.GATHERING) == {"visit": opened_, "": other}
    assert await counted(store, By.SEASON) == {"1402": opened_, "1403": other}


async def test_past_days_keep_their_counts(store: AnyFollowups) -> None:
    """A restored copy recovers facts of several days in one transaction; each counts on its day."""
    first = new("R-1")
    await store.save([first], CAUSE)
    in_november = replace(ACKNOWLEDGED, at=datetime(2023, 11, 1, 20, 29, 59, tzinfo=UTC))
    next_day = replace(COMPLETED, at=datetime(2023, 11, 1, 20, 30, tzinfo=UTC))  # 00:00 in Tehran
    in_december = replace(VERIFIED, at=datetime(2023, 12, 31, 9, tzinfo=UTC))
    life = step(first.after, in_november, next_day, in_december)
    await store.save([life], CommitContext("recovery", "recovery"))
    expected = {
        date(2023, 10, 15): None,
        date(2023, 10, 16): "state:opened",
        date(2023, 10, 31): "state:opened",
        date(2023, 11, 1): "state:acknowledged",
        date(2023, 11, 2): "state:done",
        date(2023, 12, 30): "state:done",
        date(2023, 12, 31): "state:verified",
        date(2024, 1, 1): "state:verified",
        date(2124, 1, 1): "state:verified",
    }
    for day, state in expected.items():
        for by in By:
            (counts,) = (await counted(store, by, day)).values() or ({},)
            assert [n for n in counts if n.startswith("state:")] == ([state] if state else [])
            assert ("age:2023-10-16" in counts) == (state not in {None, "state:verified"})


async def test_counts_that_are_not_added_up_yet_are_included(database: Database) -> None:
    store = await prepared(database)
    await store.save([new("R-1")], CAUSE)
    for by, subject in ((By.DEPUTY, ""), (By.PROVINCE, "IR-09")):
        assert (await counted(store, by))[subject]["state:opened"] == 1


async def test_follow_ups_from_before_scorecards_are_counted_once(
    database: Database,
) -> None:
    store = await prepared(database)
    former = [new(f"R-{n}") for n in range(1_203)]
    await store.save(former, CAUSE)
    await database["followups"].update_many({}, {"$set": {"schema": 3}})
    await database["counts"].insert_one({"_id": "counts", "n": {"state:opened": 7}})
    await database["commits"].update_many({}, {"$set": {"tally": {"state:opened": 1_203}}})
    await database["marks"].delete_many({})
    assert await counted(store, By.PROVINCE) == {}

    async def prepare() -> None:
        async for attempt in retry_transient("counting", SystemMachineClock()):
            with attempt:
                await store.prepare()

    await asyncio.gather(prepare(), prepare(), prepare())
    await prepare()
    await store.save([step(former[0].after, ACKNOWLEDGED)], CAUSE)
    for by, subject in ((By.DEPUTY, ""), (By.PROVINCE, "IR-09")):
        counts = (await counted(store, by))[subject]
        assert (counts["state:opened"], counts["state:acknowledged"]) == (1_202, 1)
