"""One suite for the store of `scheduler`: in memory and on MongoDB."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TypeAlias

import pytest

from services.scheduler import events, handlers
from services.scheduler.domain import decisions
from services.scheduler.domain.records import (
    Amended,
    Amendment,
    Approved,
    Cancelled,
    Opened,
    Resolution,
    Scheduled,
    Session,
    SessionFact,
    approved,
    evolve,
    evolve_resolution,
    scheduled,
)
from services.scheduler.handlers import Change, Proposal
from services.scheduler.store import MongoSchedulerRepository
from shared.contracts.topics import Topics
from shared.messaging.core.errors import AlreadyExists, Stale
from shared.messaging.core.model import CommitContext
from shared.messaging.ledger.ledger import Ledger
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.list_queries import ListQuery, Place
from shared.runtime.mongo import Database
from tests.stores.fakes_scheduler import MemoryRegister
from tests.unit.published import as_read
from tests.unit.scheduler.examples import (
    COORDINATION,
    DEPUTY_IDS,
    NOW,
    context,
    gathering,
    season,
    terms,
)
from tests.unit.scheduler.registers import (
    acting,
    amended,
    catch_up,
    changing,
    follow,
    opening,
    scheduling,
)

AnyRegister: TypeAlias = MemoryRegister | MongoSchedulerRepository

CAUSE = CommitContext("request", "c.ahmadi", roles=("coordination",))
TOPICS = Topics(DEPUTY_IDS)
RULES = context()


@pytest.fixture(params=["memory", "mongodb"])
async def store(request: pytest.FixtureRequest, database: Database) -> AnyRegister:
    if request.param == "memory":
        return MemoryRegister()
    real = MongoSchedulerRepository(Ledger(database, clock=SystemMachineClock()))
    await real.prepare()
    return real


def in_calendar(**changes: object) -> Change:
    """A new session, with its event."""
    fact = Scheduled(NOW, gathering(**changes))
    session = scheduled(fact)
    return Change(None, session, [events.to_event(session, fact, TOPICS, None)])


def step(before: Session, fact: SessionFact) -> Change:
    """A session's next step, with its event."""
    after = evolve(before, fact)
    return Change(before, after, [events.to_event(after, fact, TOPICS, None)])


def resolved(resolution_id: str, **changes: object) -> Change:
    """A new resolution, with its event."""
    fact = Approved(NOW, resolution_id, "1402-IR-09", "provincial", terms(**changes))
    resolution = approved(fact)
    return Change(None, resolution, [events.resolution_to_event(resolution, fact, TOPICS, None)])


def session_of(change: Change) -> Session:
    assert isinstance(change.after, Session)
    return change.after


async def test_what_is_saved_is_read_as_it_was(store: AnyRegister) -> None:
    session = in_calendar(venue="تالار وزارت کشور")
    whole = resolved(
        "R-1",
        axis="civil-infrastructure",
        province="IR-09",
        text="با همکاری استانداری",
        supporting=("شهرداری مشهد",),
        executing_body="شرکت راه‌آهن",
        priority="urgent",
        number="۱۲/۳۴",
        baseline_on=date(2023, 11, 1),
    )
    await store.save([Change(None, season()), session, whole], CAUSE)
    assert await store.season("1402") == season()
    assert await store.session("1402-IR-09") == session.after
    assert await store.resolution("R-1") == whole.after
    assert await store.sessions_of_season("1402") == [session.after]


async def test_what_is_not_there_is_not_found(store: AnyRegister) -> None:
    await store.save([in_calendar()], CAUSE)
    assert await store.season("1402") is None
    assert await store.session("1402-IR-10") is None
    assert await store.resolution("R-1") is None
    assert set(await store.sessions(["1402-IR-09", "1402-IR-10"])) == {"1402-IR-09"}
    assert await store.resolutions([]) == {}


async def test_nothing_is_saved_twice(store: AnyRegister) -> None:
    await store.save([Change(None, season())], CAUSE)
    with pytest.raises(AlreadyExists):
        await store.save([in_calendar(), Change(None, season(minutes=90))], CAUSE)
    assert await store.session("1402-IR-09") is None
    kept = await store.season("1402")
    assert kept is not None
    assert kept.minutes == 270


async def test_a_turn_is_one_sessions_until_that_is_cancelled(store: AnyRegister) -> None:
    first = in_calendar()
    await store.save([first], CAUSE)
    instead = in_calendar(session_id="1402-IR-09-b")
    with pytest.raises(AlreadyExists):
        await store.save([instead], CAUSE)
    assert await store.turns_taken(["1402|IR-09", "1402|IR-10"]) == {"1402|IR-09"}
    await store.save([step(session_of(first), Cancelled(NOW, None))], CAUSE)
    assert await store.turns_taken(["1402|IR-09"]) == set()
    await store.save([instead], CAUSE)
    await store.save([in_calendar(session_id="v", kind="visit")], CAUSE)
    await store.save([in_calendar(session_id="w", season=None)], CAUSE)
    await store.save([in_calendar(session_id="x", season=None)], CAUSE)


async def test_a_turn_that_is_given_up_may_be_taken_at_once(store: AnyRegister) -> None:
    first = in_calendar()
    await store.save([first], CAUSE)
    instead = in_calendar(session_id="1402-IR-09-b")
    await store.save([instead, step(session_of(first), Cancelled(NOW, None))], CAUSE)
    assert await store.session("1402-IR-09-b") == instead.after


async def test_a_step_from_an_old_version_is_stale(store: AnyRegister) -> None:
    first = in_calendar()
    await store.save([first], CAUSE)
    opened = step(session_of(first), Opened(NOW))
    await store.save([opened], CAUSE)
    with pytest.raises(Stale):
        await store.save([step(session_of(first), Cancelled(NOW, None))], CAUSE)
    assert await store.session("1402-IR-09") == opened.after


async def test_a_step_from_an_old_count_of_resolutions_is_stale(store: AnyRegister) -> None:
    first = in_calendar()
    await store.save([first], CAUSE)
    counted = replace(session_of(first), resolutions=1)
    await store.save([Change(first.after, counted), resolved("R-1")], CAUSE)
    with pytest.raises(Stale):
        await store.save([step(session_of(first), Opened(NOW))], CAUSE)
    with pytest.raises(Stale):
        await store.save([resolved("R-2"), Change(first.after, counted)], CAUSE)
    assert await store.resolution("R-2") is None
    assert await store.session("1402-IR-09") == counted


async def test_a_resolution_moves_from_version_to_version(store: AnyRegister) -> None:
    first = resolved("R-1")
    await store.save([first], CAUSE)
    assert isinstance(first.after, Resolution)
    fact = Amended(NOW, Amendment(due_on=date(2024, 6, 1)), "برف")
    amended = evolve_resolution(first.after, fact)
    change = Change(first.after, amended, [events.resolution_to_event(amended, fact, TOPICS, None)])
    await store.save([change], CAUSE)
    assert await store.resolution("R-1") == amended
    with pytest.raises(Stale):
        await store.save([change], CAUSE)


async def test_of_many_who_save_the_same_at_once_one_does(store: AnyRegister) -> None:
    first = in_calendar()
    await store.save([first], CAUSE)

    async def record(number: int) -> bool:
        counted = replace(session_of(first), resolutions=1)
        try:
            await store.save([resolved(f"R-{number}"), Change(first.after, counted)], CAUSE)
        except Stale:
            return False
        return True

    saved = await asyncio.gather(*map(record, range(8)))
    assert sum(saved) == 1
    assert len(await store.page_of_resolutions(ListQuery({}, None, 10))) == 1


async def test_lists_are_by_id_and_go_on_behind_the_last(store: AnyRegister) -> None:
    codes = ("IR-03", "IR-01", "IR-02")
    await store.save([in_calendar(session_id=f"1402-{c}", provinces=(c,)) for c in codes], CAUSE)
    page = await store.page_of_sessions(ListQuery({"season": ["1402"]}, None, 2))
    assert [s.session_id for s in page] == ["1402-IR-01", "1402-IR-02"]
    page = await store.page_of_sessions(ListQuery({"season": ["1402"]}, Place("1402-IR-02"), 2))
    assert [s.session_id for s in page] == ["1402-IR-03"]


async def test_sessions_are_filtered_by_their_fields(store: AnyRegister) -> None:
    opened = in_calendar(session_id="o", provinces=("IR-10",))
    await store.save(
        [
            opened,
            in_calendar(session_id="p"),
            in_calendar(session_id="v", kind="visit", provinces=("IR-01", "IR-09"), season=None),
        ],
        CAUSE,
    )
    await store.save([step(session_of(opened), Opened(NOW))], CAUSE)

    async def ids(**fields: str) -> list[str]:
        wanted = {name: value.split() for name, value in fields.items()}
        return [s.session_id for s in await store.page_of_sessions(ListQuery(wanted, None, 10))]

    assert await ids() == ["o", "p", "v"]
    assert await ids(season="1402") == ["o", "p"]
    assert await ids(kind="visit") == ["v"]
    assert await ids(state="opened") == ["o"]
    assert await ids(provinces="IR-09") == ["p", "v"]
    assert await ids(provinces="IR-09", kind="provincial") == ["p"]
    assert await ids(provinces="IR-10 IR-01") == ["o", "v"]
    assert await ids(state="opened closed scheduled", kind="visit provincial") == ["o", "p", "v"]


async def test_resolutions_are_filtered_by_their_fields(store: AnyRegister) -> None:
    await store.save(
        [
            resolved("a"),
            resolved("b", deputy="social", axis="social"),
            resolved("c", province="IR-09"),
        ],
        CAUSE,
    )

    async def ids(**fields: str) -> list[str]:
        wanted = {name: value.split() for name, value in fields.items()}
        found = await store.page_of_resolutions(ListQuery(wanted, None, 10))
        return [resolution.resolution_id for resolution in found]

    assert await ids(session_id="1402-IR-09") == ["a", "b", "c"]
    assert await ids(session_id="1402-IR-10") == []
    assert await ids(deputy="social") == ["b"]
    assert await ids(axis="social") == ["b"]
    assert await ids(province="IR-09", state="approved") == ["c"]
    assert await ids(resolution_id="c a nobody") == ["a", "c"]
    assert await ids(deputy="social civil", axis="social") == ["b"]


async def test_seasons_are_listed_by_name(store: AnyRegister) -> None:
    names = ["1404", "1402", "1403"]
    await store.save([Change(None, season(season=name)) for name in names], CAUSE)
    found = await store.page_of_seasons(ListQuery({}, Place("1402"), 10))
    assert [s.season for s in found] == ["1403", "1404"]


# -- after a restore from an older copy ---------------------------------------------------------


async def test_an_empty_copy_catches_up_and_goes_on(store: AnyRegister, database: Database) -> None:
    whole = MemoryRegister()
    cancelling = partial(decisions.cancel, by=COORDINATION, reason=None, now=NOW)
    closing = partial(decisions.close, by=COORDINATION, summary="جمع‌بندی", now=NOW)
    proposals = [Proposal(None, terms(deputy=id_)) for id_ in ("civil", "social")]
    await follow(
        whole,
        [
            scheduling("a", turn=True),
            acting("a", cancelling),
            scheduling("b", turn=True),
            acting("b", opening),
            lambda r: handlers.record_resolutions("b", proposals, r, RULES, COORDINATION, NOW),
            changing("b-R001", amended),
            acting("b", closing),
        ],
    )
    for batch in (2, 2_000):
        taken = await catch_up(store, whole.events, batch=batch)
        assert taken == (len(whole.events) if batch == 2 else 0)
    everything = ListQuery({}, None, 100)
    for page in ("page_of_sessions", "page_of_resolutions"):
        assert await getattr(store, page)(everything) == await getattr(whole, page)(everything)
    if isinstance(store, MongoSchedulerRepository):
        ledger = Ledger(database, clock=SystemMachineClock())
        assert await ledger.pending() == (0, None), "what stands in a topic is not sent again"
        published = [event for event in whole.events if event.aggregate_id == "b"]
        assert [entry.event for entry in await ledger.history("b")] == published
    await handlers.record_resolutions("b", proposals, store, RULES, COORDINATION, NOW)
    known = await store.session("b")
    assert known is not None
    assert known.resolutions == 4


async def test_of_many_processes_that_take_in_at_once_one_does(store: AnyRegister) -> None:
    whole = MemoryRegister()
    await handlers.create_season(season(), whole, RULES, COORDINATION)
    messages = [as_read(event) for event in whole.events]

    async def take_in(_: int) -> int:
        with suppress(Stale):  # which the process tries again
            return await handlers.recover(messages, store, {})
        return 0

    assert sum(await asyncio.gather(*map(take_in, range(4)))) == len(messages)
    assert await handlers.recover(messages, store, {}) == 0
    assert await store.sessions_of_season("1402") == await whole.sessions_of_season("1402")
