"""What holds for any batches of resolution events, in any order and repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.followups import handlers
from shared.messaging.core.model import Event, Message, Outcome, Refusal
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.followups.examples import APPROVER, LATER, SCHEDULER, STRANGER, TRACKING, unhurried
from tests.unit.followups.messages import (
    all_of,
    amendment,
    approval,
    as_read,
    counts_of,
    message,
    offer_again,
    take,
    withdrawal,
)

# -- laws ---------------------------------------------------------------------------------------

_sources = st.sampled_from([APPROVER, SCHEDULER, STRANGER])
_deputies = st.sampled_from(["civil"] * 9 + ["social"])
_resolutions = st.sampled_from(["R-1", "R-2"])
_days = st.sampled_from(["2023-01-01", "2024-01-01", "2024-02-01", "2024-03-01"])


@st.composite
def arrivals(draw: st.DrawFn) -> list[Message]:
    """Draw events of two resolutions in any order, some repeated."""

    def any_message(id_: str) -> Message:
        names = {"resolution_id": draw(_resolutions), "deputy": draw(_deputies)}
        match draw(st.integers(0, 9)):
            case 0 | 1 | 2:
                return approval(id_, draw(_sources), due_on="2024-01-01", **names)
            case 3:
                return approval(id_, APPROVER, due_on=draw(_days), **names)
            case 4:
                return withdrawal(id_, draw(_sources), **names)
            case 5:
                return message("SessionOpened", id_, session_id="s", opened_at=LATER.isoformat())
            case _:
                at = f"2023-11-0{draw(st.integers(1, 4))}T00:00:00Z"
                return amendment(id_, draw(_sources), due_on=draw(_days), amended_at=at, **names)

    distinct = [any_message(str(n)) for n in range(draw(st.integers(1, 12)))]
    again = draw(st.lists(st.sampled_from(distinct), max_size=12))
    return draw(st.permutations([*distinct, *again]))


@st.composite
def batched_logs(draw: st.DrawFn) -> tuple[list[Message], list[Sequence[Message]]]:
    """Draw a log, and the same log divided into batches."""
    log = draw(arrivals())
    cuts = sorted(draw(st.sets(st.integers(1, len(log)))))
    ends = zip([0, *cuts], [*cuts, len(log)], strict=True)
    return log, [log[start:end] for start, end in ends if start < end]


@unhurried
@given(batched_logs())
def test_the_result_does_not_depend_on_how_a_log_is_divided_into_batches(
    case: tuple[list[Message], list[Sequence[Message]]],
) -> None:
    async def run(batches: Sequence[Sequence[Message]]) -> tuple[Any, ...]:
        store = MemoryFollowups()
        verdicts = [verdict for batch in batches for verdict in await take(store, *batch)]
        by_followup = sorted(store.events, key=lambda e: (e.aggregate_id, e.version))
        return verdicts, await all_of(store), by_followup, await counts_of(store)

    log, batches = case
    one_by_one = asyncio.run(run([[message] for message in log]))
    assert asyncio.run(run(batches)) == one_by_one


@unhurried
@given(arrivals())
def test_a_repeated_event_changes_nothing(log: list[Message]) -> None:
    async def run() -> None:
        store, done = MemoryFollowups(), set[int]()
        for one in log:
            before = await all_of(store)
            (verdict,) = await take(store, one)
            if id(one) in done:
                assert verdict in {Outcome.DUPLICATE, Outcome.IGNORED}
                assert await all_of(store) == before
            if not isinstance(verdict, Refusal):
                done.add(id(one))

    asyncio.run(run())


@unhurried
@given(arrivals(), st.integers(0, 30), st.integers(1, 7))
def test_a_restored_copy_recovers_from_published_events(
    log: list[Message], kept: int, batch: int
) -> None:
    """Whatever the copy holds, and however often the topic is read again."""

    async def run() -> None:
        whole = MemoryFollowups()
        for one in log:
            await take(whole, one)
        copy = MemoryFollowups()
        for one in log[:kept]:
            await take(copy, one)
        published = [as_read(event) for event in whole.events]
        missing = len(whole.events) - len(copy.events)
        parts = [published[n : n + batch] for n in range(0, len(published), batch)]
        taken = [await handlers.recover(part, copy, TRACKING) for part in parts]
        assert sum(taken) == missing
        assert await all_of(copy) == await all_of(whole)
        assert await counts_of(copy) == await counts_of(whole)
        assert sorted(copy.events, key=_place) == sorted(whole.events, key=_place)
        assert await handlers.recover(published, copy, TRACKING) == 0

    asyncio.run(run())


def _place(event: Event) -> tuple[str, int]:
    return event.aggregate_id, event.version


@st.composite
def early_and_late(draw: st.DrawFn) -> tuple[list[Message], list[list[Message]]]:
    """Draw amendments in order, perhaps a withdrawal, and batches in which the approval is late."""
    changes: list[dict[str, Any]] = draw(
        st.lists(
            st.sampled_from([{"due_on": "2024-06-01"}, {"title": "نو"}, {"text": "شرح"}]),
            min_size=1,
            max_size=4,
        )
    )
    log = [
        amendment(f"a{n}", amended_at=f"2023-11-0{n + 1}T00:00:00Z", **change)
        for n, change in enumerate(changes)
    ]
    if draw(st.booleans()):
        log.append(withdrawal("w"))
    arrived = list(log)
    arrived.insert(draw(st.integers(0, len(log))), approval())
    cuts = sorted(draw(st.sets(st.integers(1, len(arrived)))) | {len(arrived)})
    return log, [arrived[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]


@unhurried
@given(early_and_late(), st.lists(st.booleans(), min_size=10, max_size=10))
def test_a_late_approval_leads_to_the_same_result(
    case: tuple[list[Message], list[list[Message]]], offers: list[bool]
) -> None:
    async def run() -> None:
        log, batches = case
        in_order, late = MemoryFollowups(), MemoryFollowups()
        await take(in_order, approval(), *log)
        for batch, offered in zip(batches, offers, strict=False):
            await take(late, *batch)
            if offered:
                await offer_again(late, log)
        await offer_again(late, log)
        assert late.deferred == {}
        assert await all_of(late) == await all_of(in_order)
        assert await counts_of(late) == await counts_of(in_order)
        assert await take(late, *log) == [Outcome.DUPLICATE] * len(log)

    asyncio.run(run())
