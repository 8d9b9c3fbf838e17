"""Everybody who was notified of a session gets one notice of its move or cancellation."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notify.domain.notices import (
    Delivered,
    Failed,
    Notice,
    PutOff,
    State,
    new_notices,
    notice_id,
)
from services.notify.domain.notifications import MovedSession, ScheduledSession
from services.notify.handlers import Change
from shared.contracts.events import (
    EventData,
    SessionScheduled,
)
from shared.messaging.core.model import Outcome
from tests.unit.notify.examples import NOW
from tests.unit.notify.sessions_bench import (
    AT,
    CAUSE,
    FARS,
    FIRST,
    RAZAVI,
    Bench,
    cancelled,
    day,
    moved,
    scheduled,
    what,
)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_everybody_invited_is_notified_of_the_move_and_the_cancellation(bench: Bench) -> None:
    await bench.take(scheduled("IR-09", "IR-07"))
    assert len(await bench.mail()) == 2
    assert await bench.take(moved(3, reason="سفر")) == [Outcome.APPLIED]
    mails = await bench.mail()
    assert what(mails) == [
        ("session-rescheduled", FARS, 3, 0),
        ("session-rescheduled", RAZAVI, 3, 0),
    ]
    notification = mails[0].notification
    assert isinstance(notification, MovedSession)
    assert notification.reason == "سفر"
    assert notification.session.report_due_at == day(3) - timedelta(hours=72), (
        "as long before as it was"
    )
    assert await bench.take(cancelled("تعطیلی")) == [Outcome.APPLIED]
    assert what(await bench.mail()) == [
        ("session-cancelled", FARS, 3, None),
        ("session-cancelled", RAZAVI, 3, None),
    ]
    assert await bench.mail() == []


@pytest.mark.parametrize("sequence", [None, 2])
async def test_an_event_that_comes_twice_makes_one_mail(bench: Bench, sequence: int | None) -> None:
    await bench.take(scheduled())
    await bench.mail()
    await bench.take(moved(3), sequence=sequence, id_="m")
    assert await bench.take(moved(3), sequence=sequence, id_="m") == [Outcome.DUPLICATE]
    assert await bench.take(moved(3), id_="other") == [Outcome.DUPLICATE]
    assert len(await bench.mail()) == 1
    await bench.take(moved(5), sequence=None if sequence is None else 3)
    assert await bench.take(moved(3), sequence=sequence, id_="m") == [Outcome.DUPLICATE]
    assert what(await bench.mail()) == [("session-rescheduled", RAZAVI, 5, 3)]
    await bench.take(cancelled(), cancelled())
    assert await bench.take(cancelled()) == [Outcome.DUPLICATE]
    assert len(await bench.mail()) == 1


async def test_moved_before_the_invitation_went_out_it_is_an_invitation(bench: Bench) -> None:
    await bench.take(scheduled())
    assert await bench.take(moved(3)) == [Outcome.APPLIED]
    mails = await bench.mail()
    assert what(mails) == [("session-scheduled", RAZAVI, 3, None)]
    assert mails[0].notice_id != notice_id(replace_turn(mails[0], 0), RAZAVI), (
        "another text is another mail"
    )
    await bench.take(moved(4))
    assert what(await bench.mail()) == [("session-rescheduled", RAZAVI, 4, 3)]


def replace_turn(notice: Notice, turn: int) -> ScheduledSession:
    assert isinstance(notice.notification, ScheduledSession)
    return replace(notice.notification, turn=turn)


async def test_all_in_one_batch_is_one_mail(bench: Bench) -> None:
    verdicts = await bench.take(scheduled(), moved(3), moved(5), sequence=1)
    assert verdicts == [Outcome.APPLIED] * 3
    assert what(await bench.mail()) == [("session-scheduled", RAZAVI, 5, None)]


async def test_cancelled_before_the_invitation_went_out_is_no_mail(bench: Bench) -> None:
    await bench.take(scheduled())
    assert await bench.take(cancelled()) == [Outcome.APPLIED]
    assert await bench.mail() == []
    assert bench.store.events == []
    assert await bench.store.count_waiting() == 0
    assert await bench.take(scheduled()) == [Outcome.DUPLICATE]
    assert await bench.mail() == []


async def test_cancelled_after_a_move_that_did_not_go_out(bench: Bench) -> None:
    await bench.take(scheduled())
    await bench.mail()
    await bench.take(moved(3))
    await bench.take(cancelled())
    assert what(await bench.mail()) == [("session-cancelled", RAZAVI, 0, None)], "as he knows it"


async def test_moved_back_before_the_move_went_out_is_no_mail(bench: Bench) -> None:
    await bench.take(scheduled())
    await bench.mail()
    await bench.take(moved(3))
    await bench.take(moved(0))
    assert await bench.mail() == []
    await bench.take(moved(4))
    assert what(await bench.mail()) == [("session-rescheduled", RAZAVI, 4, 0)]


async def test_moved_back_after_the_move_went_out_is_a_mail(bench: Bench) -> None:
    await bench.take(scheduled())
    await bench.mail()
    await bench.take(moved(3))
    await bench.mail()
    await bench.take(moved(0))
    assert what(await bench.mail()) == [("session-rescheduled", RAZAVI, 0, 3)]


async def test_moved_back_before_the_invitation_went_out(bench: Bench) -> None:
    await bench.take(scheduled())
    await bench.take(moved(3))
    await bench.take(moved(0))
    assert what(await bench.mail()) == [("session-scheduled", RAZAVI, 0, None)]


@pytest.mark.parametrize("sequences", [(3, 2, 1), (None, None, None)])
async def test_a_cancellation_that_arrives_before_the_scheduling(
    bench: Bench, sequences: tuple[int | None, ...]
) -> None:
    end, move, start = sequences
    assert await bench.take(cancelled(), sequence=end) == [Outcome.IGNORED]
    assert await bench.take(moved(3), sequence=move) != [Outcome.APPLIED]
    assert await bench.take(scheduled(), sequence=start) != [Outcome.APPLIED]
    assert await bench.mail() == []


@pytest.mark.parametrize("sequences", [(2, 1), (None, None)])
async def test_a_move_that_arrives_before_the_scheduling_gives_the_time_of_the_invitation(
    bench: Bench, sequences: tuple[int | None, ...]
) -> None:
    await bench.take(moved(3), sequence=sequences[0])
    await bench.take(scheduled(), sequence=sequences[1])
    assert what(await bench.mail()) == [("session-scheduled", RAZAVI, 3, None)]


async def test_an_older_move_that_comes_later_moves_nothing(bench: Bench) -> None:
    await bench.take(scheduled(), sequence=1)
    await bench.mail()
    await bench.take(moved(5), sequence=3)
    assert await bench.take(moved(3), sequence=2) == [Outcome.DUPLICATE]
    assert what(await bench.mail()) == [("session-rescheduled", RAZAVI, 5, 0)]


async def test_a_recipient_of_a_failed_invitation_gets_no_notice_of_the_move(bench: Bench) -> None:
    await bench.take(scheduled("IR-09", "IR-07"))
    one, two = await bench.store.waiting(AT, 10)
    await bench.answer(one, Failed(NOW, "550"))
    await bench.answer(two, Delivered(NOW))
    await bench.take(moved(3))
    mails = await bench.mail()
    assert [mail.recipient_role for mail in mails] == [two.recipient_role]
    await bench.take(cancelled())
    assert [mail.recipient_role for mail in await bench.mail()] == [two.recipient_role]


async def test_a_session_without_provinces_is_ignored(bench: Bench) -> None:
    empty = SessionScheduled.model_validate({**scheduled().model_dump(), "provinces": ()})
    verdicts = await bench.take(empty, moved(3), cancelled())
    assert verdicts == [Outcome.IGNORED] * 3
    assert await bench.mail() == []


async def test_a_session_known_by_its_notices_alone(bench: Bench) -> None:
    """As earlier versions of the service stored it."""
    session = ScheduledSession(
        session_id="s1",
        kind="provincial",
        title="نشست",
        provinces=("IR-09",),
        starts_at=FIRST,
        ends_at=FIRST + timedelta(hours=4),
        mode="in-person",
        venue=None,
        report_due_at=None,
    )
    (notice,) = new_notices(session, NOW, None)
    await bench.store.save([Change(None, notice, (), AT)], CAUSE)
    await bench.mail()
    await bench.take(moved(2))
    assert what(await bench.mail()) == [("session-rescheduled", RAZAVI, 2, 0)]


@pytest.mark.parametrize("is_sure", [True, False])
async def test_an_invitation_that_is_under_way_while_the_session_is_moved(
    bench: Bench, is_sure: bool
) -> None:
    await bench.take(scheduled())
    (invitation,) = await bench.store.waiting(AT, 1)
    await bench.begin(invitation)
    await bench.take(moved(3))
    await bench.answer(invitation, PutOff(NOW, "451 later", is_sure=is_sure))
    found = await bench.store.get(invitation.notice_id)
    assert found is not None
    assert found.state is State.WITHDRAWN, "the old time is not sent after the new one"
    assert what(await bench.mail()) == [("session-rescheduled", RAZAVI, 3, 0)]


async def test_an_invitation_that_was_taken_while_the_session_was_moved(bench: Bench) -> None:
    await bench.take(scheduled())
    (invitation,) = await bench.store.waiting(AT, 1)
    await bench.begin(invitation)
    await bench.take(moved(3))
    await bench.answer(invitation, Delivered(NOW))
    assert what(await bench.mail()) == [("session-rescheduled", RAZAVI, 3, 0)]
    events = [event.aggregate_id for event in bench.store.events]
    assert events.count(invitation.notice_id) == 1


_STEPS = st.lists(
    st.sampled_from(["schedule", "cancel", "mail", "begin", "refuse"]) | st.integers(0, 3),
    max_size=14,
)


@settings(max_examples=200, deadline=None)
@given(steps=_STEPS, together=st.booleans())
async def test_the_last_mail_is_always_true(steps: list[str | int], together: bool) -> None:
    """Whatever happens in between, the last mail is true, and no mail goes out twice."""
    bench = Bench()
    pending: list[EventData] = []
    sequence = 1

    async def take() -> None:
        nonlocal sequence
        if pending:
            await bench.take(*pending, sequence=sequence)
            sequence += len(pending)
            pending.clear()

    for step in ["schedule", *steps]:
        if step in {"mail", "begin", "refuse"}:
            await take()
            await _work(bench, str(step))
            continue
        pending.append(_event(step))
        if not together:
            await take()
    await take()
    await bench.mail()
    ids = [notice.notice_id for notice in bench.mails]
    assert len(set(ids)) == len(ids)
    ends = steps.index("cancel") if "cancel" in steps else len(steps)
    moves = [step for step in steps[:ends] if isinstance(step, int)]
    last = what(bench.mails[-1:])
    if ends < len(steps):
        assert not last or last[0][0] == "session-cancelled"
    else:
        assert last[0][2] == (moves[-1] if moves else 0)


def _event(step: str | int) -> EventData:
    if isinstance(step, int):
        return moved(step)
    return scheduled() if step == "schedule" else cancelled()


async def _work(bench: Bench, step: str) -> None:
    if step == "mail":
        await bench.mail()
        return
    for notice in await bench.store.waiting(AT + timedelta(days=1), 1):
        await bench.begin(notice)
        if step == "refuse":
            await bench.answer(notice, PutOff(NOW, "451"))
