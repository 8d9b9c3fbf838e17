"""Commands from loading to saving, on a store in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta

import pytest

from services.scheduler import handlers
from services.scheduler.domain import decisions
from services.scheduler.domain.decisions import (
    Conflict,
    Invalid,
    NotNow,
    SeasonExists,
    SessionExists,
    TurnTaken,
)
from services.scheduler.domain.records import Amendment, Resolution, Session, SessionFact, Terms
from services.scheduler.handlers import Change, Proposal, UnknownResolution, UnknownSession
from shared.contracts.events import SessionClosed
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext
from shared.runtime.commands import Command
from shared.runtime.list_queries import ListQuery
from shared.runtime.refusals import NotAllowed
from tests.stores.fakes_scheduler import MemoryRegister
from tests.unit.scheduler.examples import (
    CIVIL,
    CODES,
    COORDINATION,
    MINISTER_OFFICE,
    NOW,
    context,
    gathering,
    season,
    terms,
)

RULES = context()
LATER = NOW + timedelta(days=30)


class Contested(MemoryRegister):
    """A store in which somebody else saves first, once per entry of `faster`."""

    def __init__(self) -> None:
        super().__init__()
        self.faster: list[Callable[[], Awaitable[object]]] = []

    async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
        if self.faster:
            first, *others = self.faster
            self.faster = []  # nobody is faster than those who are
            await first()
            self.faster = others
        await super().save(changes, cause)


async def with_session(store: MemoryRegister, **changes: object) -> Session:
    """A session that has begun."""
    made = await handlers.schedule_session(gathering(**changes), store, RULES, COORDINATION, NOW)
    return await act(store, lambda s: decisions.open_(s, COORDINATION, NOW), made.session_id)


async def act(
    store: MemoryRegister,
    decide: Callable[[Session], SessionFact | None],
    session_id: str = "1402-IR-09",
) -> Session:
    return await handlers.change_session(
        Command(session_id, store, RULES, COORDINATION, NOW), decide
    )


async def record(
    store: MemoryRegister, *proposals: tuple[str | None, Terms], session_id: str = "1402-IR-09"
) -> list[Resolution]:
    asked = [Proposal(id_, meant) for id_, meant in proposals]
    return await handlers.record_resolutions(session_id, asked, store, RULES, COORDINATION, NOW)


def ids(resolutions: Sequence[Resolution]) -> list[str]:
    return [resolution.resolution_id for resolution in resolutions]


# -- the calendar -------------------------------------------------------------------------------


async def test_a_season_comes_whole_with_an_event_a_session() -> None:
    store = MemoryRegister()
    sessions = await handlers.create_season(season(), store, RULES, COORDINATION, "trace")
    assert [session.gathering.provinces[0] for session in sessions] == list(CODES)
    assert list(await store.sessions_of_season("1402")) == sessions
    assert len(store.causes) == 1
    assert {(e.type, e.topic, e.version, e.trace) for e in store.events} == {
        ("peygir.SessionScheduled.v1", "peygir.sessions.v1", 1, "trace")
    }
    assert [e.key for e in store.events] == [session.session_id for session in sessions]
    assert store.causes[0].by == "c.ahmadi"


async def test_a_season_is_coordinations() -> None:
    with pytest.raises(NotAllowed):
        await handlers.create_season(season(), MemoryRegister(), RULES, MINISTER_OFFICE)


async def test_a_season_that_exists_stays_as_it_is() -> None:
    store = MemoryRegister()
    await handlers.create_season(season(), store, RULES, COORDINATION)
    with pytest.raises(SeasonExists, match="1402"):
        await handlers.create_season(season(minutes=60), store, RULES, COORDINATION)
    assert len(store.causes) == 1


async def test_of_two_who_create_a_season_at_once_the_slower_is_refused() -> None:
    store = Contested()
    store.faster.append(lambda: handlers.create_season(season(), store, RULES, COORDINATION))
    with pytest.raises(SeasonExists):
        await handlers.create_season(season(), store, RULES, COORDINATION)
    assert len(store.events) == 31


async def test_a_province_has_one_turn_in_a_season_until_that_is_cancelled() -> None:
    store = MemoryRegister()
    await handlers.create_season(season(), store, RULES, COORDINATION)
    with pytest.raises(SessionExists, match="1402-IR-09"):
        await handlers.schedule_session(gathering(), store, RULES, COORDINATION, NOW)
    instead = gathering(session_id="instead")
    with pytest.raises(TurnTaken, match="IR-09 has its session in season 1402"):
        await handlers.schedule_session(instead, store, RULES, COORDINATION, NOW)
    await act(store, lambda s: decisions.cancel(s, COORDINATION, "برف", NOW))
    again = await handlers.schedule_session(instead, store, RULES, COORDINATION, NOW)
    assert again.turn == "1402|IR-09"


async def test_a_session_that_nobody_scheduled_is_unknown() -> None:
    with pytest.raises(UnknownSession, match="nowhere"):
        await record(MemoryRegister(), (None, terms()), session_id="nowhere")
    with pytest.raises(UnknownSession):
        await act(MemoryRegister(), lambda _: None, "nowhere")


async def test_what_changes_nothing_is_not_saved() -> None:
    store = MemoryRegister()
    session = await with_session(store)
    assert await act(store, lambda _: None) == session
    assert len(store.causes) == 2


# -- resolutions --------------------------------------------------------------------------------


async def test_resolutions_are_numbered_through_and_go_to_their_deputies() -> None:
    store = MemoryRegister()
    await with_session(store)
    first = await record(store, (None, terms()), (None, terms(deputy="social")))
    second = await record(store, ("letter-7", terms(title="الف")), (None, terms(title="ب")))
    assert ids(first) == ["1402-IR-09-R001", "1402-IR-09-R002"]
    assert ids(second) == ["letter-7", "1402-IR-09-R003"]
    assert [(e.topic, e.key, e.version) for e in store.events[2:]] == [
        ("peygir.resolutions.v1.civil", "1402-IR-09-R001", 1),
        ("peygir.resolutions.v1.social", "1402-IR-09-R002", 1),
        ("peygir.resolutions.v1.civil", "letter-7", 1),
        ("peygir.resolutions.v1.civil", "1402-IR-09-R003", 1),
    ]


async def test_a_number_that_somebody_took_is_passed_over() -> None:
    store = MemoryRegister()
    await with_session(store)
    await record(store, ("1402-IR-09-R002", terms()), ("1402-IR-09-R003", terms()))
    found = await record(store, (None, terms()), ("1402-IR-09-R005", terms()), (None, terms()))
    assert ids(found) == ["1402-IR-09-R004", "1402-IR-09-R005", "1402-IR-09-R006"]


async def test_the_same_again_is_the_same_and_saves_nothing() -> None:
    store = MemoryRegister()
    await with_session(store)
    first = await record(store, ("A", terms()))
    saved = len(store.causes)
    again = await handlers.record_resolutions(
        "1402-IR-09", [Proposal("A", terms())], store, RULES, COORDINATION, LATER
    )
    assert again == first
    assert len(store.causes) == saved


async def test_the_same_again_is_taken_though_its_date_has_passed_meanwhile() -> None:
    store = MemoryRegister()
    await with_session(store)
    first = await record(store, ("A", terms(due_on=date(2023, 10, 20))))
    again = [Proposal("A", terms(due_on=date(2023, 10, 20)))]
    assert (
        await handlers.record_resolutions("1402-IR-09", again, store, RULES, COORDINATION, LATER)
        == first
    )


async def test_known_and_new_ones_may_come_together() -> None:
    store = MemoryRegister()
    await with_session(store)
    await record(store, ("A", terms()))
    found = await record(store, ("B", terms(title="ب")), ("A", terms()))
    assert ids(found) == ["B", "A"]
    session = await store.session("1402-IR-09")
    assert session is not None
    assert (session.resolutions, session.version) == (2, 2)


async def test_all_is_recorded_or_nothing() -> None:
    store = MemoryRegister()
    await with_session(store)
    await record(store, ("A", terms()))
    with pytest.raises(Conflict, match="A is known"):
        await record(store, ("B", terms()), ("A", terms(title="دیگر")))
    with pytest.raises(Invalid) as refused:
        await record(store, ("B", terms()), ("C", terms(axis="x")), (None, terms(deputy="y")))
    assert [f.field for f in refused.value.faults] == ["resolutions.1.axis", "resolutions.2.deputy"]
    assert ids(await store.page_of_resolutions(ListQuery({}, None, 10))) == ["A"]


async def test_an_id_named_twice_is_refused_by_its_place() -> None:
    store = MemoryRegister()
    await with_session(store)
    with pytest.raises(Invalid) as refused:
        await record(store, ("A", terms()), (None, terms()), ("A", terms()))
    assert [f.field for f in refused.value.faults] == ["resolutions.2.resolution_id"]


async def test_nothing_is_resolved_before_a_session_begins() -> None:
    store = MemoryRegister()
    await handlers.schedule_session(gathering(), store, RULES, COORDINATION, NOW)
    with pytest.raises(NotNow):
        await record(store, (None, terms()))


async def test_deputies_do_not_record() -> None:
    store = MemoryRegister()
    await with_session(store)
    with pytest.raises(NotAllowed):
        await handlers.record_resolutions(
            "1402-IR-09", [Proposal(None, terms())], store, RULES, CIVIL, NOW
        )


async def close(store: MemoryRegister) -> Session:
    return await act(store, lambda s: decisions.close(s, COORDINATION, None, NOW))


async def test_a_session_closes_with_the_number_of_its_resolutions() -> None:
    store = MemoryRegister()
    await with_session(store)
    await record(store, (None, terms()), (None, terms()))
    await close(store)
    assert SessionClosed.from_json(store.events[-1].data).resolutions == 2


async def test_what_is_recorded_while_a_session_is_closed_is_counted() -> None:
    store = Contested()
    await with_session(store)
    store.faster.append(lambda: record(store, (None, terms())))
    closed = await close(store)
    assert closed.resolutions == 1
    assert SessionClosed.from_json(store.events[-1].data).resolutions == 1


async def test_two_who_record_at_once_get_numbers_of_their_own() -> None:
    store = Contested()
    await with_session(store)
    store.faster.append(lambda: record(store, (None, terms())))
    assert ids(await record(store, (None, terms()))) == ["1402-IR-09-R002"]


async def test_stale_is_raised_if_others_are_always_faster() -> None:
    store = Contested()
    await with_session(store)
    store.faster += [lambda: record(store, (None, terms()))] * 20
    with pytest.raises(Stale):
        await close(store)


async def test_an_amendment_and_a_withdrawal_are_published_for_the_deputy() -> None:
    store = MemoryRegister()
    await with_session(store)
    await record(store, ("A", terms()))
    amendment = Amendment(title="تکمیل پل")
    for decide in (
        lambda r: decisions.amend(r, MINISTER_OFFICE, amendment, None, LATER),
        lambda r: decisions.amend(r, MINISTER_OFFICE, amendment, None, LATER),
        lambda r: decisions.withdraw(r, MINISTER_OFFICE, None, LATER),
        lambda r: decisions.withdraw(r, MINISTER_OFFICE, None, LATER),
    ):
        await handlers.change_resolution(Command("A", store, RULES, MINISTER_OFFICE, NOW), decide)
    assert [(e.type, e.topic, e.version) for e in store.events[2:]] == [
        ("peygir.ResolutionApproved.v1", "peygir.resolutions.v1.civil", 1),
        ("peygir.ResolutionAmended.v1", "peygir.resolutions.v1.civil", 2),
        ("peygir.ResolutionWithdrawn.v1", "peygir.resolutions.v1.civil", 3),
    ]


async def test_a_resolution_that_nobody_recorded_is_unknown() -> None:
    with pytest.raises(UnknownResolution, match="A"):
        await handlers.change_resolution(
            Command("A", MemoryRegister(), RULES, CIVIL, NOW), lambda _: None
        )
