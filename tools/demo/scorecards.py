"""Scorecards (کارنامه): how the follow-ups of each deputy stand, counted from the topics."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.contracts.events import (
    FollowupCompleted,
    FollowupEvent,
    FollowupOpened,
    FollowupOverdue,
    FollowupReopened,
    FollowupVerified,
)
from shared.contracts.reference import DEPUTIES
from tools.demo.evidence import Evidence
from tools.demo.workdays import day_of

TOTAL_TITLE: Final = "همه"


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The follow-ups of a deputy at the end of the season, or those of all deputies."""

    title_fa: str
    total: int
    open_: int  # verified by nobody
    overdue: tuple[int, int, int]  # of the open ones, by the level announced last
    verified: int
    in_time: int  # of the verified ones: completed by the original due date

    @property
    def share(self) -> float:
        """The share of the total that was completed in time, 0 to 1."""
        return self.in_time / self.total if self.total else 0.0


@dataclass(slots=True)
class _Followup:
    """A follow-up as its events leave it."""

    opened: FollowupOpened
    level: int = 0
    completed_at: datetime | None = None
    verified: bool = False

    def apply(self, data: FollowupEvent) -> None:
        """Take in the next event."""
        match data:
            case FollowupOverdue():
                self.level = data.level
            case FollowupCompleted():
                self.completed_at = data.at
            case FollowupVerified():
                self.verified = True
            case FollowupReopened():
                self.completed_at, self.verified = None, False
            case _:
                pass

    @property
    def completed_in_time(self) -> bool:
        """Whether it was completed by the original due date, in Tehran."""
        due_on = self.opened.original_due_on
        return self.completed_at is not None and day_of(self.completed_at) <= due_on


def scorecards(evidence: Evidence) -> tuple[Scorecard, ...]:
    """Count a scorecard for each deputy, and at last that of all deputies."""
    followups = _followups(evidence)
    return (
        *(
            _scorecard(deputy.title_fa, [f for f in followups if f.opened.deputy == deputy.id])
            for deputy in DEPUTIES
        ),
        _scorecard(TOTAL_TITLE, followups),
    )


def _followups(evidence: Evidence) -> Collection[_Followup]:
    followups: dict[str, _Followup] = {}
    for record in evidence.distinct(FollowupEvent):
        data = record.data
        if isinstance(data, FollowupOpened):
            followups[data.followup_id] = _Followup(data)
        elif data.followup_id in followups:
            followups[data.followup_id].apply(data)
    return followups.values()


def _scorecard(title_fa: str, followups: Collection[_Followup]) -> Scorecard:
    open_ = [f for f in followups if not f.verified]
    first, second, third = (sum(f.level == level for f in open_) for level in (1, 2, 3))
    return Scorecard(
        title_fa=title_fa,
        total=len(followups),
        open_=len(open_),
        overdue=(first, second, third),
        verified=len(followups) - len(open_),
        in_time=sum(f.verified and f.completed_in_time for f in followups),
    )
