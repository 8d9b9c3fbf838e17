"""After a restored copy: whatever it holds, the topics bring back the rest, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from typing import Any, Final, TypeAlias
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler import events, handlers
from services.scheduler.domain import decisions
from services.scheduler.domain.decisions import Refused, SessionExists
from services.scheduler.domain.records import (
    Amendment,
    Approved,
    Resolution,
    ResolutionFact,
    Session,
    SessionFact,
    approved,
    evolve,
    evolve_resolution,
)
from services.scheduler.events import ResolutionEvent, SessionEvent
from services.scheduler.handlers import Proposal, Query, UnknownResolution, UnknownSession
from shared.contracts.envelope import CloudEvent, read, write
from shared.contracts.events import InvitationIssued, ResolutionApproved, parse
from shared.contracts.topics import Topics
from shared.messaging.records import Event, Message, Origin, published
from tests.stores.fakes_scheduler import MemoryRegister
from tests.unit.scheduler.examples import (
    COORDINATION,
    DEPUTY_IDS,
    NOW,
    gathering,
    resolution_lives,
    rules,
    season,
    session,
    session_lives,
    terms,
    unhurried,
)

RULES = rules()
TOPICS: Final = Topics(DEPUTY_IDS)
TRACE: Final = "00-1-2-00"


def as_read(event: Event) -> Message:
    """An event as it comes back from its topic."""
    sent = CloudEvent(
        id=event.id,
        source="urn:peygir:scheduler",
        type=event.type,
        data=event.data,
        subject=event.aggregate_id,
        time=event.time,
        dataschema=event.dataschema,
        sequence=event.version,
        traceparent=event.trace,
    )
    received = read(*write(sent))
    return Message(Origin(event.topic, 0, 0), received, parse(received), event.topic)


@unhurried
@given(session_lives())
def test_a_session_published_and_read_again_is_the_same(life: list[SessionFact]) -> None:
    """The law on which recovery from a restored copy rests."""
    now = recovered = session()
    for fact in life:
        now = evolve(now, fact)
        event = events.announce(now, fact, TOPICS, TRACE)
        message = as_read(event)
        assert published(message, now.session_id, now.session_id) == event
        assert isinstance(message.data, SessionEvent)
        assert message.event.time is not None
        told = events.fact_of(message.data, message.event.time)
        assert told == fact
        recovered = evolve(recovered, told)
        assert recovered == now


@unhurried
@given(resolution_lives())
def test_a_resolution_published_and_read_again_is_the_same(life: list[ResolutionFact]) -> None:
    first = life[0]
    assert isinstance(first, Approved)
    now = recovered = approved(first)
    for fact in life:
        now = evolve_resolution(now, fact)
        event = events.announce_resolution(now, fact, TOPICS, TRACE)
        message = as_read(event)
        assert published(message, now.resolution_id, now.resolution_id) == event
        assert isinstance(message.data, ResolutionEvent)
        assert message.event.time is not None
        told = events.fact_of_resolution(message.data, message.event.time)
        assert told == fact
        recovered = evolve_resolution(recovered, told)
        assert recovered == now


def test_an_approval_in_no_session_is_none_of_ours() -> None:
    foreign = ResolutionApproved(
        resolution_id="R-1", deputy="civil", title="پل", approved_at=NOW, due_on=date(2024, 1, 1)
    )
    assert events.fact_of_resolution(foreign, NOW) is None


# -- whole registers ----------------------------------------------------------------------------

Command: TypeAlias = Callable[[MemoryRegister], Awaitable[object]]

_IDS = ("a", "b", "c")
_RESOLUTIONS = ("R-1", "R-2", "R-3")


def scheduling(id_: str, turn: bool) -> Command:
    """One of three gatherings; all that are a turn are the same one."""
    kind: dict[str, Any] = {} if turn else {"season": None}
    planned = gathering(session_id=id_, **kind)
    return lambda r: handlers.schedule(planned, r, RULES, COORDINATION, NOW, TRACE)


def acting(id_: str, decide: Callable[[Session], SessionFact | None]) -> Command:
    return lambda r: handlers.act(id_, r, RULES, COORDINATION, decide, TRACE)


def recording(session_id: str, resolution_id: str, deputy: str) -> Command:
    proposals = [Proposal(resolution_id, terms(deputy=deputy)), Proposal(None, terms())]
    return lambda r: handlers.record(session_id, proposals, r, RULES, COORDINATION, NOW, TRACE)


def changing(id_: str, decide: Callable[[Resolution], ResolutionFact | None]) -> Command:
    return lambda r: handlers.act_on_resolution(id_, r, RULES, COORDINATION, decide, TRACE)


def moved(session: Session) -> SessionFact | None:
    at = session.gathering.starts_at + timedelta(days=1)
    return decisions.reschedule(
        session, COORDINATION, at, at + timedelta(hours=1), "برف", RULES.report_lead, NOW
    )


def amended(resolution: Resolution) -> ResolutionFact | None:
    later = Amendment(due_on=resolution.terms.due_on + timedelta(days=1))
    return decisions.amend(resolution, COORDINATION, later, None, NOW)


_of_sessions = st.sampled_from(
    [
        moved,
        lambda s: decisions.cancel(s, COORDINATION, "برف", NOW),
        lambda s: decisions.open_(s, COORDINATION, NOW),
        lambda s: decisions.close(s, COORDINATION, "جمع‌بندی", NOW),
    ]
)
_of_resolutions = st.sampled_from(
    [amended, lambda r: decisions.withdraw(r, COORDINATION, None, NOW)]
)
_ids = st.sampled_from(_IDS)
_resolution_ids = st.sampled_from(_RESOLUTIONS)
_commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(scheduling, _ids, st.booleans()),
    st.builds(acting, _ids, _of_sessions),
    st.builds(recording, _ids, _resolution_ids, st.sampled_from(["civil", "social"])),
    st.builds(changing, _resolution_ids, _of_resolutions),
)


async def follow(register: MemoryRegister, commands: Iterable[Command]) -> None:
    """Do what can be done of it."""
    for command in commands:
        with suppress(Refused, UnknownSession, UnknownResolution):
            await command(register)


async def all_of(register: MemoryRegister) -> tuple[object, ...]:
    """Everything that a register holds, its events by aggregate and version."""
    everything = Query({}, None, 1_000)
    told = sorted(register.events, key=lambda e: (e.aggregate_id, e.version))
    return (
        await register.page_of_sessions(everything),
        await register.page_of_resolutions(everything),
        told,
    )


def partitions(told: Sequence[Event], spread: int) -> Iterator[list[Message]]:
    """The topics as they are taken in: sessions first, partition by partition."""
    topics = [TOPICS.sessions, *map(TOPICS.resolutions, DEPUTY_IDS)]
    for topic in topics:
        for number in range(3):
            yield [
                as_read(event)
                for event in told
                if event.topic == topic and (crc32(event.key.encode()) + spread) % 3 == number
            ]


async def catch_up(
    copy: MemoryRegister, told: Sequence[Event], spread: int = 0, batch: int = 2_000
) -> int:
    """Take in all that was told, in batches; return how many events were missing."""
    waiting: dict[str, list[Message]] = {}
    taken = 0
    for partition in partitions(told, spread):
        for start in range(0, len(partition), batch):
            taken += await handlers.take_in(partition[start : start + batch], copy, waiting)
    assert waiting == {}
    return taken


@unhurried
@given(st.lists(_commands, max_size=40), st.integers(0, 40), st.integers(0, 2), st.integers(1, 5))
def test_a_copy_catches_up_from_what_was_published(
    commands: list[Command], kept: int, spread: int, batch: int
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
async def test_a_turn_goes_from_one_to_the_next_wherever_their_events_stand(
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
    ids = [r.resolution_id for r in await copy.page_of_resolutions(Query({}, None, 10))]
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
    assert await handlers.take_in([as_read(event)], copy, {}) == 0
    assert copy.causes == []


async def test_a_season_comes_back_as_its_sessions_and_is_not_created_again() -> None:
    whole, copy = MemoryRegister(), MemoryRegister()
    await handlers.create_season(season(), whole, RULES, COORDINATION)
    assert await catch_up(copy, whole.events) == 31
    assert await copy.sessions_of_season("1402") == await whole.sessions_of_season("1402")
    assert await copy.season("1402") is None
    with pytest.raises(SessionExists, match="1402-IR-00"):
        await handlers.create_season(season(), copy, RULES, COORDINATION)


def opening(session: Session) -> SessionFact:
    return decisions.open_(session, COORDINATION, NOW)
