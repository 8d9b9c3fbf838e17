"""Links between follow-ups: no link and no move closes a circle, in any order."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.followups import handlers
from services.followups.api import ApiContext
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.links import PredecessorCircle, require_no_circle
from services.followups.domain.records import Followup
from services.followups.domain.work import Linked, Predecessor
from services.followups.handlers import Ahead, Change, Command
from shared.messaging.core.model import CommitContext
from shared.runtime.list_queries import ListQuery
from shared.runtime.refusals import Refused
from tests.stores.fakes_followups import MemoryFollowups, MemoryLinks
from tests.unit.followups.examples import (
    COORDINATION,
    LATER,
    TRACKING,
    fact_of_opening,
    principal,
    unhurried,
)

OPERATOR = principal("o.rezaei", "operator")
DEPUTIES = ("civil", "social", "crisis")
CAUSE = CommitContext("event", "followups")


def followup(resolution_id: str, deputy: str = "civil") -> Followup:
    return opened(fact_of_opening(resolution_id=resolution_id, deputy=deputy))


def linked(one: Followup, predecessor: str, deputy: str | None = None) -> Followup:
    return evolve(one, Linked(LATER, "c.ahmadi", predecessor, deputy))


@dataclass
class Site:
    """Some deputies, each with a separate store."""

    contexts: Mapping[str, ApiContext]

    @classmethod
    async def of(cls, *followups: Followup) -> Site:
        links = MemoryLinks()
        contexts: dict[str, ApiContext] = {}
        for deputy in DEPUTIES:
            store = MemoryFollowups(deputy, links)
            context = replace(TRACKING, deputy=deputy, topic=f"out.{deputy}")
            contexts[deputy] = ApiContext(store, context, store.files)
            own = [Change(None, one, (), None) for one in followups if one.deputy == deputy]
            await store.save(own, CAUSE)
        return cls(contexts)

    async def link(self, one: Followup, predecessor: str, deputy: str | None = None) -> str:
        """Try a link; return `linked`, or the slug of its refusal."""
        present = {d: await api.store.get(one.followup_id) for d, api in self.contexts.items()}
        (where,) = [d for d, found in present.items() if found is not None]
        api = self.contexts[where]
        try:
            await handlers.link(
                Command(one.followup_id, api.store, api.context, COORDINATION, LATER),
                predecessor,
                deputy,
            )
        except Refused as refused:
            return refused.reason
        return "linked"

    async def move(self, giver: str, taker: str, *followups: Followup) -> list[str | None]:
        results = await handlers.move(
            [one.followup_id for one in followups],
            self.contexts[giver],
            self.contexts[taker],
            OPERATOR,
            "ادغام",
            LATER,
            None,
            dry_run=False,
        )
        return [None if result.refused is None else result.refused.reason for result in results]

    async def every(self) -> list[Followup]:
        page = ListQuery({}, None, 1_000)
        return [one for api in self.contexts.values() for one in await api.store.page(page)]


def is_in_a_circle(followups: Sequence[Followup]) -> bool:
    """Whether any of them can be reached from itself, computed without the code under test."""

    def next_of(one: Followup) -> list[Followup]:
        before = one.work.predecessor
        return [
            other
            for other in followups
            if before is not None
            and other.resolution_id == before.resolution_id
            and before.deputy in {None, other.deputy, *other.former_deputies}
        ]

    for start in followups:
        seen: set[str] = set()
        left = next_of(start)
        while left:
            one = left.pop()
            if one.followup_id == start.followup_id:
                return True
            if one.followup_id not in seen:
                seen.add(one.followup_id)
                left += next_of(one)
    return False


@pytest.mark.parametrize("length", [2, 3, 5])
async def test_the_link_that_closes_a_circle_is_refused_whichever_comes_last(length: int) -> None:
    for deputies in (DEPUTIES, DEPUTIES[:1]):
        wake = [followup(f"R-{n}", deputies[n % len(deputies)]) for n in range(length)]
        orders = list(permutations(range(length))) if length < 5 else [(4, 2, 0, 1, 3)]
        for order in orders:
            site = await Site.of(*wake)
            became = [await site.link(wake[n], wake[(n + 1) % length].resolution_id) for n in order]
            assert became == ["linked"] * (length - 1) + ["predecessor-circle"]
            assert not is_in_a_circle(await site.every())


async def test_the_refusal_names_the_resolutions_of_the_circle() -> None:
    a, b, c = followup("A"), followup("B", "social"), followup("C", "crisis")
    site = await Site.of(linked(a, "B"), linked(b, "C", "crisis"), c)
    crisis = site.contexts["crisis"]
    command = Command(c.followup_id, crisis.store, crisis.context, COORDINATION, LATER)
    with pytest.raises(PredecessorCircle) as refused:
        await handlers.link(command, "A", "civil")
    circle = "C (crisis) → A (civil) → B (social) → C (crisis)"
    assert str(refused.value) == f"it would continue itself: {circle}"


def test_the_refusal_names_a_long_circle_in_part() -> None:
    wake = [linked(followup(f"R-{n}"), f"R-{(n + 1) % 1_000}") for n in range(1_000)]
    with pytest.raises(PredecessorCircle, match="→ 989 more →"):
        require_no_circle(wake[0], wake)


async def test_a_named_deputy_means_that_deputys_follow_up() -> None:
    a, b, other = followup("A"), followup("B"), followup("B", "social")
    site = await Site.of(linked(a, "B", "civil"), b, other)
    assert await site.link(other, "A") == "linked"
    assert await site.link(b, "A") == "predecessor-circle"
    site = await Site.of(linked(a, "B"), b, other)
    assert await site.link(other, "A") == "predecessor-circle"


async def test_an_unknown_resolution_closes_no_circle_until_it_is_known() -> None:
    a, b = followup("A"), followup("B", "social")
    site = await Site.of(a)
    assert await site.link(a, "B", "social") == "linked"
    await site.contexts["social"].store.save([Change(None, b, (), None)], CAUSE)
    assert await site.link(b, "A") == "predecessor-circle"


async def test_a_move_takes_links_along() -> None:
    a, b = followup("A"), followup("B", "social")
    site = await Site.of(a, b)
    assert await site.link(a, "B", "social") == "linked"
    assert await site.move("social", "crisis", b) == [None]
    assert await site.link(b, "A", "civil") == "predecessor-circle"


async def test_a_move_that_would_close_a_circle_is_refused() -> None:
    """A continues social's follow-up of B, before it exists."""
    a, b = linked(followup("A"), "B", "social"), linked(followup("B", "crisis"), "A")
    site = await Site.of(a, b)
    assert not is_in_a_circle(await site.every())
    assert await site.move("crisis", "social", b) == ["predecessor-circle"]
    assert await site.move("crisis", "civil", b) == [None]
    itself = linked(followup("C"), "C", "social")
    site = await Site.of(itself)
    assert await site.move("civil", "social", itself) == ["predecessor-circle"]


async def test_of_two_moves_that_close_a_circle_together_one_succeeds() -> None:
    a, b = linked(followup("A"), "B", "social"), linked(followup("B"), "A", "social")
    site = await Site.of(a, b)
    assert sorted(map(str, await site.move("civil", "social", a, b))) == [
        "None",
        "predecessor-circle",
    ]
    assert not is_in_a_circle(await site.every())


async def test_an_existing_circle_does_not_block_other_follow_ups() -> None:
    """Older links may form a circle: it can be read, linked to, and corrected."""
    a, b, c = linked(followup("A"), "B"), linked(followup("B"), "A"), followup("C")
    site = await Site.of(a, b, c)
    assert await site.link(c, "A") == "linked"
    assert await site.link(a, "R-9") == "linked"
    assert not is_in_a_circle(await site.every())
    site = await Site.of(a, b, c)
    assert await site.link(a, "B", "civil") == "predecessor-circle"
    assert await site.move("civil", "social", a, b, c) == [None, None, None]


async def test_of_two_concurrent_links_one_is_decided_again() -> None:
    a, b = followup("A"), followup("B", "social")
    site = await Site.of(a, b)
    civil, social = (site.contexts[deputy].store for deputy in ("civil", "social"))
    assert isinstance(civil, MemoryFollowups)
    known, became = civil.ahead, list[str]()

    async def slow(resolution_ids: Collection[str]) -> Ahead:
        ahead = await known(resolution_ids)
        if not became:  # the other link is saved before this one
            became.append(await site.link(b, "A"))
        return ahead

    civil.ahead = slow  # type: ignore[method-assign]
    assert await site.link(a, "B") == "predecessor-circle"
    assert became == ["linked"]
    other = await social.get(b.followup_id)
    assert other is not None
    assert other.work.predecessor == Predecessor("A", None)
    assert not is_in_a_circle(await site.every())


_resolutions = st.sampled_from(["A", "B", "C", "D"])
_deputies = st.sampled_from(DEPUTIES)
_places = st.tuples(_resolutions, _deputies)
_links = st.tuples(_resolutions, st.none() | _deputies)
_steps = st.lists(st.tuples(_places, _links | _deputies), max_size=14)
"""A link of one follow-up to a resolution, or its move to a deputy."""


@unhurried
@given(st.sets(_places, min_size=2, max_size=8), _steps)
def test_no_links_and_moves_form_a_circle(
    places: set[tuple[str, str]], steps: list[tuple[tuple[str, str], tuple[str, str | None] | str]]
) -> None:
    async def run() -> None:
        everyone = {place: followup(*place) for place in sorted(places)}
        site = await Site.of(*everyone.values())
        for place, to in steps:
            if place not in everyone:
                continue
            one = everyone[place]
            if not isinstance(to, str):
                await site.link(one, *to)
            else:
                holders = [f.deputy for f in await site.every() if f.followup_id == one.followup_id]
                if holders != [to]:
                    await site.move(holders[0], to, one)
            assert not is_in_a_circle(await site.every())

    asyncio.run(run())


@unhurried
@given(
    st.lists(
        st.tuples(_places, st.none() | st.tuples(_resolutions, st.none() | _deputies)),
        min_size=1,
        max_size=8,
        unique_by=lambda place: place[0],
    )
)
def test_what_is_refused_is_a_circle_and_nothing_else_is(
    places: list[tuple[tuple[str, str], tuple[str, str | None] | None]],
) -> None:
    """Whatever circles exist already, the last follow-up is judged by its own."""
    everyone = [
        followup(*place) if before is None else linked(followup(*place), *before)
        for place, before in places
    ]
    last = everyone[-1]

    def leads_back(one: Followup, seen: frozenset[str]) -> bool:
        before = one.work.predecessor
        ahead = [
            other
            for other in everyone
            if before and other.resolution_id == before.resolution_id
            and before.deputy in {None, other.deputy}
        ]  # fmt: skip
        return any(
            other is last
            or (other.followup_id not in seen and leads_back(other, seen | {other.followup_id}))
            for other in ahead
        )

    if leads_back(last, frozenset()):
        with pytest.raises(
            PredecessorCircle, match=rf"^it would continue itself: {last.resolution_id} "
        ):
            require_no_circle(last, everyone)
    else:
        require_no_circle(last, everyone)
