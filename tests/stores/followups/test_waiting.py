"""Deferred messages and snoozed follow-ups in the follow-ups' stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from services.followups import handlers
from shared.messaging.core.errors import AlreadyExists, PositionMoved
from shared.messaging.core.model import Deferred
from shared.messaging.ledger.deferral import DeferralLimit, DeferredMessages, DeferredRecord
from shared.messaging.ledger.leases import Lease
from shared.messaging.scheduling.sweeper import SNOOZED_FOR, Sweeper
from shared.runtime.mongo import Database
from tests.stores.followups import CAUSE, DAY, AnyFollowups, new, prepared
from tests.unit.followups.examples import LATER, NOW, TRACKING

# -- what waits ---------------------------------------------------------------------------------


def deferred(number: int, about: str = "R-9", group: str = "followups-civil") -> Deferred:
    headers = [("ce_id", b"1"), ("x", b"\xff\xfe")]
    record = DeferredRecord("in", 1, number, 1_700_000_000_000, b"\xfe", b'{"broken', headers)
    return Deferred(f"/x\n{number}", group, about, LATER, record)


async def test_a_deferred_message_is_found_by_what_it_waits_for_until_it_ends(
    store: AnyFollowups,
) -> None:
    await store.save([], replace(CAUSE, defers=(deferred(1), deferred(2, "R-8"))))
    assert set(await store.waited_for(["R-7", "R-8", "R-9"])) == {"R-8", "R-9"}
    assert set(await store.waited_for([])) == set()
    await store.save([new("R-9")], replace(CAUSE, ends=("/x\n1",)))
    assert set(await store.waited_for(["R-8", "R-9"])) == {"R-8"}


async def test_no_message_is_deferred_twice_or_ended_twice(store: AnyFollowups) -> None:
    await store.save([], replace(CAUSE, defers=(deferred(1),)))
    with pytest.raises(AlreadyExists):
        await store.save([new("R-1")], replace(CAUSE, defers=(deferred(2), deferred(1))))
    with pytest.raises(PositionMoved):
        await store.save([new("R-1")], replace(CAUSE, ends=("/x\n1", "/x\n2")))
    assert await store.of_resolutions(["R-1"]) == {}
    assert set(await store.waited_for(["R-9"])) == {"R-9"}


async def test_deferred_messages_are_returned_unchanged_in_the_order_of_their_log(
    database: Database,
) -> None:
    """The order does not depend on the clocks of the processes that deferred them."""
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
    """A domain clock that is stopped."""

    async def now(self) -> datetime:
        return LATER


async def test_an_unreadable_document_does_not_block_others(database: Database) -> None:
    """A person or another version may have written it."""
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
    swept = await store.of_ids(others)
    alerts = {id_: TRACKING.escalation.next_alert(followup) for id_, followup in swept.items()}
    stored = {d["_id"]: d.get("next_alert") async for d in database["followups"].find()}
    assert stored == {**alerts, broken: LATER + SNOOZED_FOR}
    assert all(alert is None or alert > LATER for alert in alerts.values())
