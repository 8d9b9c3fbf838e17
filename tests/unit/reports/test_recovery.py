"""After a restore from an older copy: reports are recovered, their texts are not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.reports import events, handlers
from services.reports.api.schemas import AxisCountItem, circular_item, report_item, whole_report
from services.reports.domain import decisions
from services.reports.domain.catalogue import CATALOGUES
from services.reports.domain.decisions import NotNow
from services.reports.domain.records import Expectation, Lost, State
from shared.contracts.events import ReportReminderDue
from shared.messaging.core.model import Event
from tests.unit.published import as_read
from tests.unit.reports.builders import (
    ADDRESSES,
    BEFORE,
    COORDINATION,
    DUE_AT,
    KHORASAN,
    RECEPTION,
    message,
    principal,
    scheduled,
    submission,
)
from tests.unit.reports.offices import (
    FENCE,
    INITIATIVES,
    Office,
    RandomCommand,
    follow,
    histories,
    without_texts,
)

LATER = DUE_AT + timedelta(days=40)  # after every due date of these tests


def as_known_again(whole: Expectation, copy: Expectation | None) -> Expectation:
    """The state that a recovered copy should have; session events were applied at another time."""
    report, held = whole.report, None if copy is None else copy.report
    if report is not None and (held is None or held.revision < report.revision):
        report = without_texts(report)
    return _but_when(replace(whole, report=report))


def _but_when(expectation: Expectation) -> Expectation:
    return replace(expectation, edition=0, changed_at=BEFORE)


@settings(max_examples=120)
@given(histories(), st.integers(0, 25), st.integers(0, 2), st.integers(1, 4))
def test_a_copy_catches_up_from_what_was_published(
    history: list[tuple[bool, RandomCommand]], kept: int, spread: int, batch: int
) -> None:
    """Whatever the copy holds, even no session, and whatever the batches in which all is read."""

    async def run() -> None:
        whole, copy = Office(), Office()
        await follow(whole, [command for _, command in history])
        await follow(copy, [command for _, command in history[:kept]])
        held = {e.session_id: e for e in await copy.everything()}
        missing = len(whole.published) - len(copy.published)
        assert await copy.catch_up(whole.published, spread, batch) == missing
        assert await copy.catch_up(whole.published, spread, batch) == 0
        await follow(copy, [command for heard, command in history if heard])
        now = await copy.everything()
        wanted = [as_known_again(e, held.get(e.session_id)) for e in await whole.everything()]
        assert [_but_when(e) for e in now] == wanted
        assert sorted(copy.published, key=_place) == sorted(whole.published, key=_place)
        assert await copy.catch_up(whole.published, spread, batch) == 0

    asyncio.run(run())


def _place(event: Event) -> tuple[str, int]:
    return event.aggregate_id, event.version


async def an_office(*session_ids: str) -> Office:
    office = Office()
    for id_ in session_ids:
        await office.hear(message(scheduled(id_), 1))
    return office


async def restored(published: Sequence[Event], session_id: str = "a") -> Office:
    """A recovered copy that held only the session."""
    copy = await an_office(session_id)
    await copy.catch_up(published)
    return copy


async def test_a_report_is_restored_without_its_texts() -> None:
    whole = await an_office("a")
    before = await whole.submit("a", initiatives=INITIATIVES)
    again = await (await restored(whole.published)).store.get("a")
    assert again is not None
    assert (again.state, again.version, again.restricted_version) == (State.SUBMITTED, 1, 1)
    shown = whole_report(again, COORDINATION)
    assert (shown.texts_lost, shown.content, shown.submitted_by) == (True, None, None)
    assert shown.axes == whole_report(before, COORDINATION).axes
    assert (shown.revision, shown.late, shown.initiatives) == (1, False, 1)
    assert not report_item(before, COORDINATION).texts_lost


async def test_a_restored_restricted_axis_stays_restricted() -> None:
    whole = await an_office("a")
    await whole.submit("a")
    again = await (await restored(whole.published)).store.get("a")
    assert again is not None
    assert again.report is not None
    assert again.report.restricted == {"security"}
    shown = report_item(again, KHORASAN)
    assert "security" in {item.axis for item in shown.axes}
    published = [event for event in whole.published if event.topic == ADDRESSES.reports]
    half = await (await restored(published)).store.get("a")
    assert half is not None
    assert "security" not in {item.axis for item in report_item(half, KHORASAN).axes}
    assert half.restricted_version == 0


async def test_lost_texts_are_not_distributed_and_may_be_sent_again() -> None:
    whole = await an_office("a")
    await whole.submit("a")
    copy = await restored(whole.published)
    with pytest.raises(NotNow, match="lost"):
        await copy.distribute("a")
    again = await copy.submit("a", initiatives=INITIATIVES)
    assert again.report is not None
    assert (again.report.revision, again.report.lost) == (2, None)
    assert (again.version, again.restricted_version) == (2, 2)
    content = whole_report(again, COORDINATION).content
    assert content is not None
    assert content.answers == submission().answers
    assert len({event.id for event in copy.published}) == len(copy.published) == 4


async def test_erased_texts_are_shown_as_lost_and_with_when_they_were_erased() -> None:
    whole = await an_office("a")
    before = await whole.submit("a", initiatives=INITIATIVES)
    assert before.report is not None
    lost = Lost(1, 0, erased_at=DUE_AT)
    erased = replace(before, report=replace(without_texts(before.report), lost=lost))
    shown = whole_report(erased, COORDINATION)
    assert (shown.texts_lost, shown.erased_at, shown.content) == (True, DUE_AT, None)
    assert (shown.initiatives, shown.special_topics) == (1, 0)
    with pytest.raises(NotNow, match="revision 1: its texts were erased"):
        decisions.distribute(erased, COORDINATION, RECEPTION.recipients, DUE_AT)
    assert report_item(before, COORDINATION).erased_at is None


async def test_events_that_come_before_their_session_wait_and_are_not_published_again() -> None:
    whole = await an_office("a")
    await handlers.sweep(whole.store, RECEPTION, LATER, FENCE)
    await whole.submit("a")
    copy = Office()
    assert await copy.catch_up(whole.published) == 3
    assert await copy.store.get("a") is None
    await copy.hear(message(scheduled("a"), 1))
    again = await copy.store.get("a")
    assert again is not None
    assert (again.version, again.restricted_version, again.overdue_for) == (2, 1, (DUE_AT,))
    assert await handlers.sweep(copy.store, RECEPTION, LATER, FENCE) == 0
    assert len(copy.published) == 3


async def test_a_circular_is_restored_without_who_issued_it() -> None:
    whole, copy = Office(), Office()
    await whole.issue("c-1")
    assert await copy.catch_up(whole.published) == 1
    again = await copy.circulars.get("c-1")
    known = await whole.circulars.get("c-1")
    assert known is not None
    assert again == replace(known, issued_by=None)
    assert circular_item(again).issued_by is None
    await copy.issue("c-1")  # repeated, so nothing is added
    assert len(copy.published) == 1


async def test_other_events_are_passed_over() -> None:
    data = ReportReminderDue(session_id="a", province="IR-09", due_at=DUE_AT)
    event = Event("1", data.TYPE, ADDRESSES.reports, "a", "a", 1, BEFORE, "", data.to_json())
    office = await an_office("a")
    assert await office.catch_up([event]) == 0
    expectation = await office.store.get("a")
    assert expectation is not None
    assert events.from_event(event, expectation, ADDRESSES, CATALOGUES) is None


async def test_of_a_catalogue_that_is_not_known_here_what_is_restricted_stays_so() -> None:
    whole = await an_office("a")
    before = await whole.submit("a")
    copy = await an_office("a")
    without = replace(RECEPTION, catalogues={})
    for event in whole.published:
        await handlers.recover([as_read(event)], copy.store, copy.circulars, without)
    again = await copy.store.get("a")
    assert again is not None
    for by in (COORDINATION, principal("deputy:civil")):
        shown, known = report_item(again, by), report_item(before, by)
        assert sorted(shown.axes, key=_axis) == sorted(known.axes, key=_axis)


def _axis(item: AxisCountItem) -> str:
    return item.axis
