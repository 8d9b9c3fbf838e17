"""Follow-ups that move from one deputy to another, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.followups import handlers
from services.followups.api import ApiContext
from services.followups.domain import decisions
from services.followups.domain.evolution import evolve
from services.followups.domain.records import Followup
from services.followups.domain.refusals import AlreadyFollowed
from services.followups.domain.scores import By
from services.followups.domain.work import Delegated
from services.followups.handlers import HandlerContext
from shared.messaging.core.model import Forward, Message, Outcome
from shared.runtime.list_queries import ListQuery
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.followups.examples import (
    ASSIGNED,
    COORDINATION,
    LATER,
    TRACKING,
    after,
    principal,
    unhurried,
)
from tests.unit.followups.messages import CAUSE, amendment, approval
from tests.unit.published import as_read

OPERATOR = principal("o.rezaei", "operator")
OFFICE = principal("m.sharifi", "minister-office")
DEPUTIES = ("civil", "social", "economic")


@dataclass(frozen=True, slots=True)
class House:
    """The stores of several deputies."""

    sides: dict[str, ApiContext]

    @classmethod
    def empty(cls) -> House:
        return cls({deputy: _side(deputy) for deputy in DEPUTIES})

    def store(self, deputy: str) -> MemoryFollowups:
        store = self.sides[deputy].store
        assert isinstance(store, MemoryFollowups)
        return store

    async def take(self, deputy: str, *messages: Message) -> Sequence[object]:
        side = self.sides[deputy]
        decision = await handlers.handle_events(messages, side.store, side.context, LATER)
        await side.store.save(decision.changes, CAUSE)
        return decision.verdicts

    async def move(self, giver: str, taker: str, *, dry_run: bool = False) -> int:
        ids = [f.followup_id for f in await self.all_of(giver)]
        results = await handlers.move(
            ids, self.sides[giver], self.sides[taker], OPERATOR, "ادغام", LATER, None,
            dry_run=dry_run,
        )  # fmt: skip
        return sum(result.refused is None for result in results)

    async def all_of(self, deputy: str) -> Sequence[Followup]:
        return await self.store(deputy).page(ListQuery({}, None, 1_000))


def _side(deputy: str) -> ApiContext:
    store = MemoryFollowups(deputy)
    context = HandlerContext(
        deputy, TRACKING.escalation, f"out.{deputy}", TRACKING.scheduler, TRACKING.resolutions_of
    )
    return ApiContext(store, context, store.files)


# -- who may, and what it does ------------------------------------------------------------------


@pytest.mark.parametrize("by", [OPERATOR, OFFICE])
def test_the_office_moves_it_and_officer_and_delegate_end(by: Principal) -> None:
    lent = Delegated(LATER, "d.karimi", "a.nouri", LATER.date() + timedelta(days=9), None)
    before = after(ASSIGNED, lent)
    fact = decisions.move(before, by, "social", None, "ادغام", LATER)
    moved = evolve(before, fact)
    assert (moved.deputy, moved.former_deputies) == ("social", ("civil",))
    assert (moved.state, moved.followup_id) == (before.state, before.followup_id)
    assert (moved.work.officer, moved.work.delegation) == (None, None)


def test_nobody_else_moves_and_a_second_follow_up_of_a_resolution_is_refused() -> None:
    before = after()
    with pytest.raises(NotAllowed):
        decisions.move(before, COORDINATION, "social", None, "ادغام", LATER)
    with pytest.raises(AlreadyFollowed):
        decisions.move(before, OPERATOR, "social", before, "ادغام", LATER)


# -- what moves ---------------------------------------------------------------------------------


async def test_it_moves_with_its_history_and_later_events_are_forwarded() -> None:
    house = House.empty()
    first = amendment("a", title="نو")
    await house.take("civil", approval(), first)
    (before,) = await house.all_of("civil")
    assert await house.move("civil", "social", dry_run=True) == 1
    assert await house.all_of("civil") == [before]
    assert await house.move("civil", "social") == 1
    assert await house.all_of("civil") == []
    (moved,) = await house.all_of("social")
    assert (moved.version, moved.deputy, moved.followup_id) == (3, "social", before.followup_id)

    history = await house.store("social").history(moved.followup_id)
    assert [entry.event.version for entry in history] == [1, 2, 3]
    assert [entry.by for entry in history] == ["followups-civil", "followups-civil", "o.rezaei"]
    assert {entry.event.topic for entry in history} == {"out.social"}
    there = house.store("civil").events
    assert [event.id for event in there] == [entry.event.id for entry in history]

    late = amendment("b", due_on="2024-06-01", amended_at="2023-11-09T00:00:00Z")
    forward = Forward(TRACKING.resolutions_of("social"))
    assert await house.take("civil", approval(), late, first) == [forward] * 3
    assert await house.take("social", approval(), late, first) == [
        Outcome.DUPLICATE, Outcome.APPLIED, Outcome.DUPLICATE,
    ]  # fmt: skip
    assert (await house.all_of("social"))[0].resolution.due_on.isoformat() == "2024-06-01"


async def test_what_the_other_deputy_already_follows_stays_and_the_rest_moves() -> None:
    house = House.empty()
    await house.take("civil", approval(), approval(resolution_id="R-2"))
    await house.take("social", approval(deputy="social"))
    assert await house.move("civil", "social") == 1
    assert [f.resolution_id for f in await house.all_of("civil")] == ["R-1"]
    assert sorted(f.resolution_id for f in await house.all_of("social")) == ["R-1", "R-2"]


# -- laws ---------------------------------------------------------------------------------------


@unhurried
@given(st.lists(st.tuples(st.sampled_from(DEPUTIES), st.sampled_from(DEPUTIES)), max_size=6))
def test_each_topic_rebuilds_what_its_deputy_has_after_any_moves(
    journeys: list[tuple[str, str]],
) -> None:
    """No follow-up is lost or in two places, and each history is complete."""

    async def run() -> None:
        house = House.empty()
        ids = ["R-1", "R-2"]
        await house.take("civil", *(approval(id_, resolution_id=id_) for id_ in ids))
        for number, (giver, taker) in enumerate(journeys):
            if giver == taker:
                continue
            await house.move(giver, taker)
            at = f"2023-11-{number + 10}T00:00:00Z"
            change = amendment(f"a{number}", title=f"نو {number}", amended_at=at, deputy="civil")
            await house.take(taker, change)
        held = {deputy: await house.all_of(deputy) for deputy in DEPUTIES}
        assert sorted(f.resolution_id for found in held.values() for f in found) == ids
        for deputy, found in held.items():
            for followup in found:
                history = await house.store(deputy).history(followup.followup_id)
                assert [e.event.version for e in history] == list(range(1, followup.version + 1))
            await _rebuilds(house, deputy)

    asyncio.run(run())


async def _rebuilds(house: House, deputy: str) -> None:
    copy, whole = _side(deputy), house.store(deputy)
    for event in whole.events:
        await handlers.recover([as_read(event)], copy.store, copy.context)
    assert isinstance(copy.store, MemoryFollowups)
    assert await copy.store.page(ListQuery({}, None, 9)) == await house.all_of(deputy)
    assert await copy.store.moved_out(["R-1", "R-2"]) == await whole.moved_out(["R-1", "R-2"])
    for by in By:
        assert _clean(await copy.store.counts(by)) == _clean(await whole.counts(by))


def _clean(counts: object) -> object:
    assert isinstance(counts, dict)
    return {k: {n: c for n, c in v.items() if c} for k, v in counts.items() if any(v.values())}
