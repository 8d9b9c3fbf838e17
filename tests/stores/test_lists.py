"""Lists are walked by any sort, each item once, at the cost of what is shown."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import product
from typing import Any, TypeAlias, TypeVar

import pytest

from services.followups.domain.escalation import days_late
from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import Fact
from services.followups.domain.records import Followup, State
from services.followups.handlers import Change
from services.followups.store import MongoFollowupRepository
from services.notify.domain.notices import Notice
from services.notify.store import MongoNoticeRepository
from services.reports import handlers as reports
from services.reports.domain.records import Expectation
from services.scheduler.domain.records import Resolution, Session
from services.scheduler.store import MongoSchedulerRepository
from shared.messaging.core.model import CommitContext
from shared.messaging.ledger.ledger import Ledger
from shared.runtime import mongo_pages
from shared.runtime.calendar import start_of_day
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.list_queries import ListQuery, Place, Sort, Value, ValueRange
from shared.runtime.mongo import Database
from shared.text import search_key
from tests.stores.fakes_followups import MemoryFollowups
from tests.stores.fakes_notify import FakeNotices
from tests.stores.fakes_reports import MemoryExpectations
from tests.stores.fakes_scheduler import MemoryRegister
from tests.stores.notices import many
from tests.stores.test_reports import mongo_stores, of
from tests.stores.test_scheduler import in_calendar, resolved
from tests.unit.followups.examples import (
    CLOSED,
    COMPLETED,
    NOW,
    PROGRESSED,
    REOPENED,
    VERIFIED,
    fact_of_opening,
)
from tests.unit.reports.builders import DUE_AT, submitted

CAUSE = CommitContext("request", "d.karimi", roles=("deputy:civil",))
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = date(2024, 1, 10)
BODIES = ("شرکت آب و فاضلاب", "شركت آب‌و‌فاضلاب", "شرکت گاز ۲", None, None)
SORTS = ("", "due_on", "days_overdue", "approved_at", "changed_at", "number")
FILTERS: Sequence[dict[str, Collection[Value]]] = (
    {},
    {"state": ("opened", "verified")},
    {"executing_body": (search_key("شرکت آب و فاضلاب"),)},
    {"overdue": (False,), "province": ("IR-07", "IR-09")},
)
SPANS: Sequence[dict[str, ValueRange]] = (
    {},
    {"due_on": ValueRange(date(2024, 1, 3), date(2024, 1, 12))},
    {"changed_at": ValueRange(NOW + 2 * DAY), "approved_at": ValueRange(None, NOW + 2 * DAY)},
)


def lives(count: int, seed: int = 7) -> list[Followup]:
    """Follow-ups with much in common: due dates, instants, numbers, and what became of them."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        life = opened(
            fact_of_opening(
                resolution_id=f"R-{number}",
                due_on=date(2024, 1, 1) + chance.randint(0, 14) * DAY,
                approved_at=NOW + chance.randint(0, 3) * DAY,
                province=chance.choice(["IR-07", "IR-09", None]),
                number=chance.choice([None, "۱۲/الف", "12", "9", "پ-۱"]),
                executing_body=chance.choice(BODIES),
            )
        )
        claimed = replace(COMPLETED, at=start_of_day(date(2024, 1, chance.randint(1, 20))))
        chains: list[tuple[Fact, ...]] = [
            (),
            (),
            (PROGRESSED,),
            (CLOSED,),
            (claimed,),
            (claimed, VERIFIED),
            (claimed, REOPENED),
            (claimed, CLOSED),
        ]
        for fact in chance.choice(chains):
            life = evolve(life, fact)
        found.append(replace(life, changed_at=NOW + chance.randint(0, 5) * DAY))
    return found


def value(followup: Followup, sort: str) -> Any:
    match sort:
        case "due_on":
            return followup.resolution.due_on
        case "days_overdue":
            return days_late(followup, followup.resolution.due_on, start_of_day(TODAY))
        case "approved_at":
            return followup.resolution.approved_at
        case "changed_at":
            return followup.changed_at
        case _:
            return followup.resolution.number


def in_order(followups: Sequence[Followup], sort: Sort) -> list[str]:
    """The plain sort of all of them."""
    by_id = sorted(followups, key=lambda f: f.followup_id)
    if not sort.field:
        return [f.followup_id for f in (reversed(by_id) if sort.descending else by_id)]
    keyed = [f for f in by_id if value(f, sort.field) is not None]
    keyed.sort(key=lambda f: value(f, sort.field), reverse=sort.descending)
    return [f.followup_id for f in [*keyed, *(f for f in by_id if f not in keyed)]]


async def walk(store: MemoryFollowups | MongoFollowupRepository, query: ListQuery) -> list[str]:
    """All pages, one after the other."""
    found: list[str] = []
    while True:
        page = await store.page(query)
        found += [followup.followup_id for followup in page]
        if len(page) < query.limit:
            return found
        key = value(page[-1], query.sort.field) if query.sort.field else None
        query = replace(query, after=Place(page[-1].followup_id, key))


async def saved(
    store: MemoryFollowups | MongoFollowupRepository, followups: Sequence[Followup]
) -> None:
    await store.save([Change(None, followup, (), None) for followup in followups], CAUSE)


async def mongo_followups(database: Database) -> MongoFollowupRepository:
    store = MongoFollowupRepository(_ledger(database), "civil")
    await store.prepare()
    return store


async def test_any_walk_gives_each_item_once_in_the_order_of_a_plain_sort(
    database: Database,
) -> None:
    followups = lives(60)
    real, memory = await mongo_followups(database), MemoryFollowups()
    for store in (real, memory):
        await saved(store, followups)
    for name in SORTS:
        for descending in (False, True):
            sort = Sort(name, descending)
            query = ListQuery({}, None, 7, sort=sort, as_of=TODAY)
            assert await walk(real, query) == in_order(followups, sort), sort
            for fields in FILTERS:
                for spans in SPANS:
                    query = ListQuery(fields, None, 4, spans, sort, TODAY)
                    expected = await walk(memory, query)
                    assert await walk(real, query) == expected, query
                    chosen = [f for f in followups if f.followup_id in expected]
                    assert expected == in_order(chosen, sort), query


async def test_bodies_are_found_however_they_are_spelt(database: Database) -> None:
    followups = lives(20)
    store = await mongo_followups(database)
    await saved(store, followups)
    for asked in ("شرکت آب و فاضلاب", "شركت آب وفاضلاب", "شرکتِ آب‌ و فاضلاب"):
        found = await walk(store, ListQuery({"executing_body": (search_key(asked),)}, None, 100))
        assert set(found) == {
            f.followup_id for f in followups if f.resolution.executing_body in BODIES[:2]
        }
    assert await walk(store, ListQuery({"executing_body": (search_key("شرکت گاز 2"),)}, None, 9))
    assert not await walk(store, ListQuery({"executing_body": (search_key("شرکت گاز"),)}, None, 9))


async def test_what_was_stored_before_lists_were_sorted_gets_its_keys(database: Database) -> None:
    followups = lives(40)
    store = await mongo_followups(database)
    await saved(store, followups)
    keys = {"executing_body_key": "", "days_late": ""}
    stored = database["followups"]
    whole = [document async for document in stored.find().sort([("_id", 1)])]
    assert any("days_late" in document for document in whole)
    await stored.update_many({}, {"$unset": keys})
    await database["marks"].delete_many({})
    await (await mongo_followups(database)).prepare()
    assert [document async for document in stored.find().sort([("_id", 1)])] == whole


@dataclass(frozen=True)
class Asked:
    """Finds keys and documents that a question made MongoDB look at."""

    database: Database
    collection: str

    async def by(self, question: Callable[[], Any]) -> tuple[int, int]:
        await self.database.command("profile", 0)
        await self.database["system.profile"].drop()
        await self.database.command("profile", 2)
        await question()
        await self.database.command("profile", 0)
        finds = self.database["system.profile"].find({"command.find": self.collection})
        asked = await finds.to_list(None)
        assert asked
        assert not any(one.get("hasSortStage") and one["docsExamined"] > 40 for one in asked)
        return sum(a["keysExamined"] for a in asked), sum(a["docsExamined"] for a in asked)


@pytest.fixture
async def crowd(database: Database) -> MongoFollowupRepository:
    """Many that were due long ago and have ended, and many that are due on one day."""
    store = await mongo_followups(database)
    followups = []
    for number in range(800):
        old = number < 400
        due_on = date(2022, 1, 1) + number * DAY if old else date(2024, 1, 5)
        body = "شرکت گاز" if number % 20 == 0 else "شرکت آب"
        life = opened(
            fact_of_opening(
                resolution_id=f"R-{number}",
                due_on=due_on,
                approved_at=NOW + number * DAY,
                province="IR-07" if number % 8 == 0 else "IR-09",
                number=f"{number:03}" if number % 40 == 0 else None,
                executing_body=body,
            )
        )
        claimed = datetime.combine(due_on, datetime.min.time(), UTC)  # in time
        for fact in (replace(COMPLETED, at=claimed), VERIFIED) if old else ():
            life = evolve(life, fact)
        followups.append(replace(life, changed_at=NOW + number % 7 * DAY))
    await saved(store, followups)
    return store


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("sort", "fields"),
    [
        ("", {"state": ("opened", "closed")}),
        ("", {"executing_body": (search_key("شركت گاز"),)}),
        ("due_on", {}),
        ("due_on", {"state": ("opened",)}),
        ("due_on", {"state": tuple(state.value for state in State)[:4]}),
        ("due_on", {"state": ("opened",), "province": ("IR-07",)}),
        ("days_overdue", {"state": ("opened",)}),
        ("approved_at", {}),
        ("changed_at", {}),
        ("number", {}),
    ],
)
async def test_a_page_costs_what_it_shows(
    crowd: MongoFollowupRepository,
    database: Database,
    sort: str,
    fields: dict[str, Collection[Value]],
    descending: bool,
) -> None:
    asked = Asked(database, "followups")
    query = ListQuery(fields, None, 10, sort=Sort(sort, descending), as_of=TODAY)
    for _page in range(3):
        keys, documents = await asked.by(partial(crowd.page, query))
        passed_by = 8 if "province" in fields else 1
        assert keys <= 90 * passed_by, (keys, documents)
        assert documents <= 60, (keys, documents)
        last = (await crowd.page(query))[-1]
        query = replace(query, after=Place(last.followup_id, value(last, sort) if sort else None))


# -- the other services -------------------------------------------------------------------------

T = TypeVar("T")
Pages: TypeAlias = Callable[[ListQuery], Awaitable[Sequence[T]]]


async def same_walks(
    real: Pages[T],
    memory: Pages[T],
    place: Callable[[T, str], Place],
    sorts: Sequence[str],
    filters: Sequence[tuple[Mapping[str, Collection[Value]], Mapping[str, ValueRange]]],
) -> None:
    """Each walk over both gives the same."""
    for name, descending in product(("", *sorts), (False, True)):
        for fields, spans in (({}, {}), *filters):
            query = ListQuery(fields, None, 4, spans, Sort(name, descending))
            walked = 0
            while True:
                expected = await memory(query)
                assert await real(query) == expected, query
                walked += len(expected)
                if len(expected) < query.limit:
                    break
                query = replace(query, after=place(expected[-1], name))
            assert walked, query


async def test_sessions_and_resolutions_are_walked_as_those_in_memory(database: Database) -> None:
    chance = random.Random(3)
    resolutions = [
        resolved(
            f"r{number}",
            due_on=date(2024, 1, 1) + chance.randint(0, 5) * DAY,
            number=chance.choice([None, "۱۲", "9"]),
            executing_body=chance.choice(BODIES),
        )
        for number in range(30)
    ]
    sessions = [
        in_calendar(
            session_id=f"s{number}",
            kind="visit",
            season=None,
            provinces=tuple(chance.sample(["IR-07", "IR-09", "IR-10"], 2)),
            starts_at=NOW + (hours := chance.randint(50, 55)) * HOUR,
            ends_at=NOW + (hours + 2) * HOUR,
        )
        for number in range(20)
    ]
    real, memory = MongoSchedulerRepository(_ledger(database)), MemoryRegister()
    await real.prepare()
    for register in (real, memory):
        await register.save([*resolutions, *sessions], CAUSE)

    def place(resolution: Resolution, sort: str) -> Place:
        if not sort:
            return Place(resolution.resolution_id)
        of = resolution.terms if sort in {"due_on", "number"} else resolution
        return Place(resolution.resolution_id, getattr(of, sort))

    await same_walks(
        real.page_of_resolutions,
        memory.page_of_resolutions,
        place,
        ("due_on", "number", "approved_at", "changed_at"),
        [
            ({"executing_body": (search_key("شركت آب و فاضلاب"),)}, {}),
            ({"state": ("approved", "withdrawn")}, {"due_on": ValueRange(date(2024, 1, 3))}),
        ],
    )

    def place_of_session(session: Session, sort: str) -> Place:
        keys = {"": None, "starts_at": session.gathering.starts_at}
        return Place(session.session_id, {**keys, "changed_at": session.changed_at}[sort])

    await same_walks(
        real.page_of_sessions,
        memory.page_of_sessions,
        place_of_session,
        ("starts_at", "changed_at"),
        [
            ({"provinces": ("IR-07", "IR-10")}, {}),
            ({"kind": ("visit",)}, {"starts_at": ValueRange(NOW + 51 * HOUR, NOW + 53 * HOUR)}),
        ],
    )


async def test_reports_are_walked_as_those_in_memory(database: Database) -> None:
    chance = random.Random(5)
    known = []
    for number in range(20):
        due_at = DUE_AT + chance.randint(0, 3) * HOUR
        expectation = of(f"s{number:02}", due_at=due_at)
        if number % 3:
            expectation = submitted(DUE_AT + chance.randint(0, 3) * HOUR, expectation)
        known.append(expectation)
    stores = await mongo_stores(database)
    real, memory = stores.expectations, MemoryExpectations()
    for store in (real, memory):
        await store.save([reports.Change(None, e, []) for e in known], CAUSE)

    def place(expectation: Expectation, sort: str) -> Place:
        session = expectation.session
        keys = {"": None, "due_at": session.due_at, "starts_at": session.starts_at}
        return Place(expectation.session_id, {**keys, "changed_at": expectation.changed_at}[sort])

    few = ({"state": ("awaited", "overdue")}, {"due_at": ValueRange(DUE_AT + HOUR, None)})
    await same_walks(real.page, memory.page, place, ("due_at", "starts_at", "changed_at"), [few])

    def place_of_report(expectation: Expectation, sort: str) -> Place:
        assert expectation.report is not None
        key = getattr(expectation.report, sort) if sort else None
        return Place(expectation.session_id, key)

    late = ({"late": (True,)}, {"submitted_at": ValueRange(DUE_AT, DUE_AT + 2 * HOUR)})
    await same_walks(
        real.page_of_reports,
        memory.page_of_reports,
        place_of_report,
        ("due_at", "submitted_at"),
        [late],
    )


async def test_notices_are_walked_as_those_in_memory(database: Database) -> None:
    chance = random.Random(9)
    changes = [
        replace(change, after=replace(change.after, created_at=NOW + chance.randint(0, 3) * HOUR))
        for change in many(20)
    ]
    real, memory = MongoNoticeRepository(_ledger(database)), FakeNotices()
    await real.prepare()
    for store in (real, memory):
        await store.save(changes, CAUSE)

    def place(notice: Notice, sort: str) -> Place:
        return Place(notice.notice_id, getattr(notice, sort) if sort else None)

    some = (
        {"recipient_role": ("deputy:civil",), "state": ("pending", "failed")},
        {"created_at": ValueRange(NOW + HOUR, NOW + 2 * HOUR)},
    )
    await same_walks(real.page, memory.page, place, ("created_at", "changed_at"), [some])


def _ledger(database: Database) -> Ledger:
    return Ledger(database, clock=SystemMachineClock())


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["due_on", "days_overdue", "changed_at", "number"])
async def test_what_changes_while_a_page_is_read_ends_no_walk(
    database: Database, monkeypatch: pytest.MonkeyPatch, sort: str, descending: bool
) -> None:
    """A page is read by several questions: between any two of them everything may change."""
    followups = lives(60)
    store = await mongo_followups(database)
    await saved(store, followups)
    stored, plain_read, chance = database["followups"], mongo_pages._read, random.Random(11)

    async def read(*asked: Any) -> list[Any]:
        found = await plain_read(*asked)
        for document in chance.sample(found, min(3, len(found))):
            after = {"due_on": f"2024-01-{chance.randint(10, 25)}", "number": "12"}
            change = {"$set": {**after, "changed_at": NOW + chance.randint(0, 5) * DAY}}
            moved.add(document["_id"])
            await stored.update_one({"_id": document["_id"]}, change)
        return found

    moved: set[str] = set()
    monkeypatch.setattr(mongo_pages, "_read", read)
    query = ListQuery({}, None, 7, sort=Sort(sort, descending), as_of=TODAY)
    found: list[str] = []
    for _page in range(100):
        page = await store.page(query)
        ids = [followup.followup_id for followup in page]
        assert len(set(ids)) == len(ids)
        found += ids
        if len(page) < query.limit:
            break
        query = replace(query, after=Place(ids[-1], value(page[-1], sort)))
    stayed = {followup.followup_id for followup in followups} - moved
    assert stayed
    assert stayed <= set(found)
