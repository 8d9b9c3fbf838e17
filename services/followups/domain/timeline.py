"""The timeline of one follow-up, computed from its facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from services.followups.domain.facts import Amended, Extended, Fact, FellOverdue, Moved
from services.followups.domain.records import EvidenceAdded, Followup, State
from services.followups.domain.work import (
    Assigned,
    Commented,
    Delegated,
    DelegationEnded,
    ItemAdded,
    ItemDone,
    ItemDropped,
    Linked,
    PartReported,
)


class Kind(StrEnum):
    """The subject of a mark on the timeline."""

    COMMENT = "comment"
    EVIDENCE = "evidence"
    ITEM = "item"
    PART = "part"
    PEOPLE = "people"  # who works on it, or is accountable
    LINK = "link"


MARKS: Final[Mapping[type[Fact], Kind]] = {
    Commented: Kind.COMMENT,
    EvidenceAdded: Kind.EVIDENCE,
    ItemAdded: Kind.ITEM,
    ItemDone: Kind.ITEM,
    ItemDropped: Kind.ITEM,
    PartReported: Kind.PART,
    Assigned: Kind.PEOPLE,
    Delegated: Kind.PEOPLE,
    DelegationEnded: Kind.PEOPLE,
    Moved: Kind.PEOPLE,
    Linked: Kind.LINK,
}
"""Facts that change neither state, dates, level nor progress."""


@dataclass(frozen=True, slots=True)
class Period:
    """A time in one state."""

    state: State
    begins: datetime  # UTC
    ends: datetime | None  # None: not ended


@dataclass(frozen=True, slots=True)
class DueMove:
    """A due date was replaced (days in Asia/Tehran)."""

    at: datetime  # UTC
    before: date
    after: date
    by: str
    is_extension: bool  # otherwise an amendment


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened and when, each list in the order of time."""

    followup: Followup  # after its latest fact
    periods: tuple[Period, ...]
    due_moves: tuple[DueMove, ...]
    progress: tuple[tuple[datetime, int], ...]  # each change, 0 to 100; instants in UTC
    levels: tuple[tuple[datetime, int], ...]  # announced
    marks: tuple[tuple[datetime, Kind], ...]


def timeline(steps: Iterable[tuple[Followup | None, Fact, Followup]]) -> Timeline:
    """Return the timeline of all facts, each with the follow-up before and after it, in order.

    The first fact is the opening.
    """
    followup: Followup | None = None
    states: list[tuple[datetime, State]] = []
    due_moves: list[DueMove] = []
    progress: list[tuple[datetime, int]] = []
    levels: list[tuple[datetime, int]] = []
    marks: list[tuple[datetime, Kind]] = []
    for before, fact, followup in steps:
        if before is None or before.state is not followup.state:
            states.append((fact.at, followup.state))
        if before is None or before.progress != followup.progress:
            progress.append((fact.at, followup.progress))
        if before is not None and before.resolution.due_on != followup.resolution.due_on:
            due_moves.append(_due_move(fact, before, followup))
        if isinstance(fact, FellOverdue):
            levels.append((fact.at, fact.level))
        if type(fact) in MARKS:
            marks.append((fact.at, MARKS[type(fact)]))
    ends = [begins for begins, _ in states[1:]]
    periods = (
        Period(state, begins, end)
        for (begins, state), end in zip(states, (*ends, None), strict=True)
    )
    assert followup is not None, "a life begins with its opening"
    return Timeline(
        followup,
        tuple(periods),
        tuple(due_moves),
        tuple(progress),
        tuple(levels),
        tuple(marks),
    )


def _due_move(fact: Fact, before: Followup, after: Followup) -> DueMove:
    assert isinstance(fact, Amended | Extended), "nothing else moves a due date"
    former, present = before.resolution.due_on, after.resolution.due_on
    return DueMove(fact.at, former, present, fact.by, isinstance(fact, Extended))
