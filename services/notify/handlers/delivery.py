"""Hands notices over to the mail server and records what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from services.notify import events
from services.notify.domain.backoff import wait_seconds
from services.notify.domain.notices import (
    Delivered,
    Fact,
    Failed,
    HandedOver,
    HeldBack,
    Notice,
    PutOff,
    State,
    Trouble,
    evolve,
    limit_tries,
)
from services.notify.handlers.ports import (
    Change,
    Declined,
    HandlerContext,
    Interrupted,
    MailTransport,
    NoticeRepository,
    NotYet,
)
from shared.messaging.core.model import CommitContext, Fence


async def hand_over(notice: Notice, transport: MailTransport, now: datetime) -> Fact:
    """Hand one notice over; return what came of it. Raises Unreachable."""
    try:
        await transport.send(notice, now)
    except Declined as declined:
        return Failed(now, str(declined))
    except NotYet as later:
        trouble = Trouble.RECIPIENT if later.of_recipient else Trouble.MESSAGE
        return PutOff(now, str(later), trouble)
    except Interrupted as broken:
        return PutOff(now, str(broken), is_answer=False, is_sure=not broken.may_be_taken)
    return Delivered(now)


async def begin_handover(
    notice: Notice, store: NoticeRepository, now: datetime, at: datetime, fence: Fence
) -> None:
    """Record that from now on the mail server may have a notice; `at` is the machine's time (UTC).

    Raises LeaseLost, and Stale if a later event outdated the notice at this moment.
    """
    change = Change(notice, evolve(notice, HandedOver(now)), (), at)
    await store.save([change], _dispatcher(fence))


async def record_answers(
    answers: Mapping[str, Fact],
    store: NoticeRepository,
    context: HandlerContext,
    at: datetime,
    fence: Fence,
) -> None:
    """Record the mail server's answers by notice id; `at` is the machine's time (UTC).

    A notice that is no longer pending stays as it is. Raises LeaseLost, Stale.
    """
    pending = [n for n in await store.of(answers.keys()) if n.state is State.PENDING]
    changes = [_changed(notice, answers[notice.notice_id], context, at) for notice in pending]
    if changes:
        await store.save(changes, _dispatcher(fence))


def _dispatcher(fence: Fence) -> CommitContext:
    return CommitContext("clock", "courier", fence=fence)


def _changed(before: Notice, answer: Fact, context: HandlerContext, at: datetime) -> Change:
    fact = limit_tries(before, answer, context.tries_most)
    after = evolve(before, fact)
    event = events.to_event(after, fact, context.topic)
    next_try = None
    if after.state is State.PENDING:
        match fact:
            case HeldBack():
                next_try = fact.until
            case PutOff():
                delay = wait_seconds(after.tries, context.retry_seconds)
                next_try = at + timedelta(seconds=delay)
            case _:
                next_try = at
    return Change(before, after, () if event is None else (event,), next_try)
