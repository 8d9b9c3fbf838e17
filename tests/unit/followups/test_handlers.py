"""Batches of events, people's commands, sweeps and recovery, over follow-ups in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.followups import handlers
from services.followups.domain import decisions
from services.followups.domain.records import Followup, State
from services.followups.domain.refusals import NotNow
from services.followups.domain.scores import By
from services.followups.handlers import Ahead, Change, UnknownFollowup
from shared.contracts.envelope import CloudEvent, read, write
from shared.contracts.events import ResolutionApproved, parse
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import (
    CommitContext,
    Defer,
    Deferred,
    Event,
    Fence,
    Message,
    Origin,
    Outcome,
    Refusal,
    Verdict,
)
from shared.messaging.ledger.deferral import DeferredRecord
from shared.runtime.calendar import start_of_day
from shared.runtime.list_queries import ListQuery
from tests.stores.fakes_followups import MemoryFollowups
from tests.unit.followups.examples import (
    APPROVER,
    CIVIL,
    LATER,
    NOW,
    SCHEDULER,
    STRANGER,
    TOPIC,
    TRACKING,
    WATCHED,
    unhurried,
)

FENCE = Fence("sweeper", "here", 1)
CAUSE = CommitContext("event", "followups-civil")


def message(
    type_: str, id_: str = "1", source: str = APPROVER, topic: str = "in", **data: Any
) -> Message:
    """An event as the consumer hands it over."""
    body = {"resolution_id": "R-1", "deputy": "civil", **data}
    event = CloudEvent(id_, source, f"peygir.{type_}.v1", json.dumps(body).encode())
    return Message(Origin(topic, 0, 0), event, parse(event), topic)


def approval(id_: str = "1", source: str = APPROVER, **data: Any) -> Message:
    usual = {"title": "پل", "approved_at": "2023-10-16T09:00:00Z", "due_on": "2024-01-01"}
    return message("ResolutionApproved", id_, source, **{**usual, **data})


def amendment(id_: str, source: str = APPROVER, **data: Any) -> Message:
    usual = {"amended_at": "2023-11-01T00:00:00Z"}
    return message("ResolutionAmended", id_, source, **{**usual, **data})


def withdrawal(id_: str, source: str = APPROVER, **data: Any) -> Message:
    return message("ResolutionWithdrawn", id_, source, withdrawn_at="2023-11-01T00:00:00Z", **data)


async def take(store: MemoryFollowups, *messages: Message) -> list[Verdict]:
    """Take a batch as the consumer does."""
    decision = await handlers.handle_events(messages, store, TRACKING, LATER)
    verdicts, defers = list(decision.verdicts), dict[str, Deferred]()
    for number, (one, verdict) in enumerate(zip(messages, verdicts, strict=True)):
        if not isinstance(verdict, Defer):
            continue
        if one.inbox_id in defers or one.inbox_id in store.deferred:
            verdicts[number] = Outcome.DUPLICATE
        else:
            record = DeferredRecord("in", 0, 0, 0, None, one.event.data, [])
            defers[one.inbox_id] = Deferred(one.inbox_id, "", verdict.about, LATER, record)
    await store.save(decision.changes, replace(CAUSE, defers=tuple(defers.values())))
    return verdicts


async def offer_again(store: MemoryFollowups, log: Sequence[Message]) -> list[Verdict]:
    """Take what waits once more, as the consumer does."""
    by_id = {one.inbox_id: one for one in reversed(log)}
    waiting = [replace(by_id[id_], deferred=True) for id_ in store.deferred]
    decision = await handlers.handle_events(waiting, store, TRACKING, LATER)
    ends = [
        one.inbox_id
        for one, verdict in zip(waiting, decision.verdicts, strict=True)
        if not isinstance(verdict, Defer)
    ]
    await store.save(decision.changes, replace(CAUSE, ends=tuple(ends)))
    return list(decision.verdicts)


async def all_of(store: MemoryFollowups) -> Sequence[Followup]:
    return await store.page(ListQuery({}, None, 1_000))


async def the_one(store: MemoryFollowups) -> Followup:
    (followup,) = await all_of(store)
    return followup


async def counts_of(store: MemoryFollowups) -> dict[str, int]:
    """What counts for the deputy, but for the days."""
    return {name: n for name, n in (await store.counts(By.DEPUTY))[""].items() if n}


async def test_an_approval_from_before_texts_were_cleaned_is_known_again() -> None:
    again = approval("2", title=" پل\r\n", text="\u200b")
    before = replace(again, data=ResolutionApproved.from_json(again.event.data))
    store = MemoryFollowups()
    assert await take(store, before) == [Outcome.APPLIED]
    assert (await the_one(store)).resolution.title == " پل\r\n"
    assert await take(store, again) == [Outcome.DUPLICATE]
    (refused,) = await take(store, approval("3", title=" پلی\r\n", text="\u200b"))
    assert isinstance(refused, Refusal)


async def test_an_approval_is_a_duplicate_whatever_nobody_sees_in_it() -> None:
    store = MemoryFollowups()
    assert await take(store, approval("1", title="پل")) == [Outcome.APPLIED]
    assert await take(store, approval("2", title="\ufeffپل\u202c ")) == [Outcome.DUPLICATE]
    assert (await the_one(store)).resolution.title == "پل"


# -- laws ---------------------------------------------------------------------------------------

_sources = st.sampled_from([APPROVER, SCHEDULER, STRANGER])
_deputies = st.sampled_from(["civil"] * 9 + ["social"])
_resolutions = st.sampled_from(["R-1", "R-2"])
_days = st.sampled_from(["2023-01-01", "2024-01-01", "2024-02-01", "2024-03-01"])


@st.composite
def arrivals(draw: st.DrawFn) -> list[Message]:
    """Approvals, amendments and withdrawals of two resolutions, in any order, some repeated."""

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
def cuttings(draw: st.DrawFn) -> tuple[list[Message], list[Sequence[Message]]]:
    """A log, and the same cut into batches anywhere."""
    log = draw(arrivals())
    cuts = sorted(draw(st.sets(st.integers(1, len(log)))))
    ends = zip([0, *cuts], [*cuts, len(log)], strict=True)
    return log, [log[start:end] for start, end in ends if start < end]


@unhurried
@given(cuttings())
def test_however_a_log_is_cut_into_batches_the_same_becomes_of_it(
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
def test_what_took_effect_once_changes_nothing_when_it_comes_again(log: list[Message]) -> None:
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
def test_a_copy_catches_up_from_what_was_published(
    log: list[Message], kept: int, batch: int
) -> None:
    """Whatever the copy holds, and however often, and from where, the topic is read again."""

    async def run() -> None:
        whole = MemoryFollowups()
        for one in log:
            await take(whole, one)
        copy = MemoryFollowups()
        for one in log[:kept]:
            await take(copy, one)
        published = [_as_read(event) for event in whole.events]
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


def _as_read(event: Event) -> Message:
    sent = CloudEvent(
        id=event.id,
        source="urn:peygir:followups",
        type=event.type,
        data=event.data,
        time=event.time,
        dataschema=event.dataschema,
        sequence=event.version,
        traceparent=event.trace,
    )
    received = read(*write(sent))
    return Message(Origin(TOPIC, 0, 0), received, parse(received, recorded=True), TOPIC)


# -- what comes by event ------------------------------------------------------------------------


async def test_an_approval_opens_and_its_trace_goes_on() -> None:
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
async def test_what_cannot_be_is_refused_by_its_reason(wrong: Message, reason: str) -> None:
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
async def test_what_comes_before_its_approval_waits_and_is_refused_by_a_reason(
    early: Message,
) -> None:
    store = MemoryFollowups()
    (verdict,) = await take(store, early)
    assert isinstance(verdict, Defer)
    assert (verdict.about, verdict.refusal.reason) == ("R-2", "unknown-resolution")
    assert store.events == []
    assert set(store.deferred) == {early.inbox_id}
    assert await take(store, early) == [Outcome.DUPLICATE]


async def test_an_amendment_of_a_fast_clock_shuts_no_later_one_out() -> None:
    """Whenever it is read: the topic's own clock tells, which is that of no reader."""
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
            assert [told is None for told in dates] == [True, False]


@st.composite
def early_and_late(draw: st.DrawFn) -> tuple[list[Message], list[list[Message]]]:
    """Amendments and perhaps a withdrawal in order; and batches in which the approval is late."""
    whats: list[dict[str, Any]] = draw(
        st.lists(
            st.sampled_from([{"due_on": "2024-06-01"}, {"title": "نو"}, {"text": "شرح"}]),
            min_size=1,
            max_size=4,
        )
    )
    log = [
        amendment(f"a{n}", amended_at=f"2023-11-0{n + 1}T00:00:00Z", **what)
        for n, what in enumerate(whats)
    ]
    if draw(st.booleans()):
        log.append(withdrawal("w"))
    arrived = list(log)
    arrived.insert(draw(st.integers(0, len(log))), approval())
    cuts = sorted(draw(st.sets(st.integers(1, len(arrived)))) | {len(arrived)})
    return log, [arrived[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]


@unhurried
@given(early_and_late(), st.lists(st.booleans(), min_size=10, max_size=10))
def test_however_late_the_approval_the_same_becomes_of_a_resolution(
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


async def test_an_amendment_changes_what_it_names_and_leaves_the_rest() -> None:
    store = MemoryFollowups()
    first = approval(text="با همکاری استانداری", supporting=["شهرداری"], priority="urgent")
    await take(store, first, amendment("a", SCHEDULER, due_on="2024-06-01", supporting=[]))
    changed = (await the_one(store)).resolution
    assert (changed.due_on.isoformat(), changed.supporting) == ("2024-06-01", ())
    assert (changed.text, changed.priority) == ("با همکاری استانداری", "urgent")


async def test_an_amendment_that_changed_nothing_changes_nothing_later_either() -> None:
    store = MemoryFollowups()
    await take(store, approval())
    nothing = amendment("same", due_on="2024-01-01")
    assert await take(store, nothing) == [Outcome.DUPLICATE]
    assert await take(store, amendment("other", due_on="2024-06-01")) == [Outcome.APPLIED]
    assert await take(store, nothing) == [Outcome.DUPLICATE]
    assert (await the_one(store)).resolution.due_on.isoformat() == "2024-06-01"


async def test_recovered_amendments_are_known_when_they_come_again() -> None:
    whole, copy = MemoryFollowups(), MemoryFollowups()
    log = [approval(), amendment("a", due_on="2024-06-01"), amendment("b", due_on="2024-01-01")]
    await take(whole, *log)
    await handlers.recover([_as_read(event) for event in whole.events], copy, TRACKING)
    assert await take(copy, *log) == [Outcome.DUPLICATE] * 3
    assert await all_of(copy) == await all_of(whole)


async def test_events_of_sessions_are_passed_over() -> None:
    store = MemoryFollowups()
    other = message("SessionOpened", session_id="s", opened_at="2023-10-16T09:00:00Z")
    assert await take(store, other) == [Outcome.IGNORED]
    assert store.events == []


# -- what people do -----------------------------------------------------------------------------


class Contested(MemoryFollowups):
    """Somebody else is faster, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def save(
        self, changes: Sequence[Change], cause: CommitContext, ahead: Ahead | None = None
    ) -> None:
        if cause.kind == "request" and self.times:
            self.times -= 1
            raise Stale("somebody was faster")
        await super().save(changes, cause, ahead)


def _acknowledge(followup: Followup) -> Any:
    return decisions.acknowledge(followup, CIVIL, "agreed", None, LATER)


async def test_what_somebody_does_is_decided_anew_where_another_was_faster() -> None:
    store = Contested(times=4)
    await take(store, approval())
    id_ = (await the_one(store)).followup_id
    after = await handlers.act(
        id_,
        store,
        TRACKING,
        CIVIL,
        _acknowledge,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
    )
    assert (after.state, after.version) == (State.ACKNOWLEDGED, 2)
    assert await the_one(store) == after
    assert store.causes[-1] == CommitContext("request", "d.karimi", roles=("deputy:civil",))
    assert store.events[-1].trace == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    with pytest.raises(NotNow):
        await handlers.act(id_, store, TRACKING, CIVIL, _acknowledge)


async def test_whoever_is_never_fast_enough_is_told() -> None:
    store = Contested(times=1_000)
    await take(store, approval())
    id_ = (await the_one(store)).followup_id
    with pytest.raises(Stale):
        await handlers.act(id_, store, TRACKING, CIVIL, _acknowledge)


async def test_what_does_not_exist_is_not_acted_on() -> None:
    with pytest.raises(UnknownFollowup):
        await handlers.act("nobody", MemoryFollowups(), TRACKING, CIVIL, _acknowledge)


# -- what time does -----------------------------------------------------------------------------


async def test_a_sweep_announces_all_that_passed_once_and_the_longest_due_first() -> None:
    store = MemoryFollowups()
    first, second = approval(), approval(resolution_id="R-2", due_on="2024-01-02")
    await take(store, first, second)
    due_on = TRACKING.escalation.reached_at(await _of(store, "R-1"), 1)
    early = due_on - timedelta(milliseconds=1)
    assert await handlers.sweep(store, TRACKING, early, FENCE) == 0
    assert await handlers.sweep(store, TRACKING, due_on, FENCE) == 1
    assert store.causes[-1].fence == FENCE
    assert [(await _of(store, id_)).level for id_ in ("R-1", "R-2")] == [1, 0]
    late = start_of_day((await _of(store, "R-1")).resolution.due_on + timedelta(days=60))
    assert await handlers.sweep(store, TRACKING, late, FENCE, limit=1) == 1
    assert [(await _of(store, id_)).level for id_ in ("R-1", "R-2")] == [1, 3]
    assert await handlers.sweep(store, TRACKING, late, FENCE, limit=1) == 1
    assert await handlers.sweep(store, TRACKING, late, FENCE, limit=1) == 0
    levels = [json.loads(e.data).get("level") for e in store.events if e.key == "R-1"]
    assert levels == [None, 1, 2, 3]


async def test_that_nobody_took_note_is_told_once_whoever_sweeps_and_whatever_the_clock() -> None:
    store, context = MemoryFollowups(), replace(TRACKING, escalation=WATCHED)
    decision = await handlers.handle_events(
        [approval(), approval(resolution_id="R-2")], store, context, NOW
    )
    await store.save(decision.changes, CAUSE)
    taken = (await _of(store, "R-2")).followup_id
    await handlers.act(taken, store, context, CIVIL, _acknowledge)
    past = start_of_day(date(2023, 10, 22))
    for now in (past - timedelta(milliseconds=1), past, NOW, past + timedelta(days=9)):
        again = await asyncio.gather(
            *(handlers.sweep(store, context, now, FENCE) for _ in range(2)),
            return_exceptions=True,
        )
        assert all(isinstance(done, int | Stale) for done in again)
    told = [e for e in store.events if e.type == "peygir.FollowupUnacknowledged.v1"]
    assert [(e.key, e.time) for e in told] == [("R-1", past)]
    assert json.loads(told[0].data)["acknowledge_by"] == "2023-10-21"


async def test_a_date_that_no_longer_holds_is_set_anew() -> None:
    """A holiday was announced since: there is nothing to say, and the alert moves on."""
    store = MemoryFollowups()
    await take(store, approval())
    stands = await the_one(store)
    await store.save([Change(stands, stands, [], NOW)], CAUSE)
    assert await handlers.sweep(store, TRACKING, NOW, FENCE) == 1
    assert await the_one(store) == stands
    assert await handlers.sweep(store, TRACKING, NOW, FENCE) == 0


async def _of(store: MemoryFollowups, resolution_id: str) -> Followup:
    return (await store.of_resolutions([resolution_id]))[resolution_id]
