"""After a restore from an older copy: the topics restore what it lacks, once."""

from __future__ import annotations

import asyncio
from datetime import date
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler import events, handlers
from services.scheduler.domain import decisions
from services.scheduler.domain.decisions import SessionExists
from services.scheduler.domain.records import (
    Approved,
    ResolutionFact,
    SessionFact,
    approved,
    evolve,
    evolve_resolution,
)
from services.scheduler.events import ResolutionEvent, SessionEvent
from shared.contracts.events import InvitationIssued, ResolutionApproved
from shared.messaging.core.model import Event, published
from shared.runtime.list_queries import ListQuery
from tests.stores.fakes_scheduler import MemoryRegister
from tests.unit.published import as_read
from tests.unit.scheduler.examples import (
    COORDINATION,
    NOW,
    resolution_lives,
    season,
    session,
    session_lives,
    unhurried,
)
from tests.unit.scheduler.registers import (
    RULES,
    TOPICS,
    TRACE,
    RandomCommand,
    acting,
    all_of,
    catch_up,
    commands_of_any_kind,
    follow,
    moved,
    opening,
    recording,
    scheduling,
)


@unhurried
@given(session_lives())
def test_a_session_published_and_read_again_is_the_same(life: list[SessionFact]) -> None:
    """The law that recovery depends on."""
    now = recovered = session()
    for fact in life:
        now = evolve(now, fact)
        event = events.to_event(now, fact, TOPICS, TRACE)
        message = as_read(event)
        assert published(message, now.session_id, now.session_id) == event
        assert isinstance(message.data, SessionEvent)
        assert message.event.time is not None
        read_back = events.from_event(message.data, message.event.time)
        assert read_back == fact
        recovered = evolve(recovered, read_back)
        assert recovered == now


@unhurried
@given(resolution_lives())
def test_a_resolution_published_and_read_again_is_the_same(life: list[ResolutionFact]) -> None:
    first = life[0]
    assert isinstance(first, Approved)
    now = recovered = approved(first)
    for fact in life:
        now = evolve_resolution(now, fact)
        event = events.resolution_to_event(now, fact, TOPICS, TRACE)
        message = as_read(event)
        assert published(message, now.resolution_id, now.resolution_id) == event
        assert isinstance(message.data, ResolutionEvent)
        assert message.event.time is not None
        read_back = events.resolution_from_event(message.data, message.event.time)
        assert read_back == fact
        recovered = evolve_resolution(recovered, read_back)
        assert recovered == now


def test_an_approval_without_a_session_is_not_ours() -> None:
    foreign = ResolutionApproved(
        resolution_id="R-1", deputy="civil", title="پل", approved_at=NOW, due_on=date(2024, 1, 1)
    )
    assert events.resolution_from_event(foreign, NOW) is None


# -- whole histories ----------------------------------------------------------------------------


@unhurried
@given(
    st.lists(commands_of_any_kind, max_size=40),
    st.integers(0, 40),
    st.integers(0, 2),
    st.integers(1, 5),
)
def test_a_copy_catches_up_from_what_was_published(
    commands: list[RandomCommand], kept: int, spread: int, batch: int
) -> None:
    """Whatever the copy holds, and in whatever batches the topics are read again."""

    async def run() -> None:
        whole, copy = MemoryRegister(), MemoryRegister()
        await follow(whole, commands)
        await follow(copy, commands[:kept])
        missing = len(whole.events) - len(copy.events)
        assert await catch_up(copy, whole.events, spread, batch) == missing
        assert await all_of(copy) == await all_of(whole)
        assert await catch_up(copy, whole.events, spread, batch) == 0
        assert await all_of(copy) == await all_of(whole)

    asyncio.run(run())


@pytest.mark.parametrize("spread", [0, 1, 2])
@pytest.mark.parametrize("batch", [1, 2, 2_000])
async def test_a_turn_passes_from_one_session_to_the_next_across_partitions(
    spread: int, batch: int
) -> None:
    whole, copy = MemoryRegister(), MemoryRegister()
    cancel = partial(decisions.cancel, by=COORDINATION, reason=None, now=NOW)
    await follow(whole, [scheduling("a", turn=True)])
    await follow(copy, [scheduling("a", turn=True)])
    rest = [acting("a", cancel), scheduling("b", turn=True), acting("b", cancel)]
    await follow(whole, [*rest, scheduling("c", turn=True)])
    assert len(whole.events) == 5
    assert await catch_up(copy, whole.events, spread, batch) == 4
    assert await all_of(copy) == await all_of(whole)


async def test_what_is_taken_in_is_its_cause_and_is_counted_once() -> None:
    whole, copy = MemoryRegister(), MemoryRegister()
    await follow(whole, [scheduling("a", turn=True), acting("a", opening)])
    await follow(copy, [scheduling("a", turn=True), acting("a", opening)])
    await follow(whole, [recording("a", "R-1", "civil"), recording("a", "R-2", "social")])
    await catch_up(copy, whole.events)
    await catch_up(copy, whole.events)
    known = await copy.session("a")
    assert known is not None
    assert known.resolutions == 4
    taken = [cause for cause in copy.causes if cause.kind == "recovery"]
    assert {cause.by for cause in taken} == {"recovery"}
    await follow(copy, [recording("a", "R-3", "civil")])
    ids = [r.resolution_id for r in await copy.page_of_resolutions(ListQuery({}, None, 10))]
    assert ids == ["R-1", "R-2", "R-3", "a-R001", "a-R003", "a-R005"]


async def test_a_gap_is_not_jumped() -> None:
    whole, copy = MemoryRegister(), MemoryRegister()
    await follow(whole, [scheduling("a", turn=True), acting("a", moved), acting("a", opening)])
    first, _, third = whole.events
    assert await catch_up(copy, [first, third]) == 1
    assert await catch_up(copy, [third]) == 0
    known = await copy.session("a")
    assert known is not None
    assert known.version == 1


async def test_what_is_no_event_of_the_schedulers_is_passed_over() -> None:
    copy = MemoryRegister()
    invited = InvitationIssued(session_id="a", province="IR-09", issued_at=NOW, report_due_at=NOW)
    event = Event("1", invited.TYPE, TOPICS.sessions, "a", "a", 1, NOW, "", invited.to_json())
    assert await handlers.recover([as_read(event)], copy, {}) == 0
    assert copy.causes == []


async def test_a_season_comes_back_as_its_sessions_and_is_not_created_again() -> None:
    whole, copy = MemoryRegister(), MemoryRegister()
    await handlers.create_season(season(), whole, RULES, COORDINATION)
    assert await catch_up(copy, whole.events) == 31
    assert await copy.sessions_of_season("1402") == await whole.sessions_of_season("1402")
    assert await copy.season("1402") is None
    with pytest.raises(SessionExists, match="1402-IR-00"):
        await handlers.create_season(season(), copy, RULES, COORDINATION)
