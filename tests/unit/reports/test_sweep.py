"""What is overdue is announced once, and events are numbered without gaps."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reports import handlers
from services.reports.domain import decisions
from services.reports.domain.records import Expectation, Fact
from shared.messaging.core.model import (
    CommitContext,
    Event,
)
from shared.runtime.commands import Command
from shared.runtime.refusals import Refused
from tests.stores.fakes_reports import MemoryExpectations
from tests.unit.reports.builders import (
    BEFORE,
    COORDINATION,
    DUE_AT,
    RECEPTION,
    cancelled,
    message,
    rescheduled,
    scheduled,
)
from tests.unit.reports.test_handlers import FENCE, LATER, SESSION_ID, submit, take, types


async def test_what_is_due_is_announced_once_under_the_lease(store: MemoryExpectations) -> None:
    await take(store, message(scheduled(), 1))
    almost = DUE_AT - timedelta(milliseconds=1)
    assert await handlers.sweep(store, RECEPTION, almost, FENCE) == 0
    assert await handlers.sweep(store, RECEPTION, DUE_AT, FENCE) == 1
    assert await handlers.sweep(store, RECEPTION, LATER, FENCE) == 0
    (event,) = store.events
    assert json.loads(event.data)["due_at"] == "2024-02-23T05:30:00.000Z"
    assert store.causes[-1] == CommitContext("clock", "sweeper", fence=FENCE)


async def test_a_session_that_moves_on_is_due_again(store: MemoryExpectations) -> None:
    await take(store, message(scheduled(), 1))
    await handlers.sweep(store, RECEPTION, LATER, FENCE)
    await take(store, message(rescheduled(days=7), 2))
    assert await handlers.sweep(store, RECEPTION, LATER, FENCE) == 0
    await handlers.sweep(store, RECEPTION, LATER + timedelta(days=7), FENCE)
    assert types(store.events) == ["ReportOverdue", "ReportOverdue"]
    assert len({event.id for event in store.events}) == 2


@given(
    st.lists(
        st.tuples(st.sampled_from(["move", "submit", "distribute", "cancel"]), st.integers(0, 9)),
        max_size=15,
    )
)
@settings(max_examples=60, deadline=None)
def test_events_are_always_numbered_without_gaps(steps: list[tuple[str, int]]) -> None:
    async def live() -> list[Event]:
        store = MemoryExpectations()
        await take(store, message(scheduled(), 1))
        now, recipients = BEFORE, RECEPTION.recipients

        def give_out(expectation: Expectation) -> Sequence[Fact]:
            return [decisions.distribute(expectation, COORDINATION, recipients, now)]

        for number, (step, days) in enumerate(steps):
            now += timedelta(days=days)
            await handlers.sweep(store, RECEPTION, now, FENCE)
            try:
                if step == "move":
                    await take(store, message(rescheduled(days=days), number + 2))
                elif step == "cancel":
                    await take(store, message(cancelled(), number + 2))
                elif step == "submit":
                    await submit(store, now)
                else:
                    await handlers.change_expectation(
                        Command(SESSION_ID, store, RECEPTION, COORDINATION, now), give_out
                    )
            except Refused:
                continue
        return store.events

    events = asyncio.run(live())
    versions: dict[str, list[int]] = defaultdict(list)
    for event in events:
        versions[event.aggregate_id].append(event.version)
    assert all(v == list(range(1, len(v) + 1)) for v in versions.values())
    assert len({event.id for event in events}) == len(events)
    published = types([event for event in events if event.aggregate_id == SESSION_ID])
    if "ReportSubmitted" in published:
        assert "ReportOverdue" not in published[published.index("ReportSubmitted") :]
