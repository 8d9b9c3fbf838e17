"""What has to come of a script: a model of its own, which shares nothing with the services.

It counts working days and climbs the ladder (levels after 0, 5, 10 working days, urgent after 0,
2, 4) by itself, so that a mistake of theirs cannot hide in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from tools.demo.days import DAY, WorkDays, day_of, in_tehran
from tools.demo.lives import deputy_of, governor_of
from tools.demo.script import Resolution, Script, session_id_of

_STEPS: Final = {False: (0, 5, 10), True: (0, 2, 4)}  # working days, by whether it is urgent
_AFTER: Final = {
    "acknowledge": ("FollowupAcknowledged", "acknowledged"),
    "progress": ("FollowupProgressed", "in-progress"),
    "complete": ("FollowupCompleted", "done"),
    "verify": ("FollowupVerified", "verified"),
    "reopen": ("FollowupReopened", "reopened"),
}
_RESTING: Final = ("done", "verified")  # nobody waits for the deputy
_TOLD: Final = {1: None, 2: "coordination", 3: "minister-office"}  # 1: the deputy


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a follow-up: its name without `peygir.` and `.v1`, its instant, its level."""

    name: str
    at: datetime
    level: int = 0
    days_overdue: int = 0


@dataclass(frozen=True, slots=True)
class Life:
    """A follow-up's history and how it stands at the end."""

    resolution: Resolution
    told: tuple[Told, ...]
    state: str
    level: int
    claimed_at: datetime | None  # of the claim that stands

    @property
    def is_open(self) -> bool:
        """Whether nobody has confirmed it."""
        return self.state != "verified"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that somebody has to get."""

    kind: str  # the template of its notice
    role: str  # of whom it goes to
    about: str  # the id of a resolution or a session


@dataclass(frozen=True, slots=True)
class Expectation:
    """All that has to come of a script."""

    script: Script
    lives: Mapping[str, Life]  # by resolution id
    mails: Counter[Mail]


def expect(script: Script) -> Expectation:
    """Work out what has to come of a script."""
    days = WorkDays()
    lives = {r.resolution_id: _live(r, script.ends_at, days) for r in script.resolutions}
    mails = Counter(
        Mail("session-scheduled", governor_of(code).role, session_id_of(code))
        for code in script.turns
    )
    for code in script.turns[len(script.sessions) :]:  # called off, after everybody was told
        mails[Mail("session-cancelled", governor_of(code).role, session_id_of(code))] += 1
    for session in script.sessions:
        if session.report_is_late:
            role = governor_of(session.province).role
            mails[Mail("report-overdue", role, session.session_id)] += 1
    for life in lives.values():
        own, about = deputy_of(life.resolution.deputy).role, life.resolution.resolution_id
        mails[Mail("resolution-approved", own, about)] += 1
        for told in life.told:
            if told.level:
                mails[Mail("followup-overdue", _TOLD[told.level] or own, about)] += 1
    return Expectation(script, lives, mails)


def reached_at(due_on: date, level: int, days: WorkDays, *, urgent: bool) -> datetime:
    """When a level is reached: at 00:00 in Tehran of the day after so many working days."""
    return in_tehran(days.after(due_on, _STEPS[urgent][level - 1]) + DAY)


def _live(resolution: Resolution, ends_at: datetime, days: WorkDays) -> Life:
    told = [Told("FollowupOpened", resolution.approved_at)]
    state, level, claimed_at = "opened", 0, None
    ends = [deed.at for deed in resolution.deeds[:1]] or [ends_at]
    level = _climb(resolution, told, level, resolution.approved_at, ends[0], days)
    for n, deed in enumerate(resolution.deeds):
        name, state = _AFTER[deed.kind]
        told.append(Told(name, deed.at))
        if deed.kind == "complete":
            claimed_at = deed.at
        elif deed.kind == "reopen":
            claimed_at = None
        if state not in _RESTING:
            later = resolution.deeds[n + 1 : n + 2]
            until = later[0].at if later else ends_at
            level = _climb(resolution, told, level, deed.at, until, days)
    return Life(resolution, tuple(told), state, level, claimed_at)


def _climb(
    resolution: Resolution,
    told: list[Told],
    level: int,
    since: datetime,
    until: datetime,
    days: WorkDays,
) -> int:
    """Tell the levels that fall into a time in which the deputy is waited for.

    A level that was passed before it is told at its beginning.
    """
    while level < 3:
        at = max(since, reached_at(resolution.due_on, level + 1, days, urgent=resolution.urgent))
        if at > until:
            break
        level += 1
        told.append(Told("FollowupOverdue", at, level, (day_of(at) - resolution.due_on).days))
    return level
