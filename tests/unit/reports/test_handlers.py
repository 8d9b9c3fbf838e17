"""Batches of events, commands and sweeps over a store in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.reports import handlers
from services.reports.domain import decisions
from services.reports.domain.catalogue import CATALOGUES
from services.reports.domain.circulars import Circular
from services.reports.domain.decisions import Conflict, UnknownSession
from services.reports.domain.records import Expectation, Fact, State
from services.reports.handlers import Change
from shared.contracts.events import EventData, SessionOpened
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import (
    CommitContext,
    Defer,
    Event,
    Fence,
    Message,
    Outcome,
    Refusal,
    Verdict,
)
from shared.runtime.commands import Command
from tests.stores.fakes_reports import MemoryCirculars, MemoryExpectations
from tests.unit.reports.builders import (
    BEFORE,
    COORDINATION,
    DUE_AT,
    KHORASAN,
    RECEPTION,
    STARTS_AT,
    cancelled,
    message,
    rescheduled,
    scheduled,
    submission,
)

FENCE = Fence("sweeper", "me", 1)
LATER = DUE_AT + timedelta(minutes=1)
SESSION_ID = "1402-IR-09"


async def take(store: MemoryExpectations, *messages: Message) -> Sequence[Verdict]:
    """Apply one batch and save it."""
    decision = await handlers.handle_events(messages, store, RECEPTION, BEFORE)
    await store.save(decision.changes, CommitContext("event", "reports"))
    return decision.verdicts


async def submit(store: MemoryExpectations, now: datetime = BEFORE) -> Expectation:
    def decide(expectation: Expectation) -> Sequence[Fact]:
        return decisions.submit(
            expectation, KHORASAN, submission(), CATALOGUES, RECEPTION.restricted, now
        )

    return await handlers.change_expectation(
        Command(SESSION_ID, store, RECEPTION, KHORASAN, BEFORE), decide
    )


def slugs(verdicts: Sequence[Verdict]) -> list[str]:
    assert not any(isinstance(verdict, Defer) for verdict in verdicts)
    return [v.reason if isinstance(v, Refusal) else str(v) for v in verdicts]


def types(events: Sequence[Event]) -> list[str]:
    return [event.type.split(".")[1] for event in events]


# -- events of the scheduler --------------------------------------------------------------------


async def test_a_provincial_session_asks_for_a_report(store: MemoryExpectations) -> None:
    verdicts = await take(store, message(scheduled(), 1))
    assert slugs(verdicts) == ["applied"]
    expectation = await store.get(SESSION_ID)
    assert expectation is not None
    assert (expectation.state, expectation.next_due) == (State.AWAITED, DUE_AT)
    assert not store.events


async def test_without_a_due_time_from_the_scheduler_it_is_72_hours_before(
    store: MemoryExpectations,
) -> None:
    await take(store, message(scheduled(report_due_at=None), 1))
    expectation = await store.get(SESSION_ID)
    assert expectation is not None
    assert expectation.next_due == STARTS_AT - timedelta(hours=72)


async def test_other_events_are_ignored(store: MemoryExpectations) -> None:
    opened = SessionOpened(session_id=SESSION_ID, opened_at=STARTS_AT)
    assert await take(store, message(opened, 3)) == [Outcome.IGNORED]


async def test_other_gatherings_ask_for_none_and_may_move_and_be_cancelled(
    store: MemoryExpectations,
) -> None:
    council = scheduled("council", kind="council-strategic", provinces=(), report_due_at=None)
    verdicts = await take(
        store,
        message(council, 1),
        message(rescheduled("council"), 2),
        message(cancelled("council"), 3),
    )
    assert not [v for v in verdicts if isinstance(v, Refusal)]
    assert not await store.due(STARTS_AT + timedelta(days=99), 10)


async def test_an_older_event_never_goes_over_a_newer_one(store: MemoryExpectations) -> None:
    await take(store, message(scheduled(), 1), message(rescheduled(days=14), 3))
    verdicts = await take(
        store, message(rescheduled(days=7), 2), message(scheduled(), 1), message(cancelled(), 3)
    )
    assert slugs(verdicts) == ["duplicate"] * 3
    expectation = await store.get(SESSION_ID)
    assert expectation is not None
    assert expectation.session.starts_at == STARTS_AT + timedelta(days=14)


async def test_without_a_sequence_the_same_event_counts_once(store: MemoryExpectations) -> None:
    await take(store, message(scheduled(), id_="a"), message(rescheduled(days=7), id_="b"))
    await take(store, message(rescheduled(days=14), id_="c"))
    again = [message(scheduled(), id_="z"), message(rescheduled(days=7), id_="b")]
    assert slugs(await take(store, *again)) == ["duplicate", "duplicate"]
    expectation = await store.get(SESSION_ID)
    assert expectation is not None
    assert expectation.session.starts_at == STARTS_AT + timedelta(days=14)


async def test_the_number_of_a_stranger_shuts_nothing_of_the_scheduler_out(
    store: MemoryExpectations,
) -> None:
    await take(store, message(scheduled(), 1))
    strange = message(rescheduled(days=7), 10**17, id_="s", source="/foreign")
    assert slugs(await take(store, strange, strange)) == ["applied", "duplicate"]
    assert slugs(await take(store, message(rescheduled(days=14), 2), strange)) == [
        *("applied", "duplicate"),
    ]
    expectation = await store.get(SESSION_ID)
    assert expectation is not None
    assert expectation.session.starts_at == STARTS_AT + timedelta(days=14)
    assert expectation.sequence == 2


async def test_what_cannot_be_applied_is_refused_with_its_reason(
    store: MemoryExpectations,
) -> None:
    verdicts = await take(
        store,
        message(scheduled(), 1),
        message(scheduled(title="عنوان دیگر"), 2),
        message(scheduled("two", provinces=("IR-09", "IR-07")), 1),
        message(cancelled("nobody"), 1),
        message(cancelled(), 3),
        message(rescheduled(), 4),
    )
    assert slugs(verdicts) == [
        *("applied", "conflict", "not-one-province", "unknown-session", "applied", "not-now"),
    ]


EVENTS: list[tuple[EventData, int]] = [
    (scheduled("a"), 1),
    (scheduled("b", provinces=("IR-07",)), 1),
    (rescheduled("a", days=3), 2),
    (rescheduled("b", days=5), 2),
    (rescheduled("a", days=9), 3),
    (cancelled("b"), 3),
    (rescheduled("a", days=2), 4),
]


@given(cuts=st.sets(st.integers(1, len(EVENTS) * 2)), back=st.integers(0, len(EVENTS)))
@settings(deadline=None)
def test_batches_and_repetitions_do_not_change_the_result(cuts: set[int], back: int) -> None:
    """`back`: how many events the sender repeats, as after a crash."""

    async def ending(stream: Sequence[Message], ends: Sequence[int]) -> object:
        store = MemoryExpectations()
        for start, end in zip([0, *ends], [*ends, len(stream)], strict=True):
            await take(store, *stream[start:end])
        return await store.of_sessions(["a", "b"])

    whole = [
        message(data, sequence, id_=str(n), offset=n) for n, (data, sequence) in enumerate(EVENTS)
    ]
    stream = whole + whole[len(whole) - back :]
    ends = sorted(cut for cut in cuts if cut < len(stream))
    assert asyncio.run(ending(stream, ends)) == asyncio.run(ending(whole, []))


# -- commands -----------------------------------------------------------------------------------


async def test_a_report_is_published_in_two_events(store: MemoryExpectations) -> None:
    await take(store, message(scheduled(), 1))
    await submit(store)
    report, restricted = store.events
    assert (report.topic, report.aggregate_id, report.version) == ("reports", SESSION_ID, 1)
    assert (restricted.topic, restricted.aggregate_id) == (
        "restricted",
        f"{SESSION_ID}/restricted",
    )
    assert restricted.version == 1
    assert report.key == restricted.key == SESSION_ID
    assert report.id != restricted.id
    assert "security" not in report.data.decode()
    assert [axis["axis"] for axis in json.loads(restricted.data)["axes"]] == ["security"]


async def test_without_restricted_axes_a_report_is_one_event(store: MemoryExpectations) -> None:
    await take(store, message(scheduled(), 1))
    open_ = replace(RECEPTION, restricted=frozenset())

    def decide(expectation: Expectation) -> Sequence[Fact]:
        return decisions.submit(expectation, KHORASAN, submission(), CATALOGUES, (), BEFORE)

    await handlers.change_expectation(Command(SESSION_ID, store, open_, KHORASAN, BEFORE), decide)
    (event,) = store.events
    assert len(json.loads(event.data)["axes"]) == 8


async def test_the_slower_of_two_decides_again() -> None:
    class Hindered(MemoryExpectations):
        hinder = False

        async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
            if self.hinder:
                self.hinder = False
                await submit(self)
            await super().save(changes, cause)

    store = Hindered()
    await take(store, message(scheduled(), 1))
    store.hinder = True
    expectation = await submit(store)
    assert expectation.report is not None
    assert expectation.report.revision == 2
    assert [e.version for e in store.events if e.topic == "reports"] == [1, 2]


async def test_stale_is_raised_if_others_are_faster_every_time() -> None:
    class Busy(MemoryExpectations):
        async def save(self, changes: Sequence[Change], cause: CommitContext) -> None:
            if cause.kind == "request":
                raise Stale("moved on")
            await super().save(changes, cause)

    store = Busy()
    await take(store, message(scheduled(), 1))
    with pytest.raises(Stale):
        await submit(store)


async def test_a_report_for_an_unknown_session_is_refused(store: MemoryExpectations) -> None:
    with pytest.raises(UnknownSession):
        await submit(store)


async def test_a_circular_is_issued_once() -> None:
    circulars = MemoryCirculars()
    wanted = decisions.issue("c-1", COORDINATION, 1, ("IR-09",), CATALOGUES, BEFORE)

    async def issue(*provinces: str) -> Circular:
        return await handlers.issue_circular(
            "c-1", 1, provinces, circulars, RECEPTION, COORDINATION, BEFORE
        )

    for _ in range(2):
        assert await issue("IR-09") == wanted
    with pytest.raises(Conflict):
        await issue("IR-07")
    (event,) = circulars.events
    assert (event.key, event.version, event.topic) == ("c-1", 1, "circulars")
    assert len(json.loads(event.data)["axes"]) == 8
