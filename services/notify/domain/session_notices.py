"""Who is told that a session was moved or called off: whoever was told of it, once."""

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

_REMEMBERED: Final = 100


@dataclass(frozen=True, slots=True)
class Times:
    """When a session takes place. UTC."""

    starts_at: datetime
    ends_at: datetime
    report_due_at: datetime | None  # None: as long before the session as it was


@dataclass(frozen=True, slots=True)
class KnownSession:
    """What is known of a session, from whichever of its events came first."""

    session_id: str
    session: ScheduledSession | None = None  # as it stands now; None: not scheduled yet
    times: Times | None = None  # where it was moved before it was scheduled
    turn: int = 0  # how often it was moved
    cancelled: bool = False
    sequence: int | None = None  # of the latest event that counted; None: it bore none
    heard: tuple[str, ...] = ()  # inbox ids of the latest events that bore no sequence
    revision: int = 0  # of what is stored; 0: nothing is

    def has_heard(self, sequence: int | None, inbox_id: str) -> bool:
        """Whether an event came before, or came after one that counts more."""
        if sequence is None:
            return inbox_id in self.heard
        return self.sequence is not None and sequence <= self.sequence

    def hearing(self, sequence: int | None, inbox_id: str) -> KnownSession:
        """The same after one more event."""
        if sequence is None:
            heard = self.heard if inbox_id in self.heard else (*self.heard, inbox_id)
            return replace(self, heard=heard[-_REMEMBERED:])
        return replace(self, sequence=max(sequence, self.sequence or sequence))


@dataclass(frozen=True, slots=True)
class NoticeChanges:
    """What comes of an event: the course after it, new notices, and those that changed."""

    course: KnownSession
    new: Sequence[Notice] = ()
    changed: Sequence[tuple[Notice, Notice]] = ()  # before, after


def schedule(
    course: KnownSession,
    session: ScheduledSession,
    notices: Sequence[Notice],
    now: datetime,
    trace: str | None,
) -> NoticeChanges:
    """Announce it to those of its provinces who were not told; nobody where it was called off.

    Where it was moved already, it is announced at its present time.
    """
    if course.session is not None:
        session = _at(session, _times(course.session), course.turn)
    elif course.times is not None:
        session = _at(session, course.times, course.turn)
    after = replace(course, session=session, times=None)
    if course.cancelled:
        return NoticeChanges(after)
    roles = {notice.recipient_role for notice in notices}
    new = [
        new_notice(session, role, now, trace) for role in session.recipients if role not in roles
    ]
    return NoticeChanges(after, new)


def move(
    course: KnownSession,
    times: Times,
    reason: str | None,
    notices: Sequence[Notice],
    now: datetime,
    trace: str | None,
) -> NoticeChanges:
    """Tell the new time to whoever was told another.

    Whoever was not told yet is invited to the new time instead of the old one. Whoever knows the
    new time, because it is the one that he was told last, hears nothing.
    """
    if course.cancelled:
        return NoticeChanges(course)
    turn = course.turn + 1
    if course.session is None:
        return NoticeChanges(replace(course, times=times, turn=turn))
    session = _at(course.session, times, turn)
    if _times(session) == _times(course.session):
        return NoticeChanges(course)
    new: list[Notice] = []
    changed: list[tuple[Notice, Notice]] = []
    for role, of_role in _by_role(notices):
        overtaken = _overtaken(of_role, now)
        told = _told(of_role)
        if told is None:
            if overtaken:
                new.append(new_notice(session, role, now, trace))
        elif _times(_session(told)) != _times(session):
            known = _session(told)
            moved = MovedSession(session, known.starts_at, known.ends_at, reason)
            new.append(new_notice(moved, role, now, trace))
        else:  # back to what was told
            overtaken = [(before, after) for before, after in overtaken if before is not told]
            if told.standing is HandoverState.OVERTAKEN:
                overtaken.append((told, evolve(told, TrueAgain(now))))
        changed += overtaken
    return NoticeChanges(replace(course, session=session, turn=turn), new, changed)


def cancel(
    course: KnownSession,
    at: datetime,
    reason: str | None,
    notices: Sequence[Notice],
    now: datetime,
    trace: str | None,
) -> NoticeChanges:
    """Tell it to whoever was told of the session; what did not go out yet does not go out."""
    if course.cancelled:
        return NoticeChanges(course)
    new: list[Notice] = []
    changed: list[tuple[Notice, Notice]] = []
    for role, of_role in _by_role(notices):
        changed += _overtaken(of_role, now)
        told = _told(of_role)
        if told is not None:
            known = CancelledSession(_session(told), at, reason)
            new.append(new_notice(known, role, now, trace))
    return NoticeChanges(replace(course, cancelled=True), new, changed)


def known_by(session_id: str, notices: Iterable[Notice]) -> KnownSession:
    """What the notices of a session tell of it, where nothing else is stored."""
    for notice in notices:
        if isinstance(notice.notification, ScheduledSession):
            return KnownSession(session_id, notice.notification)
    return KnownSession(session_id)


def _by_role(notices: Iterable[Notice]) -> list[tuple[str, list[Notice]]]:
    """The notices of each recipient, in the order in which the session went on."""
    roles: dict[str, list[Notice]] = {}
    for notice in sorted(notices, key=lambda notice: _session(notice).turn):
        roles.setdefault(notice.recipient_role, []).append(notice)
    return list(roles.items())


def _overtaken(notices: Iterable[Notice], now: datetime) -> list[tuple[Notice, Notice]]:
    return [
        (notice, evolve(notice, Overtaken(now)))
        for notice in notices
        if notice.state is State.PENDING and notice.standing is not HandoverState.OVERTAKEN
    ]


def _told(notices: Iterable[Notice]) -> Notice | None:
    """What a recipient was told last, or may have been."""
    told = None
    for notice in notices:
        out = notice.state is State.PENDING and notice.standing is not HandoverState.WAITS
        if notice.state is State.DELIVERED or out:
            told = notice
    return told


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
