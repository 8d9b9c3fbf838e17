"""The oracle: what must come of a script, worked out without the services.

It shares no logic with them. It counts working days and escalation levels (after 0, 5 and 10
working days; for urgent resolutions after 0, 2 and 4) itself, so a mistake of theirs shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from tools.demo.actors import deputy_of, governor_of
from tools.demo.script import Resolution, Script, session_id_of
from tools.demo.workdays import DAY, WorkDays, day_of, in_tehran

_WORKDAYS_TO_LEVEL: Final = {False: (0, 5, 10), True: (0, 2, 4)}  # by whether it is urgent
_HIGHEST_LEVEL: Final = 3
_AFTER_ACTION: Final = {  # the event and the state that an action brings about
    "acknowledge": ("FollowupAcknowledged", "acknowledged"),
    "progress": ("FollowupProgressed", "in-progress"),
    "complete": ("FollowupCompleted", "done"),
    "verify": ("FollowupVerified", "verified"),
    "reopen": ("FollowupReopened", "reopened"),
}
_NOT_ESCALATED: Final = ("done", "verified")  # the deputy has nothing left to do
_ESCALATED_TO: Final = {2: "coordination", 3: "minister-office"}  # level 1: the deputy


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An event of a follow-up, without what differs between two replays of one script."""

    name: str  # without `peygir.` and `.v1`
    at: datetime  # UTC
    level: int = 0  # of FollowupOverdue; 0 for all others
    days_overdue: int = 0


@dataclass(frozen=True, slots=True)
class ExpectedFollowup:
    """The whole history of a follow-up, and what it leads to."""

    resolution: Resolution
    history: tuple[HistoryEntry, ...]
    state: str
    level: int
    claimed_at: datetime | None  # UTC; None if no claim of completion stands

    @property
    def is_open(self) -> bool:
        """Whether nobody has verified it."""
        return self.state != "verified"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that goes out as a mail."""

    template: str
    recipient_role: str
    about: str  # the id of a resolution or a session


@dataclass(frozen=True, slots=True)
class Expectation:
    """All that must come of a script."""

    script: Script
    followups: Mapping[str, ExpectedFollowup]  # by resolution id
    notices: Counter[Notice]


def expect(script: Script) -> Expectation:
    """Work out what must come of a script."""
    days = WorkDays()
    followups = {r.resolution_id: _followup(r, script.ends_at, days) for r in script.resolutions}
    notices = _session_notices(script)
    for followup in followups.values():
        notices.update(_followup_notices(followup))
    return Expectation(script, followups, notices)


def level_reached_at(due_on: date, level: int, days: WorkDays, *, urgent: bool) -> datetime:
    """Return when a level is reached: at 00:00 in Tehran of the day after its working days.

    `due_on` is a day in Tehran; the returned instant is UTC.
    """
    return in_tehran(days.add(due_on, _WORKDAYS_TO_LEVEL[urgent][level - 1]) + DAY)


def _session_notices(script: Script) -> Counter[Notice]:
    """The notices to governors: the calendar, cancellations, overdue reports."""
    notices = Counter(
        Notice("session-scheduled", governor_of(province).role, session_id_of(province))
        for province in script.provinces
    )
    for province in script.provinces[len(script.sessions) :]:
        role = governor_of(province).role
        notices[Notice("session-cancelled", role, session_id_of(province))] += 1
    for session in script.sessions:
        if session.report_is_late:
            role = governor_of(session.province).role
            notices[Notice("report-overdue", role, session.session_id)] += 1
    return notices


def _followup_notices(followup: ExpectedFollowup) -> list[Notice]:
    """The notices about a resolution: to its deputy, and to those to whom it is escalated."""
    resolution_id = followup.resolution.resolution_id
    deputy = deputy_of(followup.resolution.deputy).role
    return [
        Notice("resolution-approved", deputy, resolution_id),
        *(
            Notice("followup-overdue", _ESCALATED_TO.get(entry.level, deputy), resolution_id)
            for entry in followup.history
            if entry.level
        ),
    ]


def _followup(resolution: Resolution, ends_at: datetime, days: WorkDays) -> ExpectedFollowup:
    """Replay a resolution's actions, and between them the levels that time alone brings about."""
    history = [HistoryEntry("FollowupOpened", resolution.approved_at)]
    state, level, since = "opened", 0, resolution.approved_at
    claimed_at: datetime | None = None
    for action in resolution.actions:
        if state not in _NOT_ESCALATED:
            level = _escalate(resolution, history, level, since, action.at, days)
        name, state = _AFTER_ACTION[action.kind]
        history.append(HistoryEntry(name, action.at))
        if action.kind == "complete":
            claimed_at = action.at
        elif action.kind == "reopen":
            claimed_at = None
        since = action.at
    if state not in _NOT_ESCALATED:
        level = _escalate(resolution, history, level, since, ends_at, days)
    return ExpectedFollowup(resolution, tuple(history), state, level, claimed_at)


def _escalate(
    resolution: Resolution,
    history: list[HistoryEntry],
    level: int,
    since: datetime,
    until: datetime,
    days: WorkDays,
) -> int:
    """Append the levels announced between two instants; return the level at the second.

    A level whose instant passed before `since`, while nobody waited for the deputy, is announced
    at `since`.
    """
    while level < _HIGHEST_LEVEL:
        reached_at = level_reached_at(resolution.due_on, level + 1, days, urgent=resolution.urgent)
        at = max(since, reached_at)
        if at > until:
            break
        level += 1
        days_overdue = (day_of(at) - resolution.due_on).days
        history.append(HistoryEntry("FollowupOverdue", at, level, days_overdue))
    return level
