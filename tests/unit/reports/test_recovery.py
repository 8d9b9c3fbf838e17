"""After a restored copy: what became of reports comes back, and what they said does not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeAlias
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.reports import events, handlers
from services.reports.api.items import AxisCountItem, circular_item, report_item, whole_report
from services.reports.domain import decisions
from services.reports.domain.catalogue import CATALOGUES
from services.reports.domain.decisions import NotNow, Refused
from services.reports.domain.records import (
    Expectation,
    Fact,
    Lost,
    Paragraph,
    Report,
    State,
)
from services.reports.handlers import Query
from shared.contracts.events import EventData, ReportReminderDue
from shared.messaging.records import Cause, Event, Fence, Message
from tests.stores.fakes_reports import MemoryCirculars, MemoryExpectations
from tests.unit.published import as_read
from tests.unit.reports.builders import (
    ADDRESSES,
    BEFORE,
    COORDINATION,
    DUE_AT,
    KHORASAN,
    RECEPTION,
    cancelled,
    message,
    principal,
    rescheduled,
    scheduled,
    submission,
)

FENCE = Fence("sweeper", "me", 1)
INITIATIVES = (Paragraph("قرارگاه جهادی محله‌ها", "در چهل محله"),)
LATER = DUE_AT + timedelta(days=40)  # after every due date of these tests


@dataclass(frozen=True, slots=True)
class Office:
    """Both stores, and what came from the topic of sessions."""

    store: MemoryExpectations = field(default_factory=MemoryExpectations)
    circulars: MemoryCirculars = field(default_factory=MemoryCirculars)

    @property
    def told(self) -> list[Event]:
        return [*self.store.events, *self.circulars.events]

    async def hear(self, one: Message) -> None:
        decision = await handlers.take([one], self.store, RECEPTION, BEFORE)
        await self.store.save(decision.changes, Cause("event", "reports"))

    async def act(
        self, session_id: str, decide: Callable[[Expectation], Sequence[Fact]]
    ) -> Expectation:
        return await handlers.act(session_id, self.store, RECEPTION, KHORASAN, decide, "trace")

    async def submit(self, session_id: str, restricted: bool = True, **changes: Any) -> Expectation:
        apart = RECEPTION.restricted if restricted else ()
        sent = submission(**changes)
        return await self.act(
            session_id,
            lambda e: decisions.submit(e, KHORASAN, sent, CATALOGUES, apart, BEFORE),
        )

    async def distribute(self, session_id: str) -> Expectation:
        recipients = RECEPTION.recipients
        return await self.act(
            session_id, lambda e: [decisions.distribute(e, COORDINATION, recipients, LATER)]
        )

    async def issue(self, circular_id: str) -> None:
        wanted = decisions.issue(circular_id, COORDINATION, 1, ("IR-09",), CATALOGUES, BEFORE)
        await handlers.issue(wanted, self.circulars, RECEPTION, COORDINATION, None)

    async def everything(self) -> list[Expectation]:
        return list(await self.store.page(Query(None, 1_000)))

    async def catch_up(self, told: Sequence[Event], spread: int = 0, batch: int = 2_000) -> int:
        """Take in all that was told, in batches; return how many events were missing."""
        return sum(
            [
                await handlers.take_in(part, self.store, self.circulars, RECEPTION)
                for part in _parts(told, spread, batch)
            ]
        )


def _parts(told: Sequence[Event], spread: int, batch: int) -> Iterator[list[Message]]:
    for topic in (ADDRESSES.reports, ADDRESSES.restricted, ADDRESSES.circulars):
        for number in range(3):
            partition = [
                as_read(event)
                for event in told
                if event.topic == topic and (crc32(event.key.encode()) + spread) % 3 == number
            ]
            for start in range(0, len(partition), batch):
                yield partition[start : start + batch]


Command: TypeAlias = Callable[[Office], Awaitable[object]]


def hearing(data: Callable[[str], EventData]) -> Callable[[str, int], Command]:
    return lambda id_, sequence: lambda office: office.hear(message(data(id_), sequence))


_heard = st.sampled_from(
    [
        hearing(scheduled),
        hearing(rescheduled),
        hearing(lambda id_: rescheduled(id_, days=14)),
        hearing(cancelled),
    ]
)
_changes = st.sampled_from(
    [
        {},
        {"answers": {}, "url": "https://example.org/r"},
        {"initiatives": INITIATIVES, "special_topics": INITIATIVES * 2},
        {"restricted": False},
    ]
)
_ids = st.sampled_from(["a", "b", "c"])


def submitting(id_: str, changes: dict[str, Any]) -> Command:
    return lambda office: office.submit(id_, **changes)


def sweeping(days: int) -> Command:
    now = DUE_AT + timedelta(days=days)
    return lambda office: handlers.sweep(office.store, RECEPTION, now, FENCE)


_done: st.SearchStrategy[Command] = st.one_of(
    st.builds(submitting, _ids, _changes),
    st.builds(sweeping, st.sampled_from([0, 8, 20])),
    _ids.map(lambda id_: lambda office: office.distribute(id_)),
    _ids.map(lambda id_: lambda office: office.issue(id_)),
)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[bool, Command]]:
    """What happened, in order; and of each whether it came from the topic of sessions."""
    history: list[tuple[bool, Command]] = []
    for sequence in range(1, draw(st.integers(1, 25))):
        heard = draw(st.booleans())
        command = draw(_heard)(draw(_ids), sequence) if heard else draw(_done)
        history.append((heard, command))
    return [(True, hearing(scheduled)("a", 1)), *history]


async def follow(office: Office, commands: Sequence[Command]) -> None:
    """Do what can be done of it."""
    for command in commands:
        with suppress(Refused):
            await command(office)


def without_texts(report: Report) -> Report:
    """All that the topics tell of a report."""
    lost = Lost(len(report.initiatives), len(report.special_topics))
    known = replace(report, submitted_by=None, answers={}, initiatives=(), special_topics=())
    return replace(known, lost=lost)


def as_known_again(whole: Expectation, copy: Expectation | None) -> Expectation:
    """What a copy knows after it caught up; sessions were heard of anew, at another time."""
    report, held = whole.report, None if copy is None else copy.report
    if report is not None and (held is None or held.revision < report.revision):
        report = without_texts(report)
    return _but_when(replace(whole, report=report))


def _but_when(expectation: Expectation) -> Expectation:
    return replace(expectation, edition=0, changed_at=BEFORE)


@settings(max_examples=120)
@given(histories(), st.integers(0, 25), st.integers(0, 2), st.integers(1, 4))
def test_a_copy_catches_up_from_what_was_published(
    history: list[tuple[bool, Command]], kept: int, spread: int, batch: int
) -> None:
    """Whatever the copy holds, even of no session, and in whatever batches all is read again."""

    async def run() -> None:
        whole, copy = Office(), Office()
        await follow(whole, [command for _, command in history])
        await follow(copy, [command for _, command in history[:kept]])
        held = {e.session_id: e for e in await copy.everything()}
        missing = len(whole.told) - len(copy.told)
        assert await copy.catch_up(whole.told, spread, batch) == missing
        assert await copy.catch_up(whole.told, spread, batch) == 0
        await follow(copy, [command for heard, command in history if heard])
        now = await copy.everything()
        wanted = [as_known_again(e, held.get(e.session_id)) for e in await whole.everything()]
        assert [_but_when(e) for e in now] == wanted
        assert sorted(copy.told, key=_place) == sorted(whole.told, key=_place)
        assert await copy.catch_up(whole.told, spread, batch) == 0

    asyncio.run(run())


def _place(event: Event) -> tuple[str, int]:
    return event.aggregate_id, event.version


async def an_office(*session_ids: str) -> Office:
    office = Office()
    for id_ in session_ids:
        await office.hear(message(scheduled(id_), 1))
    return office


async def known_again(told: Sequence[Event], session_id: str = "a") -> Office:
    """A copy that knew the session alone, caught up."""
    copy = await an_office(session_id)
    await copy.catch_up(told)
    return copy


async def test_a_report_is_known_again_without_what_it_says() -> None:
    whole = await an_office("a")
    before = await whole.submit("a", initiatives=INITIATIVES)
    again = await (await known_again(whole.told)).store.get("a")
    assert again is not None
    assert (again.state, again.version, again.restricted_version) == (State.SUBMITTED, 1, 1)
    shown = whole_report(again, COORDINATION)
    assert (shown.texts_lost, shown.content, shown.submitted_by) == (True, None, None)
    assert shown.axes == whole_report(before, COORDINATION).axes
    assert (shown.revision, shown.late, shown.initiatives) == (1, False, 1)
    assert not report_item(before, COORDINATION).texts_lost


async def test_a_restricted_axis_stays_restricted_when_it_is_known_again() -> None:
    whole = await an_office("a")
    await whole.submit("a")
    again = await (await known_again(whole.told)).store.get("a")
    assert again is not None
    assert again.report is not None
    assert again.report.restricted == {"security"}
    shown = report_item(again, KHORASAN)
    assert "security" in {item.axis for item in shown.axes}
    told = [event for event in whole.told if event.topic == ADDRESSES.reports]
    half = await (await known_again(told)).store.get("a")
    assert half is not None
    assert "security" not in {item.axis for item in report_item(half, KHORASAN).axes}
    assert half.restricted_version == 0


async def test_lost_texts_are_not_distributed_and_may_be_sent_again() -> None:
    whole = await an_office("a")
    await whole.submit("a")
    copy = await known_again(whole.told)
    with pytest.raises(NotNow, match="lost"):
        await copy.distribute("a")
    again = await copy.submit("a", initiatives=INITIATIVES)
    assert again.report is not None
    assert (again.report.revision, again.report.lost) == (2, None)
    assert (again.version, again.restricted_version) == (2, 2)
    content = whole_report(again, COORDINATION).content
    assert content is not None
    assert content.answers == submission().answers
    assert len({event.id for event in copy.told}) == len(copy.told) == 4


async def test_what_came_before_its_session_waits_for_it_and_is_never_told_again() -> None:
    whole = await an_office("a")
    await handlers.sweep(whole.store, RECEPTION, LATER, FENCE)
    await whole.submit("a")
    copy = Office()
    assert await copy.catch_up(whole.told) == 3
    assert await copy.store.get("a") is None
    await copy.hear(message(scheduled("a"), 1))
    again = await copy.store.get("a")
    assert again is not None
    assert (again.version, again.restricted_version, again.overdue_for) == (2, 1, (DUE_AT,))
    assert await handlers.sweep(copy.store, RECEPTION, LATER, FENCE) == 0
    assert len(copy.told) == 3


async def test_a_circular_is_known_again_but_not_who_issued_it() -> None:
    whole, copy = Office(), Office()
    await whole.issue("c-1")
    assert await copy.catch_up(whole.told) == 1
    again = await copy.circulars.get("c-1")
    known = await whole.circulars.get("c-1")
    assert known is not None
    assert again == replace(known, issued_by=None)
    assert circular_item(again).issued_by is None
    await copy.issue("c-1")  # the same again is known
    assert len(copy.told) == 1


async def test_other_events_are_passed_over() -> None:
    data = ReportReminderDue(session_id="a", province="IR-09", due_at=DUE_AT)
    event = Event("1", data.TYPE, ADDRESSES.reports, "a", "a", 1, BEFORE, "", data.to_json())
    office = await an_office("a")
    assert await office.catch_up([event]) == 0
    expectation = await office.store.get("a")
    assert expectation is not None
    assert events.fact_of(event, expectation, ADDRESSES, CATALOGUES) is None


async def test_of_a_catalogue_that_is_not_known_here_what_is_restricted_stays_so() -> None:
    whole = await an_office("a")
    before = await whole.submit("a")
    copy = await an_office("a")
    without = replace(RECEPTION, catalogues={})
    for event in whole.told:
        await handlers.take_in([as_read(event)], copy.store, copy.circulars, without)
    again = await copy.store.get("a")
    assert again is not None
    for by in (COORDINATION, principal("deputy:civil")):
        shown, known = report_item(again, by), report_item(before, by)
        assert sorted(shown.axes, key=_axis) == sorted(known.axes, key=_axis)


def _axis(item: AxisCountItem) -> str:
    return item.axis
