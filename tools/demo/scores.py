"""کارنامه: how each deputy's follow-ups stand, counted from what the topics tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.contracts.events import (
    FollowupCompleted,
    FollowupEvent,
    FollowupOpened,
    FollowupOverdue,
    FollowupReopened,
    FollowupVerified,
)
from shared.contracts.reference import DEPUTIES
from tools.demo.checks_of_followups import distinct
from tools.demo.days import day_of
from tools.demo.evidence import Evidence
from tools.demo.verdicts import Check, compare

_ALL: Final = "همه"


@dataclass(frozen=True, slots=True)
class Score:
    """A deputy's follow-ups at the end of the season, or those of all of them together."""

    title_fa: str
    total: int
    open_: int  # not confirmed by anybody
    overdue: tuple[int, int, int]  # of the open ones: by the level announced
    verified: int
    in_time: int  # of the verified ones: claimed by the original date

    @property
    def share(self) -> float:
        """The share of all that was done in time, 0…1."""
        return self.in_time / self.total if self.total else 0.0


@dataclass(slots=True)
class _Standing:
    opened: FollowupOpened
    level: int = 0
    claimed_at: datetime | None = None
    verified: bool = False


def scorecards(evidence: Evidence) -> tuple[Score, ...]:
    """A score for each deputy, and the last for all."""
    standings = _standings(evidence)
    scores = [
        _score(d.title_fa, [s for s in standings.values() if s.opened.deputy == d.id])
        for d in DEPUTIES
    ]
    return (*scores, _score(_ALL, list(standings.values())))


def check_scorecards(scores: Sequence[Score], answered: Mapping[str, Any]) -> Check:
    """The service's own scorecards by deputy say what the topics do."""
    items = [*answered["items"], {**answered["total"], "title_fa": _ALL}]
    return compare(
        "scorecards that the service tells",
        {s.title_fa: (s.total, s.verified, s.in_time, s.overdue) for s in scores},
        (
            (
                item["title_fa"],
                (
                    item["total"],
                    item["verified"],
                    item["on_time"],
                    tuple(item["overdue_by_level"].values()),
                ),
            )
            for item in items
        ),
    )


def _standings(evidence: Evidence) -> Mapping[str, _Standing]:
    standings: dict[str, _Standing] = {}
    for record in distinct(evidence.records):
        data = record.data
        if isinstance(data, FollowupOpened):
            standings[data.followup_id] = _Standing(data)
        elif isinstance(data, FollowupEvent) and data.followup_id in standings:
            standing = standings[data.followup_id]
            match data:
                case FollowupOverdue():
                    standing.level = data.level
                case FollowupCompleted():
                    standing.claimed_at = data.at
                case FollowupVerified():
                    standing.verified = True
                case FollowupReopened():
                    standing.claimed_at, standing.verified = None, False
                case _:
                    pass
    return standings


def _score(title: str, standings: list[_Standing]) -> Score:
    open_ = [s for s in standings if not s.verified]
    first, second, third = (sum(s.level == level for s in open_) for level in (1, 2, 3))
    return Score(
        title_fa=title,
        total=len(standings),
        open_=len(open_),
        overdue=(first, second, third),
        verified=len(standings) - len(open_),
        in_time=sum(s.verified and _in_time(s) for s in standings),
    )


def _in_time(standing: _Standing) -> bool:
    claimed_at = standing.claimed_at
    return claimed_at is not None and day_of(claimed_at) <= standing.opened.original_due_on
