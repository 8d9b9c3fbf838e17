"""Which notices a session's events call for: moves and cancellations go to those who knew it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from services.notify.domain.notices import (
    HandoverState,
    Notice,
    Overtaken,
    State,
    TrueAgain,
    evolve,
    new_notice,
)
from services.notify.domain.notifications import (
    CancelledSession,
    MovedSession,
    ScheduledSession,
    SessionNotification,
)

_INBOX_IDS_KEPT: Final = 100


@dataclass(frozen=True, slots=True)
class Times:
    """When a session takes place. UTC."""

    starts_at: datetime
    ends_at: datetime
    report_due_at: datetime | None  # None: as long before the session as before the move


@dataclass(frozen=True, slots=True)
class KnownSession:
    """What is known of a session; its events may arrive in any order."""

    session_id: str
    session: ScheduledSession | None = None  # with its present times; None: not scheduled yet
    times: Times | None = None  # set if the move arrived before the scheduling
    turn: int = 0  # how often it was moved
    cancelled: bool = False
    sequence: int | None = None  # of the latest event that was applied; None: it had none
    heard: tuple[str, ...] = ()  # inbox ids of the latest events without a sequence
    revision: int = 0  # of the stored document; 0: nothing is stored

    def is_duplicate(self, sequence: int | None, inbox_id: str) -> bool:
        """Whether an event was applied before, or is older than the latest applied one."""
        if sequence is None:
            return inbox_id in self.heard
        return self.sequence is not None and sequence <= self.sequence

    def after_event(self, sequence: int | None, inbox_id: str) -> KnownSession:
        """The record after one more event."""
        if sequence is None:
            heard = self.heard if inbox_id in self.heard else (*self.heard, inbox_id)
            return replace(self, heard=heard[-_INBOX_IDS_KEPT:])
        return replace(self, sequence=max(sequence, self.sequence or sequence))


@dataclass(frozen=True, slots=True)
class NoticeChanges:
    """What an event changes: what is known of the session, new notices, and changed ones."""

    known: KnownSession
    new: Sequence[Notice] = ()
    changed: Sequence[tuple[Notice, Notice]] = ()  # before, after


def schedule(
    known: KnownSession,
    session: ScheduledSession,
    notices: Sequence[Notice],
    now: datetime,
    trace: str | None,
) -> NoticeChanges:
    """Invite those of its provinces that have no notice yet; nobody if it is cancelled.

    If it was moved already, the invitation names its present time.
    """
    if known.session is not None:
        session = _at(session, _times(known.session), known.turn)
    elif known.times is not None:
        session = _at(session, known.times, known.turn)
    after = replace(known, session=session, times=None)
    if known.cancelled:
        return NoticeChanges(after)
    roles = {notice.recipient_role for notice in notices}
    new = [
        new_notice(session, role, now, trace) for role in session.recipients if role not in roles
    ]
    return NoticeChanges(after, new)


def move(
    known: KnownSession,
    times: Times,
    reason: str | None,
    notices: Sequence[Notice],
    now: datetime,
    trace: str | None,
) -> NoticeChanges:
    """Notify everybody who was notified of another time.

    A recipient whose invitation has not gone out yet is invited to the new time instead of the
    old one. A recipient whose last notice already names the new time gets none.
    """
    if known.cancelled:
        return NoticeChanges(known)
    turn = known.turn + 1
    if known.session is None:
        return NoticeChanges(replace(known, times=times, turn=turn))
    session = _at(known.session, times, turn)
    if _times(session) == _times(known.session):
        return NoticeChanges(known)
    new: list[Notice] = []
    changed: list[tuple[Notice, Notice]] = []
    for role, of_role in _by_role(notices):
        overtaken = _overtaken(of_role, now)
        last_sent = _last_sent(of_role)
        if last_sent is None:
            if overtaken:
                new.append(new_notice(session, role, now, trace))
        elif _times(_session(last_sent)) != _times(session):
            announced = _session(last_sent)
            moved = MovedSession(session, announced.starts_at, announced.ends_at, reason)
            new.append(new_notice(moved, role, now, trace))
        else:  # back to the time that the last notice names
            overtaken = [(before, after) for before, after in overtaken if before is not last_sent]
            if last_sent.handover is HandoverState.OVERTAKEN:
                overtaken.append((last_sent, evolve(last_sent, TrueAgain(now))))
        changed += overtaken
    return NoticeChanges(replace(known, session=session, turn=turn), new, changed)


def cancel(
    known: KnownSession,
    at: datetime,
    reason: str | None,
    notices: Sequence[Notice],
    now: datetime,
    trace: str | None,
) -> NoticeChanges:
    """Notify everybody who was notified of the session; notices that still wait are withdrawn."""
    if known.cancelled:
        return NoticeChanges(known)
    new: list[Notice] = []
    changed: list[tuple[Notice, Notice]] = []
    for role, of_role in _by_role(notices):
        changed += _overtaken(of_role, now)
        last_sent = _last_sent(of_role)
        if last_sent is not None:
            cancelled = CancelledSession(_session(last_sent), at, reason)
            new.append(new_notice(cancelled, role, now, trace))
    return NoticeChanges(replace(known, cancelled=True), new, changed)


def from_notices(session_id: str, notices: Iterable[Notice]) -> KnownSession:
    """What the notices of a session say about it, if nothing else is stored."""
    for notice in notices:
        if isinstance(notice.notification, ScheduledSession):
            return KnownSession(session_id, notice.notification)
    return KnownSession(session_id)


def _by_role(notices: Iterable[Notice]) -> list[tuple[str, list[Notice]]]:
    """The notices of each recipient, in the order of the session's moves."""
    roles: dict[str, list[Notice]] = {}
    for notice in sorted(notices, key=lambda notice: _session(notice).turn):
        roles.setdefault(notice.recipient_role, []).append(notice)
    return list(roles.items())


def _overtaken(notices: Iterable[Notice], now: datetime) -> list[tuple[Notice, Notice]]:
    return [
        (notice, evolve(notice, Overtaken(now)))
        for notice in notices
        if notice.state is State.PENDING and notice.handover is not HandoverState.OVERTAKEN
    ]


def _last_sent(notices: Iterable[Notice]) -> Notice | None:
    """The last notice that a recipient got, or may have got."""
    last_sent = None
    for notice in notices:
        out = notice.state is State.PENDING and notice.handover is not HandoverState.WAITS
        if notice.state is State.DELIVERED or out:
            last_sent = notice
    return last_sent


def _session(notice: Notice) -> ScheduledSession:
    notification = notice.notification
    assert isinstance(notification, SessionNotification)
    return notification if isinstance(notification, ScheduledSession) else notification.session


def _times(session: ScheduledSession) -> Times:
    return Times(session.starts_at, session.ends_at, session.report_due_at)


def _at(session: ScheduledSession, times: Times, turn: int) -> ScheduledSession:
    due_at = times.report_due_at
    if due_at is None and session.report_due_at is not None:
        due_at = times.starts_at - (session.starts_at - session.report_due_at)
    return replace(
        session,
        starts_at=times.starts_at,
        ends_at=times.ends_at,
        report_due_at=due_at,
        turn=turn,
    )
