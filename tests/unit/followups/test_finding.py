"""Finding a follow-up: first where it was found last, then everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.followups import handlers
from services.followups.api import ApiContext
from services.followups.api.context import ApiContexts
from services.followups.domain.records import Followup
from shared.messaging.core.model import CommitContext
from shared.runtime.problems import Problem
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.api.services_in_memory import FixedClock
from tests.unit.followups.examples import NOW, TRACKING, principal
from tests.unit.followups.messages import approval

DEPUTIES = ("civil", "crisis", "social")
EVERYWHERE = principal("c.ahmadi", "coordination")


class Asked(MemoryFollowups):
    """A store that counts how often it was read."""

    def __init__(self, deputy: str) -> None:
        super().__init__(deputy)
        self.asked = 0

    async def get(self, followup_id: str) -> Followup | None:
        self.asked += 1
        return await super().get(followup_id)


class Office:
    """The stores of three deputies, of which one has a follow-up."""

    def __init__(self) -> None:
        self.stores = {deputy: Asked(deputy) for deputy in DEPUTIES}
        self.contexts = ApiContexts(
            {
                d: ApiContext(store, replace(TRACKING, deputy=d), store.files)
                for d, store in self.stores.items()
            },
            FixedClock(NOW),
        )

    @property
    def asked(self) -> Sequence[int]:
        """Return how often each store was read since the last call, in the order of deputies."""
        asked = [store.asked for store in self.stores.values()]
        for store in self.stores.values():
            store.asked = 0
        return asked

    async def open_with(self, deputy: str) -> str:
        """Open a follow-up of that deputy; return its id."""
        context = replace(TRACKING, deputy=deputy)
        store = self.stores[deputy]
        decision = await handlers.handle_events(
            [approval("R-1", deputy=deputy)], store, context, NOW
        )
        await store.save(decision.changes, CommitContext("event", "followups"))
        (change,) = decision.changes
        return change.after.followup_id

    async def move(self, followup_id: str, from_: str, to: str) -> None:
        """Move it to another deputy."""

        def side(deputy: str) -> ApiContext:
            store = self.stores[deputy]
            return ApiContext(store, replace(TRACKING, deputy=deputy), store.files)

        by = principal("o.rezaei", "operator")
        (moved,) = await handlers.move(
            [followup_id], side(from_), side(to), by, "ادغام", NOW, None, dry_run=False
        )
        assert moved.refused is None

    async def keeper(self, followup_id: str) -> str:
        api, found = await self.contexts.find(followup_id, EVERYWHERE)
        assert found.followup_id == followup_id
        return api.context.deputy


async def test_only_the_last_known_store_is_read_again() -> None:
    office = Office()
    id_ = await office.open_with("crisis")
    assert await office.keeper(id_) == "crisis"
    assert office.asked == [1, 1, 1]
    assert await office.keeper(id_) == "crisis"
    assert office.asked == [0, 1, 0]


async def test_a_moved_follow_up_is_found_at_the_other_deputy() -> None:
    office = Office()
    id_ = await office.open_with("crisis")
    assert await office.keeper(id_) == "crisis"
    await office.move(id_, "crisis", "social")
    assert await office.keeper(id_) == "social"
    assert await office.keeper(id_) == "social"


async def test_an_unknown_id_is_not_found_each_time() -> None:
    office = Office()
    for _ in range(2):
        with pytest.raises(Problem, match="404") as refused:
            await office.contexts.find("nobody", EVERYWHERE)
        assert refused.value.status_code == 404
        assert office.asked == [1, 1, 1]


async def test_the_number_of_remembered_ids_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.followups.api.context._REMEMBERED", 0)
    office = Office()
    id_ = await office.open_with("civil")
    for _ in range(2):
        assert await office.keeper(id_) == "civil"
        assert office.asked == [1, 1, 1]


async def test_who_does_not_see_it_cannot_tell_it_from_an_unknown_one() -> None:
    office = Office()
    id_ = await office.open_with("crisis")
    stranger = principal("s.karimi", "deputy:civil")
    await office.keeper(id_)  # where it is found last is known now
    assert office.asked == [1, 1, 1]
    for asked_for in (id_, "nobody"):
        with pytest.raises(Problem, match="404") as refused:
            await office.contexts.find(asked_for, stranger)
        assert refused.value.status_code == 404
        assert str(refused.value.explanation).replace(asked_for, "") == "no follow-up "
        assert office.asked == [1, 1, 1], "each is asked, so that the time tells nothing"


async def test_its_own_deputy_finds_it_whoever_asked_before() -> None:
    office = Office()
    id_ = await office.open_with("crisis")
    await office.keeper(id_)
    _, found = await office.contexts.find(id_, principal("c.rostami", "deputy:crisis"))
    assert found.followup_id == id_
