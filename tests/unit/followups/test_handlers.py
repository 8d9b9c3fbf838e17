"""Commands and sweeps, over follow-ups in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from services.followups import handlers
from services.followups.domain import decisions
from services.followups.domain.records import Followup, State
from services.followups.domain.refusals import NotNow
from services.followups.handlers import Ahead, Change, UnknownFollowup
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext
from shared.runtime.calendar import start_of_day
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.followups.examples import CIVIL, LATER, NOW, TRACKING, WATCHED
from tests.unit.followups.messages import CAUSE, FENCE, approval, take, the_one

# -- commands ----------------------------------------------------------------------------------


class Contested(MemoryFollowups):
    """A store in which somebody else is faster, this many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def save(
        self, changes: Sequence[Change], cause: CommitContext, ahead: Ahead | None = None
    ) -> None:
        if cause.kind == "request" and self.times:
            self.times -= 1
            raise Stale("somebody was faster")
        await super().save(changes, cause, ahead)


def _acknowledge(followup: Followup) -> Any:
    return decisions.acknowledge(followup, CIVIL, "agreed", None, LATER)


async def test_a_command_is_decided_again_if_somebody_else_was_faster() -> None:
    store = Contested(times=4)
    await take(store, approval())
    id_ = (await the_one(store)).followup_id
    after = await handlers.act(
        id_,
        store,
        TRACKING,
        CIVIL,
        _acknowledge,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    )
    assert (after.state, after.version) == (State.ACKNOWLEDGED, 2)
    assert await the_one(store) == after
    assert store.causes[-1] == CommitContext("request", "d.karimi", roles=("deputy:civil",))
    assert store.events[-1].trace == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    with pytest.raises(NotNow):
        await handlers.act(id_, store, TRACKING, CIVIL, _acknowledge)


async def test_a_command_that_is_never_fast_enough_is_stale() -> None:
    store = Contested(times=1_000)
    await take(store, approval())
    id_ = (await the_one(store)).followup_id
    with pytest.raises(Stale):
        await handlers.act(id_, store, TRACKING, CIVIL, _acknowledge)


async def test_a_command_for_an_unknown_follow_up_fails() -> None:
    with pytest.raises(UnknownFollowup):
        await handlers.act("nobody", MemoryFollowups(), TRACKING, CIVIL, _acknowledge)


# -- sweeps -----------------------------------------------------------------------------------


async def test_a_sweep_announces_each_level_once_and_the_longest_due_first() -> None:
    store = MemoryFollowups()
    first, second = approval(), approval(resolution_id="R-2", due_on="2024-01-02")
    await take(store, first, second)
    due_on = TRACKING.escalation.reached_at(await _of(store, "R-1"), 1)
    early = due_on - timedelta(milliseconds=1)
    assert await handlers.sweep(store, TRACKING, early, FENCE) == 0
    assert await handlers.sweep(store, TRACKING, due_on, FENCE) == 1
    assert store.causes[-1].fence == FENCE
    assert [(await _of(store, id_)).level for id_ in ("R-1", "R-2")] == [1, 0]
    late = start_of_day((await _of(store, "R-1")).resolution.due_on + timedelta(days=60))
    assert await handlers.sweep(store, TRACKING, late, FENCE, limit=1) == 1
    assert [(await _of(store, id_)).level for id_ in ("R-1", "R-2")] == [1, 3]
    assert await handlers.sweep(store, TRACKING, late, FENCE, limit=1) == 1
    assert await handlers.sweep(store, TRACKING, late, FENCE, limit=1) == 0
    levels = [json.loads(e.data).get("level") for e in store.events if e.key == "R-1"]
    assert levels == [None, 1, 2, 3]


async def test_a_missed_acknowledgement_is_announced_once_by_any_sweeper_and_clock() -> None:
    store, context = MemoryFollowups(), replace(TRACKING, escalation=WATCHED)
    decision = await handlers.handle_events(
        [approval(), approval(resolution_id="R-2")], store, context, NOW
    )
    await store.save(decision.changes, CAUSE)
    taken = (await _of(store, "R-2")).followup_id
    await handlers.act(taken, store, context, CIVIL, _acknowledge)
    past = start_of_day(date(2023, 10, 22))
    for now in (past - timedelta(milliseconds=1), past, NOW, past + timedelta(days=9)):
        again = await asyncio.gather(
            *(handlers.sweep(store, context, now, FENCE) for _ in range(2)),
            return_exceptions=True,
        )
        assert all(isinstance(done, int | Stale) for done in again)
    announced = [e for e in store.events if e.type == "peygir.FollowupUnacknowledged.v1"]
    assert [(e.key, e.time) for e in announced] == [("R-1", past)]
    assert json.loads(announced[0].data)["acknowledge_by"] == "2023-10-21"


async def test_an_outdated_alert_is_set_again() -> None:
    """A holiday was announced since, so nothing is due and only the alert moves."""
    store = MemoryFollowups()
    await take(store, approval())
    current = await the_one(store)
    await store.save([Change(current, current, [], NOW)], CAUSE)
    assert await handlers.sweep(store, TRACKING, NOW, FENCE) == 1
    assert await the_one(store) == current
    assert await handlers.sweep(store, TRACKING, NOW, FENCE) == 0


async def _of(store: MemoryFollowups, resolution_id: str) -> Followup:
    return (await store.of_resolutions([resolution_id]))[resolution_id]
