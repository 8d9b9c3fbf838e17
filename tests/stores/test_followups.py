"""What the follow-ups need of a store, asked of the one in memory and of the real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias

import pytest
from bson import json_util

from deploy.local.cluster import Cluster
from deploy.local.layout import PROJECT
from services.followups import events, handlers
from services.followups.domain import work
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import (
    CameDueSoon,
    Extended,
    Fact,
    FellOverdue,
    WentUnacknowledged,
)
from services.followups.domain.records import Followup, State
from services.followups.domain.scores import By
from services.followups.domain.work import ActionItem, Delegation, Part, Predecessor, Work
from services.followups.handlers import Change
from services.followups.store import MongoFollowupRepository
from shared.messaging.core.errors import AlreadyExists, PositionMoved, Stale
from shared.messaging.core.model import CommitContext, Deferred
from shared.messaging.core.retrying import retry_transient
from shared.messaging.ledger.deferral import DeferralLimit, DeferredMessages, DeferredRecord
from shared.messaging.ledger.leases import Lease
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.scheduling.sweeper import SNOOZED_FOR, Sweeper
from shared.runtime import mongo
from shared.runtime.calendar import start_of_day
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.listing import ListQuery, Place
from shared.runtime.mongo import Database
from tests.stores.fakes_followups import MemoryFollowups
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
    REOPENED,
    REQUESTED,
    SETTLED,
    TOPIC,
    TRACKING,
    UNASSIGNED,
    UNBLOCKED,
    VERIFIED,
    WATCHED,
    amended,
    fact_of_opening,
    resolution,
)

AnyFollowups: TypeAlias = MemoryFollowups | MongoFollowupRepository

CAUSE = CommitContext("request", "d.karimi", roles=("deputy:civil",))
DAY = timedelta(days=1)
LATE = date(2030, 1, 1)


@asynccontextmanager
async def a_database(cluster: Cluster, namespace: str) -> AsyncIterator[Database]:
    """A database of one's own, gone afterwards."""
    client = mongo.connect(cluster.mongodb_uri, app="test")
    database = mongo.database(client, f"{namespace}followups_civil")
    yield database
    await client.drop_database(database.name)
    client.close()


async def prepared(database: Database) -> MongoFollowupRepository:
    real = MongoFollowupRepository(Ledger(database, clock=SystemMachineClock()), "civil")
    await real.prepare()
    await real.prepare()  # as every process does
    return real


@pytest.fixture
async def database(cluster: Cluster, namespace: str) -> AsyncIterator[Database]:
    async with a_database(cluster, namespace) as database:
        yield database


@pytest.fixture(params=["memory", "mongodb"])
async def store(request: pytest.FixtureRequest, namespace: str) -> AsyncIterator[AnyFollowups]:
    if request.param == "memory":
        yield MemoryFollowups()
        return
    async with a_database(request.getfixturevalue("cluster"), namespace) as database:
        yield await prepared(database)


def new(
    resolution_id: str,
    *inbox: str,
    alert: datetime | None = None,
    acknowledge_by: date | None = None,
    **changes: Any,
) -> Change:
    """A new follow-up, with its event."""
    opening = fact_of_opening(resolution_id=resolution_id, **changes)
    fact = replace(opening, acknowledge_by=acknowledge_by)
    followup = opened(fact)
    return Change(None, followup, [events.to_event(followup, fact, TOPIC, None)], alert, inbox)


def step(
    before: Followup, *facts: Fact, inbox: tuple[str, ...] = (), alert: datetime | None = None
) -> Change:
    """A follow-up's next steps, with their events."""
    versions, announced = [before], []
    for fact in facts:
        versions.append(evolve(versions[-1], fact))
        announced.append(
            events.to_event(
                versions[-1], fact, TOPIC, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
            )
        )
    return Change(before, versions[-1], announced, alert, inbox, versions[1:-1])


async def counted(
    store: AnyFollowups, by: By, as_of: date | None = None
) -> dict[str, dict[str, int]]:
    """What there is of each subject of a kind."""
    found = {
        which: {name: n for name, n in counts.items() if n}
        for which, counts in (await store.counts(by, as_of)).items()
    }
    return {which: counts for which, counts in found.items() if counts}


async def stands(store: AnyFollowups) -> dict[str, int]:
    """The states and levels of all, counted."""
    counts = (await counted(store, By.DEPUTY))[""]
    return {n: count for n, count in counts.items() if n.startswith(("state:", "overdue:"))}


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


async def test_disputes_blocks_and_more_time_are_kept(store: AnyFollowups) -> None:
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


async def test_who_works_on_it_is_kept(store: AnyFollowups) -> None:
    before = new("R-1")
    await store.save([before], CAUSE)
    stands = before.after
    claimed = replace(COMPLETED, by="a.nouri")
    second = replace(ITEM_ADDED, item=2)
    dropped = replace(ITEM_DROPPED, item=2)
    shared = (ASSIGNED, DELEGATED, claimed, DELEGATION_ENDED, UNASSIGNED)
    for fact in (*shared, ITEM_ADDED, second, ITEM_DONE, dropped, PART_REPORTED, COMMENTED, LINKED):
        life = step(stands, fact)
        await store.save([life], CAUSE)
        assert await store.get(stands.followup_id) == life.after
        stands = life.after


async def test_every_fact_is_kept(store: AnyFollowups) -> None:
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


async def test_what_is_not_there_is_not_found(store: AnyFollowups) -> None:
    assert await store.get("nobody") is None
    assert await store.of_resolutions([]) == {}
    assert await store.history("nobody") == []
    assert set(await store.seen(["/x 1"])) == set()
    assert await store.due(NOW, 10) == []


async def test_a_resolution_is_followed_once(store: AnyFollowups) -> None:
    await store.save([new("R-1")], CAUSE)
    with pytest.raises(AlreadyExists):
        await store.save([new("R-2", "/x 1"), new("R-1", title="عنوان دیگر")], CAUSE)
    assert set(await store.of_resolutions(["R-1", "R-2"])) == {"R-1"}
    assert set(await store.seen(["/x 1"])) == set()
    assert await stands(store) == {"state:opened": 1}


async def test_a_step_from_an_old_version_is_stale(store: AnyFollowups) -> None:
    first, second = new("R-1"), new("R-2")
    await store.save([first, second], CAUSE)
    acknowledged = step(first.after, ACKNOWLEDGED)
    await store.save([acknowledged], CAUSE)
    with pytest.raises(Stale):
        await store.save([step(second.after, CLOSED), step(first.after, CLOSED)], CAUSE)
    assert await store.get(first.after.followup_id) == acknowledged.after
    assert await store.get(second.after.followup_id) == second.after


async def test_of_many_who_act_at_once_one_does(store: AnyFollowups) -> None:
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


async def test_the_inbox_tells_what_was_applied_and_takes_nothing_twice(
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


async def test_an_event_that_changes_nothing_is_noted_in_the_inbox_alone(
    store: AnyFollowups,
) -> None:
    first = new("R-1")
    await store.save([first], CAUSE)
    await store.save([step(first.after, inbox=("/x 1",))], CAUSE)
    assert set(await store.seen(["/x 1"])) == {"/x 1"}
    assert await store.get(first.after.followup_id) == first.after
    assert len(await store.history(first.after.followup_id)) == 1


async def test_what_is_longest_due_comes_first(store: AnyFollowups) -> None:
    alerts = {"late": NOW - DAY, "later": NOW, "latest": NOW - 2 * DAY, "to-come": NOW + DAY}
    changes = {name: new(name, alert=alert) for name, alert in alerts.items()}
    await store.save([*changes.values(), new("never")], CAUSE)
    assert [f.resolution_id for f in await store.due(NOW, 10)] == ["latest", "late", "later"]
    assert [f.resolution_id for f in await store.due(NOW, 2)] == ["latest", "late"]
    await store.save([step(changes["latest"].after, alert=NOW + 2 * DAY)], CAUSE)
    await store.save([step(changes["late"].after, COMPLETED)], CAUSE)
    assert [f.resolution_id for f in await store.due(NOW, 10)] == ["later"]


async def test_the_counts_are_those_of_what_is_stored(store: AnyFollowups) -> None:
    first, second = new("R-1"), new("R-2")
    await store.save([first, second], CAUSE)
    overdue = FellOverdue(NOW, 1, date(2024, 1, 1), 1)
    late = step(first.after, overdue)
    await store.save([late, step(second.after, ACKNOWLEDGED)], CAUSE)
    assert await stands(store) == {"state:opened": 1, "state:acknowledged": 1, "overdue:1": 1}
    await store.save([step(late.after, CLOSED)], CAUSE)
    assert await stands(store) == {"state:closed": 1, "state:acknowledged": 1}


async def test_what_is_taken_back_from_the_topic_counts_at_once(store: AnyFollowups) -> None:
    first, second = new("R-1"), new("R-2")
    await store.save([first], CAUSE)
    await store.save([second], CommitContext("recovery", "recovery"))
    assert await stands(store) == {"state:opened": 2}


async def test_each_subject_counts_what_is_its_own(store: AnyFollowups) -> None:
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


async def test_past_days_stand_as_they_were_whatever_was_counted_when(store: AnyFollowups) -> None:
    """A restored copy takes in days of facts in one transaction; each lands on its own day."""
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


async def test_what_nobody_added_up_yet_counts(database: Database) -> None:
    store = await prepared(database)
    await store.save([new("R-1")], CAUSE)
    for by, subject in ((By.DEPUTY, ""), (By.PROVINCE, "IR-09")):
        assert (await counted(store, by))[subject]["state:opened"] == 1


async def test_what_was_stored_before_there_were_scorecards_is_counted_once(
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
        wanted = {n: v if isinstance(v, list) else (v,) for n, v in fields.items()}
        return [f.followup_id for f in await store.page(ListQuery(wanted, place, limit))]

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


async def test_successors_are_found_without_a_look_at_all(database: Database) -> None:
    store = await prepared(database)
    await store.save([new(f"R-{n}") for n in range(30)], CAUSE)
    found = database["followups"].find({"work.predecessor.resolution_id": "R-7"}).sort([("_id", 1)])
    plan = (await found.explain())["executionStats"]
    assert (plan["totalKeysExamined"], plan["totalDocsExamined"]) == (0, 0)


async def test_the_inbox_keeps_time_by_the_machine_whatever_the_domain_shows(
    database: Database,
) -> None:
    """MongoDB lets entries go some hundred days after their time, which may be simulated."""
    store = await prepared(database)
    await store.save([new("R-1", "/x 1")], CAUSE)
    entry = await database["inbox"].find_one({"_id": "/x 1"})
    assert entry is not None
    assert abs(SystemMachineClock().now() - entry["at"]) < timedelta(minutes=5)


async def test_what_was_stored_before_there_were_former_levels_is_still_read(
    database: Database,
) -> None:
    store = await prepared(database)
    first = new("R-1")
    await store.save([first], CAUSE)
    await database["followups"].update_one({}, {"$unset": {"former_levels": ""}})
    assert await store.get(first.after.followup_id) == first.after


# -- what waits ---------------------------------------------------------------------------------


def deferred(number: int, about: str = "R-9", group: str = "followups-civil") -> Deferred:
    headers = [("ce_id", b"1"), ("x", b"\xff\xfe")]
    record = DeferredRecord("in", 1, number, 1_700_000_000_000, b"\xfe", b'{"broken', headers)
    return Deferred(f"/x\n{number}", group, about, LATER, record)


async def test_what_waits_is_known_by_what_it_waits_for_until_it_ends(store: AnyFollowups) -> None:
    await store.save([], replace(CAUSE, defers=(deferred(1), deferred(2, "R-8"))))
    assert set(await store.waited_for(["R-7", "R-8", "R-9"])) == {"R-8", "R-9"}
    assert set(await store.waited_for([])) == set()
    await store.save([new("R-9")], replace(CAUSE, ends=("/x\n1",)))
    assert set(await store.waited_for(["R-8", "R-9"])) == {"R-8"}


async def test_nothing_waits_twice_and_nothing_ends_twice(store: AnyFollowups) -> None:
    await store.save([], replace(CAUSE, defers=(deferred(1),)))
    with pytest.raises(AlreadyExists):
        await store.save([new("R-1")], replace(CAUSE, defers=(deferred(2), deferred(1))))
    with pytest.raises(PositionMoved):
        await store.save([new("R-1")], replace(CAUSE, ends=("/x\n1", "/x\n2")))
    assert await store.of_resolutions(["R-1"]) == {}
    assert set(await store.waited_for(["R-9"])) == {"R-9"}


async def test_what_waits_is_given_back_byte_by_byte_in_the_order_of_its_log(
    database: Database,
) -> None:
    """Not by the clocks of those who let it wait: these differ."""
    store, deferral = await prepared(database), DeferredMessages(database)
    later = replace(deferred(12), at=LATER - DAY)
    mine = [deferred(n) for n in (9, 10, 11)]
    await store.save([], replace(CAUSE, defers=(later, *reversed(mine))))
    await store.save([], replace(CAUSE, defers=(replace(deferred(5, group="other"), id="o"),)))
    assert await deferral.of("followups-civil", 10) == [*mine, later]
    assert await deferral.of("followups-civil", 2) == mine[:2]
    assert set(await deferral.known(["o", "/x\n9", "none"])) == {"o", "/x\n9"}
    assert await deferral.room(DeferralLimit(most=7)) == 2
    assert await deferral.room(DeferralLimit(most=3)) == 0
    assert await deferral.room(DeferralLimit(timedelta(0))) == 0


class At:
    """A domain clock that stands."""

    async def now(self) -> datetime:
        return LATER


async def test_a_document_that_cannot_be_read_holds_up_no_other(database: Database) -> None:
    """Whoever edits by hand, or another version, leaves such."""
    store = await prepared(database)
    opened_ = [new(f"R-{n}", alert=NOW + n * timedelta(seconds=1)) for n in range(9)]
    await store.save(opened_, CAUSE)
    broken, *others = (change.after.followup_id for change in opened_)
    await database["followups"].update_one({"_id": broken}, {"$set": {"due_on": "۱۴۰۳/۰۱/۰۱"}})
    lease = Lease(database, "sweeper", "me", 60)
    assert await lease.acquire()
    sweep = partial(handlers.sweep, store, TRACKING)
    sweeper = Sweeper(database, sweep, store.due_queue, clock=At(), noted_every=DAY)
    await sweeper.run(lease)
    assert await store.due_queue.snoozed(LATER) == 1
    looked_at = await store.of_ids(others)
    alerts = {id_: TRACKING.escalation.next_alert(followup) for id_, followup in looked_at.items()}
    stored = {d["_id"]: d.get("next_alert") async for d in database["followups"].find()}
    assert stored == {**alerts, broken: LATER + SNOOZED_FOR}
    assert all(alert is None or alert > LATER for alert in alerts.values())


# -- what older versions stored -----------------------------------------------------------------

STORED = PROJECT / "tests/contracts/stored"


async def recorded(database: Database, schema: int) -> Followup:
    """A document as a version of the past stored it, read by today's code."""
    text = (STORED / f"followup.{schema}.json").read_text(encoding="utf-8")
    document = json_util.loads(text)
    await database["followups"].insert_one(document)
    found = await (await prepared(database)).get(document["_id"])
    assert found is not None
    return found


async def test_a_document_of_schema_1_is_read(database: Database) -> None:
    """Recorded once, never edited."""
    found = await recorded(database, 1)
    assert (found.state, found.progress, found.level) == ("verified", 100, 0)
    assert (found.claimed_by, found.verified_by) == ("d.karimi", "c.ahmadi")
    assert found.former_levels == ((date(2024, 1, 1), 1),)
    assert (found.resolution.due_on, found.original_due_on) == (
        date(2024, 6, 1),
        date(2024, 1, 1),
    )
    assert (found.request, found.extensions, found.due_soon_for) == (None, (), ())


async def test_a_document_of_schema_2_is_read(database: Database) -> None:
    found = await recorded(database, 2)
    assert (found.state, found.progress, found.blocked_by) == (
        "blocked", 60, "سازمان برنامه و بودجه",
    )  # fmt: skip
    assert found.request is not None
    assert found.request.due_on == date(2024, 3, 1)
    assert [(e.from_, e.to) for e in found.extensions] == [(date(2024, 1, 1), date(2024, 2, 1))]
    assert found.due_soon_for == (date(2024, 1, 1),)
    assert found.requested_for == (date(2024, 1, 1), date(2024, 2, 1))

    assert (found.acknowledge_by, found.unacknowledged_at, found.work) == (None, None, work.NONE)


async def test_a_document_of_schema_3_is_read(database: Database) -> None:
    found = await recorded(database, 3)
    assert (found.version, found.acknowledge_by) == (15, date(2023, 11, 4))
    assert found.unacknowledged_at == start_of_day(date(2023, 11, 5))
    assert found.work == Work(
        officer="a.nouri",
        delegation=Delegation("a.nouri", date(2023, 12, 1), "d.karimi", LATER),
        items=(
            replace(_ITEM, state="done", ended_by="d.karimi", ended_at=LATER, note="تحویل شد"),
            replace(
                _ITEM, number=2, title="آسفالت", owner="شهرداری مشهد", state="dropped",
                ended_by="d.karimi", ended_at=LATER, note="لازم نیست",
            ),
            replace(_ITEM, number=3, title="روشنایی", owner="r.moradi"),
        ),
        predecessor=Predecessor("1401-IR-09-R007", "social"),
        parts=(
            Part("شهرداری مشهد", 30, "آسفالت آغاز شد", "d.karimi", LATER),
            Part("social", 10, None, "d.sadeghi", LATER),
        ),
    )  # fmt: skip
    assert found.evidence == ()


async def test_a_document_of_schema_4_is_read(database: Database) -> None:
    found = await recorded(database, 4)
    file, link = found.evidence
    assert (found.version, found.state, found.work.officer) == (17, "in-progress", "a.nouri")
    assert (file.name, file.media_type, file.bytes, file.sha256, file.url) == (
        "صورت‌جلسه تحویل.pdf", "application/pdf", 48_213, "9f" * 32, None,
    )  # fmt: skip
    assert (link.url, link.by, link.at) == ("https://example.org/photos/12", "d.sadeghi", LATER)
    assert (file.note, link.note, link.sha256) == ("تحویل موقت", None, None)
    assert found.former_deputies == ()


async def test_a_document_of_schema_5_is_read(database: Database) -> None:
    found = await recorded(database, 5)
    assert (found.version, found.deputy, found.former_deputies) == (18, "civil", ("social",))
    assert (found.work.officer, found.work.delegation) == (None, None)


async def test_a_document_of_schema_6_is_read(database: Database) -> None:
    """Since then what a follow-up does not have is not there."""
    found = await recorded(database, 6)
    assert (found.version, found.state, found.progress, found.level) == (19, "opened", 0, 0)
    resolution = found.resolution
    assert (resolution.axis, resolution.session_kind) == ("civil-infrastructure", "provincial")
    assert (resolution.session_id, resolution.text, resolution.supporting) == (None, None, ())
    assert (found.acknowledge_by, found.work, found.evidence) == (date(2023, 11, 4), work.NONE, ())


async def test_what_a_follow_up_has_no_longer_is_no_longer_stored(database: Database) -> None:
    before = await recorded(database, 2)
    after = replace(before, version=before.version + 1, blocked_by=None, request=None)
    store = await prepared(database)
    await store.save([Change(before, after, (), None)], CAUSE)
    assert await store.get(after.followup_id) == after
    stored = await database["followups"].find_one({"_id": after.followup_id})
    assert stored is not None
    assert None not in stored.values()


async def test_what_is_not_known_here_stays(database: Database) -> None:
    """A later version may have stored it, while both run."""
    before = await recorded(database, 6)
    await database["followups"].update_one({"_id": before.followup_id}, {"$set": {"mood": "glad"}})
    store = await prepared(database)
    after = replace(before, version=before.version + 1, reported=10)
    await store.save([Change(before, after, (), None)], CAUSE)
    stored = await database["followups"].find_one({"_id": after.followup_id})
    assert stored is not None
    assert (stored["mood"], stored["progress"]) == ("glad", 10)


_ITEM = ActionItem(1, "تملک زمین", "استانداری خراسان رضوی", date(2023, 12, 1), "d.karimi", LATER)


@pytest.mark.parametrize("schema", [1, 2])
async def test_what_was_opened_before_is_never_told_of_as_unacknowledged(
    database: Database, schema: int
) -> None:
    """An older document has no day until which it had to be acknowledged, and none is made up."""
    before = await recorded(database, schema)
    waiting = replace(before, state=State.OPENED, request=None)
    passed = WATCHED.passed(waiting, LATER + timedelta(days=900))
    assert [fact for fact in passed if isinstance(fact, WentUnacknowledged)] == []


async def test_what_an_older_version_stored_is_changed_and_kept_as_today(
    database: Database,
) -> None:
    before = await recorded(database, 1)
    store = await prepared(database)
    life = step(before, REOPENED, BLOCKED)
    await store.save([life], CAUSE)
    assert await store.get(before.followup_id) == life.after
