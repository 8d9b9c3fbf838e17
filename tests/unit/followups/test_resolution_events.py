"""Events of resolutions: approvals, amendments and withdrawals, over follow-ups in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.followups import handlers
from services.followups.domain.records import State
from shared.contracts.events import ResolutionApproved
from shared.messaging.core.model import Defer, Message, Outcome, Refusal
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.followups.examples import LATER, SCHEDULER, STRANGER, TOPIC, TRACKING
from tests.unit.followups.messages import (
    CAUSE,
    all_of,
    amendment,
    approval,
    as_read,
    message,
    take,
    the_one,
    withdrawal,
)


async def test_an_approval_with_texts_before_normalisation_is_recognised() -> None:
    again = approval("2", title=" پل\r\n", text="\u200b")
    before = replace(again, data=ResolutionApproved.from_json(again.event.data))
    store = MemoryFollowups()
    assert await take(store, before) == [Outcome.APPLIED]
    assert (await the_one(store)).resolution.title == " پل\r\n"
    assert await take(store, again) == [Outcome.DUPLICATE]
    (refused,) = await take(store, approval("3", title=" پلی\r\n", text="\u200b"))
    assert isinstance(refused, Refusal)


async def test_an_approval_with_other_invisible_characters_is_a_duplicate() -> None:
    store = MemoryFollowups()
    assert await take(store, approval("1", title="پل")) == [Outcome.APPLIED]
    assert await take(store, approval("2", title="\ufeffپل\u202c ")) == [Outcome.DUPLICATE]
    assert (await the_one(store)).resolution.title == "پل"


# -- what comes by event ------------------------------------------------------------------------


async def test_an_approval_opens_a_follow_up_and_passes_its_trace_on() -> None:
    store = MemoryFollowups()
    traced = approval()
    traced = replace(
        traced,
        event=replace(
            traced.event, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
        ),
    )
    assert await take(store, traced, approval("2")) == [Outcome.APPLIED, Outcome.DUPLICATE]
    followup = await the_one(store)
    assert (followup.state, followup.opened_at) == (State.OPENED, LATER)
    (event,) = store.events
    assert (event.topic, event.key, event.trace) == (
        TOPIC,
        "R-1",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    )


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (approval(title="عنوان دیگر"), "conflict"),
        (approval(deputy="social"), "wrong-deputy"),
        (approval(resolution_id="R-2", deputy="social"), "wrong-deputy"),
        (approval(resolution_id="R-2", due_on="2023-10-15"), "due-before-approval"),
        (amendment("x", deputy="social", title="عنوان دیگر"), "wrong-deputy"),
        (amendment("x", STRANGER, title="عنوان دیگر"), "not-the-approver"),
        (amendment("x", due_on="2023-10-15"), "due-before-approval"),
        (withdrawal("x", deputy="social"), "wrong-deputy"),
        (withdrawal("x", STRANGER), "not-the-approver"),
    ],
)
async def test_an_invalid_event_is_refused_with_its_reason(wrong: Message, reason: str) -> None:
    store = MemoryFollowups()
    good, bad, after = await take(store, approval(), wrong, amendment("a", title="عنوان سوم"))
    assert (good, after) == (Outcome.APPLIED, Outcome.APPLIED)
    assert isinstance(bad, Refusal)
    assert bad.reason == reason
    followup = await the_one(store)
    assert (followup.version, followup.resolution.title) == (2, "عنوان سوم")


@pytest.mark.parametrize(
    "early", [amendment("x", resolution_id="R-2"), withdrawal("x", resolution_id="R-2")]
)
async def test_an_event_before_its_approval_is_deferred_with_a_reason(
    early: Message,
) -> None:
    store = MemoryFollowups()
    (verdict,) = await take(store, early)
    assert isinstance(verdict, Defer)
    assert (verdict.about, verdict.refusal.reason) == ("R-2", "unknown-resolution")
    assert store.events == []
    assert set(store.deferred) == {early.inbox_id}
    assert await take(store, early) == [Outcome.DUPLICATE]


async def test_an_amendment_from_a_fast_clock_does_not_outdate_later_ones() -> None:
    """The result depends on the topic's clock, not on when the events are read."""
    sent = int(LATER.timestamp() * 1000)
    hours = (LATER + timedelta(hours=6)).isoformat()
    fast = replace(amendment("f", due_on="2024-06-01", amended_at=hours), timestamp=sent)
    right = replace(
        amendment("r", SCHEDULER, due_on="2024-07-01", amended_at=LATER.isoformat()),
        timestamp=sent + 1_000,
    )
    for batches in ([[fast, right]], [[fast], [right]]):
        for read_at in (LATER, LATER + timedelta(days=100)):
            store = MemoryFollowups()
            await take(store, approval())
            for batch in batches:
                decision = await handlers.handle_events(batch, store, TRACKING, read_at)
                assert decision.verdicts == [Outcome.APPLIED] * len(batch)
                await store.save(decision.changes, CAUSE)
            followup = await the_one(store)
            assert followup.resolution.due_on == date(2024, 7, 1)
            assert followup.amended_at == LATER
            dates = [json.loads(event.data).get("amended_at") for event in store.events[1:]]
            assert [at is None for at in dates] == [True, False]


async def test_an_amendment_changes_only_the_fields_that_it_names() -> None:
    store = MemoryFollowups()
    first = approval(text="با همکاری استانداری", supporting=["شهرداری"], priority="urgent")
    await take(store, first, amendment("a", SCHEDULER, due_on="2024-06-01", supporting=[]))
    changed = (await the_one(store)).resolution
    assert (changed.due_on.isoformat(), changed.supporting) == ("2024-06-01", ())
    assert (changed.text, changed.priority) == ("با همکاری استانداری", "urgent")


async def test_an_amendment_that_changed_nothing_is_a_duplicate_later() -> None:
    store = MemoryFollowups()
    await take(store, approval())
    nothing = amendment("same", due_on="2024-01-01")
    assert await take(store, nothing) == [Outcome.DUPLICATE]
    assert await take(store, amendment("other", due_on="2024-06-01")) == [Outcome.APPLIED]
    assert await take(store, nothing) == [Outcome.DUPLICATE]
    assert (await the_one(store)).resolution.due_on.isoformat() == "2024-06-01"


async def test_recovered_amendments_are_duplicates_when_repeated() -> None:
    whole, copy = MemoryFollowups(), MemoryFollowups()
    log = [approval(), amendment("a", due_on="2024-06-01"), amendment("b", due_on="2024-01-01")]
    await take(whole, *log)
    await handlers.recover([as_read(event) for event in whole.events], copy, TRACKING)
    assert await take(copy, *log) == [Outcome.DUPLICATE] * 3
    assert await all_of(copy) == await all_of(whole)


async def test_events_of_sessions_are_ignored() -> None:
    store = MemoryFollowups()
    other = message("SessionOpened", session_id="s", opened_at="2023-10-16T09:00:00Z")
    assert await take(store, other) == [Outcome.IGNORED]
    assert store.events == []
