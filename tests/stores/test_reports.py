"""One suite for the stores of `reports`: in memory and on MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from services.reports import events, handlers
from services.reports.api import ReadableCirculars, ReadableExpectations
from services.reports.domain import decisions
from services.reports.domain.catalogue import CATALOGUES
from services.reports.domain.records import Expectation, FellOverdue, Moved, PublishedFact, Session
from services.reports.handlers import Change
from services.reports.store import MongoCircularRepository, MongoExpectationRepository
from shared.messaging.core.errors import AlreadyExists, LeaseLost, Stale
from shared.messaging.core.model import CommitContext, Event, Fence
from shared.messaging.ledger.ledger import Ledger
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.list_queries import ListQuery, Place
from shared.runtime.mongo import Database
from tests.stores.fakes_reports import MemoryCirculars, MemoryExpectations
from tests.unit.reports.builders import (
    ADDRESSES,
    BEFORE,
    COORDINATION,
    DUE_AT,
    RECEPTION,
    SESSION,
    STARTS_AT,
    after,
    awaited,
    message,
    scheduled,
    submitted,
)
from tests.unit.reports.offices import FENCE, INITIATIVES, Office, parts, without_texts

CAUSE = CommitContext("request", "c.ahmadi")


@dataclass(frozen=True, slots=True)
class Stores:
    """Both stores of one kind, empty."""

    expectations: ReadableExpectations
    circulars: ReadableCirculars


@pytest.fixture(params=["memory", "mongodb"])
async def stores(request: pytest.FixtureRequest, database: Database) -> Stores:
    if request.param == "memory":
        return Stores(MemoryExpectations(), MemoryCirculars())
    return await mongo_stores(database)


async def mongo_stores(database: Database) -> Stores:
    ledger = Ledger(database, clock=SystemMachineClock())
    expectations = MongoExpectationRepository(ledger)
    await expectations.prepare()
    return Stores(expectations, MongoCircularRepository(ledger))


def of(session_id: str, **changes: Any) -> Expectation:
    """The expectation of a session with this id."""
    session = replace(SESSION, **changes)
    return replace(awaited(session), session_id=session_id)


def step(before: Expectation | None, end: Expectation, *facts: PublishedFact) -> Change:
    """A change with the events of its facts."""
    published = [e for fact in facts for e in events.to_event(end, fact, ADDRESSES, None)]
    return Change(before, end, published)


async def add(store: ReadableExpectations, *expectations: Expectation) -> None:
    await store.save([Change(None, e, []) for e in expectations], CAUSE)


async def ids(store: ReadableExpectations, **wanted: Any) -> list[str]:
    """The sessions of a page."""
    return [expectation.session_id for expectation in await store.page(query(**wanted))]


async def ids_of_reports(store: ReadableExpectations, **wanted: Any) -> list[str]:
    """The sessions of a page of reports."""
    return [found.session_id for found in await store.page_of_reports(query(**wanted))]


def query(after: str | None = None, limit: int = 100, **fields: Any) -> ListQuery:
    place = None if after is None else Place(after)
    return ListQuery({name: (value,) for name, value in fields.items()}, place, limit)


async def test_what_was_saved_is_read_back_whole(stores: Stores) -> None:
    store = stores.expectations
    whole = submitted(DUE_AT + timedelta(milliseconds=1))
    report = whole.report
    assert report is not None
    whole = after(whole, decisions.distribute(whole, COORDINATION, RECEPTION.recipients, STARTS_AT))
    await add(store, whole, of("council", province=None, due_at=None))
    assert await store.get("1402-IR-09") == whole
    assert await store.of_report(whole.report_id) == whole
    assert await store.of_sessions(["1402-IR-09", "nobody"]) == {"1402-IR-09": whole}
    council = await store.get("council")
    assert council is not None
    assert council.session == Session(None, SESSION.title, STARTS_AT, None)


async def test_what_is_not_there_is_not_found(stores: Stores) -> None:
    store = stores.expectations
    await add(store, awaited())
    assert await store.get("nobody") is None
    assert await store.of_report(awaited().report_id) is None
    assert await store.of_report("nobody") is None
    assert await stores.circulars.get("nobody") is None


async def test_the_slower_of_two_saves_nothing(stores: Stores) -> None:
    store = stores.expectations
    first, other = of("a"), of("b")
    await add(store, first, other)
    moved = after(first, Moved(BEFORE, replace(SESSION, starts_at=STARTS_AT), 2))
    await store.save([Change(first, moved, [])], CAUSE)
    stale = after(first, Moved(BEFORE, SESSION, 3))
    b_moved = after(other, Moved(BEFORE, SESSION, 2))
    with pytest.raises(Stale):
        await store.save([Change(other, b_moved, []), Change(first, stale, [])], CAUSE)
    assert await store.get("a") == moved
    assert await store.get("b") == other


async def test_what_is_there_is_not_added_again(stores: Stores) -> None:
    store = stores.expectations
    await add(store, of("a"))
    with pytest.raises(AlreadyExists):
        await add(store, of("b"), of("a"))
    assert await store.get("b") is None


async def test_the_inbox_remembers_what_was_applied(stores: Stores) -> None:
    store = stores.expectations
    await store.save([Change(None, of("a"), [], ["s 1", "s 2"])], CAUSE)
    assert set(await store.seen(["s 1", "s 2", "s 3"])) == {"s 1", "s 2"}
    with pytest.raises(AlreadyExists):
        await store.save([Change(None, of("b"), [], ["s 1"])], CAUSE)
    assert await store.get("b") is None


async def test_due_are_those_awaited_whose_time_has_come(stores: Stores) -> None:
    store = stores.expectations
    late = timedelta(hours=1)
    published = after(of("told"), FellOverdue(DUE_AT, DUE_AT))
    await add(
        store,
        of("second", due_at=DUE_AT),
        of("first", due_at=DUE_AT - late),
        of("later", due_at=DUE_AT + timedelta(milliseconds=1)),
        of("council", province=None, due_at=None),
        published,
        submitted(),
    )
    due = await store.due(DUE_AT, 10)
    assert [expectation.session_id for expectation in due] == ["first", "second"]
    assert [e.session_id for e in await store.due(DUE_AT, 1)] == ["first"]


async def test_pages_are_cut_by_session_and_filtered_by_field(stores: Stores) -> None:
    store = stores.expectations
    await add(
        store,
        of("a"),
        of("b", province="IR-07"),
        of("c", province=None, due_at=None),
        after(of("d"), FellOverdue(DUE_AT, DUE_AT)),
        submitted(expectation=of("e")),
        submitted(DUE_AT + timedelta(days=1), of("f")),
    )
    assert await ids(store) == ["a", "b", "d", "e", "f"]
    assert await ids(store, limit=2) == ["a", "b"]
    assert await ids(store, after="b", limit=2) == ["d", "e"]
    assert await ids(store, session_id="c") == []
    assert await ids(store, session_id="a", after="a") == []
    assert await ids(store, province="IR-07") == ["b"]
    assert await ids(store, state="overdue") == ["d"]
    assert await ids(store, state="awaited") == ["a", "b"]
    assert await ids_of_reports(store) == ["e", "f"]
    assert await ids_of_reports(store, late=True) == ["f"]
    assert await ids_of_reports(store, late=False) == ["e"]


async def test_circulars_are_added_once_and_listed_by_id(stores: Stores) -> None:
    store = stores.circulars
    for id_ in ("c-2", "c-1", "c-3"):
        circular = decisions.issue(id_, COORDINATION, 1, ("IR-09", "IR-07"), CATALOGUES, BEFORE)
        event = events.circular_event(circular, CATALOGUES[1], ADDRESSES, None)
        await store.add(circular, event, CAUSE)
        assert await store.get(id_) == circular
        with pytest.raises(AlreadyExists):
            await store.add(circular, event, CAUSE)
    assert [c.circular_id for c in await store.page(ListQuery({}, None, 2))] == ["c-1", "c-2"]
    assert [c.circular_id for c in await store.page(ListQuery({}, Place("c-2"), 2))] == ["c-3"]


# -- after a restore from an older copy ---------------------------------------------------------


async def a_life() -> Office:
    """Two sessions with overdue, revised and distributed reports, and a circular."""
    office = Office()
    for id_ in ("a", "b"):
        await office.hear(message(scheduled(id_), 1))
    await handlers.sweep(office.store, RECEPTION, DUE_AT, FENCE)
    await office.submit("a", initiatives=INITIATIVES)
    await office.submit("a", answers={}, special_topics=INITIATIVES)
    await office.distribute("a")
    await office.submit("b")
    await office.issue("c-1")
    return office


async def catch_up(stores: Stores, published: Sequence[Event]) -> int:
    return sum(
        [
            await handlers.recover(part, stores.expectations, stores.circulars, RECEPTION)
            for part in parts(published, spread=0, batch=2)
        ]
    )


async def test_an_empty_copy_keeps_events_until_it_has_their_sessions(
    stores: Stores,
) -> None:
    office, store = await a_life(), stores.expectations
    assert await catch_up(stores, office.published) == len(office.published) == 10
    assert await catch_up(stores, office.published) == 0
    assert await store.of_sessions(["a", "b"]) == {}
    for id_ in ("a", "b"):
        decision = await handlers.handle_events(
            [message(scheduled(id_), 1)], store, RECEPTION, BEFORE
        )
        await store.save(decision.changes, CAUSE)
        again, whole = await store.get(id_), await office.store.get(id_)
        assert again is not None
        assert whole is not None
        assert whole.report is not None
        assert again == replace(whole, report=without_texts(whole.report), edition=again.edition)
    assert await catch_up(stores, office.published) == 0
    assert (await stores.circulars.get("c-1")) is not None


async def test_a_copy_that_knows_the_sessions_catches_up(stores: Stores) -> None:
    office, store = await a_life(), stores.expectations
    await add(store, *(replace(awaited(), session_id=id_) for id_ in ("a", "b")))
    assert await catch_up(stores, office.published) == 10
    page = ListQuery({}, None, 10)
    reports = [expectation.report for expectation in await store.page_of_reports(page)]
    whole = [expectation.report for expectation in await office.store.page_of_reports(page)]
    assert reports == [without_texts(report) for report in whole if report is not None]
    assert await catch_up(stores, office.published) == 0


async def test_events_are_kept_once_and_returned_by_session(stores: Stores) -> None:
    store, published = stores.expectations, (await a_life()).store.events
    of_a = [event for event in published if event.key == "a"]
    await store.keep_orphans(of_a, CAUSE)
    with pytest.raises(AlreadyExists):
        await store.keep_orphans(published[-1:] + of_a[-1:], CAUSE)
    apart = [event for event in of_a if event.topic == ADDRESSES.restricted]
    openly = [event for event in of_a if event.topic == ADDRESSES.reports]
    assert await store.orphan_outcomes(["a", "b"]) == {"a": [*openly, *apart]}


# -- on MongoDB alone ---------------------------------------------------------------------------


async def test_a_change_and_its_events_are_one_transaction(database: Database) -> None:
    store = (await mongo_stores(database)).expectations
    first = of("a")
    await add(store, first)
    assert await database["commits"].count_documents({}) == 0
    fact = FellOverdue(DUE_AT, DUE_AT)
    overdue = after(first, fact)
    lost = CommitContext("clock", "sweeper", fence=Fence("sweeper", "nobody", 7))
    with pytest.raises(LeaseLost):
        await store.save([step(first, overdue, fact)], lost)
    assert await store.get("a") == first
    assert await database["commits"].count_documents({}) == 0
    await store.save([step(first, overdue, fact)], CAUSE)
    (commit,) = await database["commits"].find({}).to_list(None)
    assert commit["pending"]
    assert [e["aggregate_id"] for e in commit["events"]] == ["a"]


async def test_what_is_due_is_found_by_its_index(database: Database) -> None:
    await mongo_stores(database)
    wanted = {"next_due": {"$lte": DUE_AT}}
    plan = await database["expectations"].find(wanted).hint("due").explain()
    assert plan["queryPlanner"]["winningPlan"]["inputStage"]["indexName"] == "due"


async def test_what_was_taken_in_is_history_and_is_not_sent_again(database: Database) -> None:
    office = await a_life()
    assert await catch_up(await mongo_stores(database), office.published) == 10
    ledger = Ledger(database, clock=SystemMachineClock())
    assert await ledger.pending() == (0, None)
    for id_ in ("a", "a/restricted", "b", "b/restricted", "c-1"):
        published = [event for event in office.published if event.aggregate_id == id_]
        assert [entry.event for entry in await ledger.history(id_)] == published
        assert published


async def test_what_was_stored_before_texts_could_be_lost_is_still_read(
    database: Database,
) -> None:
    store = (await mongo_stores(database)).expectations
    whole = submitted()
    await add(store, whole)
    await database["expectations"].update_one({}, {"$unset": {"report.lost": ""}})
    assert await store.get(whole.session_id) == whole
