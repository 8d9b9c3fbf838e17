"""Events of one session, and a bench that takes them and sends the mails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.notify import handlers
from services.notify.domain.notices import (
    Delivered,
    Fact,
    HandoverState,
    Notice,
    Overtaken,
)
from services.notify.domain.notifications import CancelledSession, MovedSession, ScheduledSession
from services.notify.handlers import HandlerContext
from shared.contracts.events import (
    EventData,
    SessionCancelled,
    SessionRescheduled,
    SessionScheduled,
)
from shared.messaging.core.model import CommitContext, Fence, Message
from tests.stores.fakes_notify import FakeNotices
from tests.unit.notify.examples import NOW, message

OFFICE = HandlerContext("notices", {}, retry_seconds=10)
AT = datetime(2026, 1, 1, tzinfo=UTC)
CAUSE = CommitContext("event", "notify")
FENCE = Fence("delivery", "me", 1)
RAZAVI, FARS = "province:IR-09", "province:IR-07"

FIRST = datetime(2024, 3, 11, 5, 30, tzinfo=UTC)


def day(number: int) -> datetime:
    """The start of the session after a move by so many days."""
    return FIRST + timedelta(days=number)


def scheduled(*provinces: str, number: int = 0) -> EventData:
    return SessionScheduled(
        session_id="s1",
        kind="provincial",
        provinces=provinces or ("IR-09",),
        title="نشست تخصصی",
        starts_at=day(number),
        ends_at=day(number) + timedelta(hours=4),
        mode="in-person",
        report_due_at=day(number) - timedelta(hours=72),
    )


def moved(number: int, **changes: Any) -> EventData:
    return SessionRescheduled(
        session_id="s1",
        starts_at=day(number),
        ends_at=day(number) + timedelta(hours=4),
        previous_starts_at=FIRST,
        **changes,
    )


def cancelled(reason: str | None = None) -> EventData:
    return SessionCancelled(session_id="s1", cancelled_at=NOW, reason=reason)


class Bench:
    """Applies events and sends mails, one step at a time."""

    def __init__(self) -> None:
        self.store = FakeNotices()
        self.ids = 0
        self.mails: list[Notice] = []

    async def take(
        self, *batch: EventData, sequence: int | None = None, id_: str | None = None
    ) -> list[Any]:
        """Apply events as one batch, with sequences that count up from `sequence`."""
        messages = []
        for number, data in enumerate(batch):
            self.ids += 1
            taken = message(data, "sessions", id_ or str(self.ids))
            if sequence is not None:
                event = replace(taken.event, sequence=sequence + number)
                taken = Message(taken.origin, event, data, taken.topic)
            messages.append(taken)
        decision = await handlers.handle_events(messages, self.store, OFFICE, NOW, AT)
        await self.store.save(decision.changes, CAUSE)
        return list(decision.verdicts)

    async def mail(self) -> list[Notice]:
        """Send all waiting notices, as the dispatcher does; return them."""
        before = len(self.mails)
        while waiting := await self.store.waiting(AT + timedelta(days=1), 1):
            (notice,) = waiting
            fact: Fact = Delivered(NOW)
            if notice.handover is HandoverState.OVERTAKEN:
                fact = Overtaken(NOW)
            else:
                await self.begin(notice)
                self.mails.append(notice)
            await self.answer(notice, fact)
        return self.mails[before:]

    async def begin(self, notice: Notice) -> None:
        if notice.handover is HandoverState.WAITS:
            await handlers.begin_handover(notice, self.store, NOW, AT, FENCE)

    async def answer(self, notice: Notice, fact: Fact) -> None:
        await handlers.record_answers({notice.notice_id: fact}, self.store, OFFICE, AT, FENCE)


def what(mails: Sequence[Notice]) -> list[tuple[str, str, int, int | None]]:
    """Each mail: its template, its recipient, the day that it names, and the day before a move."""
    found = []
    for mail in mails:
        notification = mail.notification
        assert isinstance(notification, ScheduledSession | MovedSession | CancelledSession)
        session = (
            notification if isinstance(notification, ScheduledSession) else notification.session
        )
        before = None
        if isinstance(notification, MovedSession):
            before = (notification.previous_starts_at - FIRST).days
        found.append((mail.template, mail.recipient_role, (session.starts_at - FIRST).days, before))
    return sorted(found)
