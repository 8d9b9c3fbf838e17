"""The work on a follow-up: who does it besides the deputy, and how facts change that.

Instants are in UTC, days in Asia/Tehran.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Literal, TypeAlias

from shared.runtime.calendar import tehran_date

ItemState: TypeAlias = Literal["open", "done", "dropped"]


@dataclass(frozen=True, slots=True)
class Delegation:
    """Somebody may take all steps of the deputy, up to and including a day."""

    to: str
    until: date  # the last day, Asia/Tehran
    by: str
    at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class ActionItem:
    """A part of the work, with its owner and due date."""

    number: int  # from 1; never changes
    title: str
    owner: str  # a person or a body
    due_on: date  # Asia/Tehran; an earlier due date of the follow-up counts instead
    by: str
    at: datetime  # UTC
    state: ItemState = "open"
    ended_by: str | None = None
    ended_at: datetime | None = None  # UTC
    note: str | None = None  # about its end; the reason if it was dropped


@dataclass(frozen=True, slots=True)
class Part:
    """The progress of a supporting or executing body, as last reported."""

    body: str
    progress: int  # 0…100
    note: str | None
    by: str
    at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The resolution that a follow-up continues."""

    resolution_id: str
    deputy: str | None  # whose follow-up of it; None: any deputy's


@dataclass(frozen=True, slots=True)
class Work:
    """What is agreed about the work on a follow-up."""

    officer: str | None = None  # may take some of the deputy's steps
    delegation: Delegation | None = None  # the latest, even if expired, unless ended early
    items: tuple[ActionItem, ...] = ()  # by number
    predecessor: Predecessor | None = None
    parts: tuple[Part, ...] = ()  # one per body, in the order of their first reports

    def delegated(self, now: datetime) -> Delegation | None:
        """Return the delegation that is valid at an instant (UTC); no event marks its end."""
        delegation = self.delegation
        return delegation if delegation and tehran_date(now) <= delegation.until else None

    def delegated_to(self, user: str, now: datetime) -> Delegation | None:
        """Return the delegation that is valid at an instant (UTC) if it is to this user."""
        delegation = self.delegated(now)
        return delegation if delegation and delegation.to == user else None


NONE: Final = Work()
"""Nothing is agreed: the state in which every follow-up begins."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """An officer was named, or the assignment was ended."""

    at: datetime
    by: str
    officer: str | None  # None: nobody any more
    note: str | None


@dataclass(frozen=True, slots=True)
class Delegated:
    """The deputy lets somebody take all steps for some days."""

    at: datetime
    by: str
    to: str
    until: date  # the last day, Asia/Tehran
    note: str | None


@dataclass(frozen=True, slots=True)
class DelegationEnded:
    """A delegation was taken back, or given back, before its last day."""

    at: datetime
    by: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Commented:
    """Somebody who is concerned commented. It changes nothing but the history."""

    at: datetime
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class ItemAdded:
    """A part of the work was given an owner and a due date."""

    at: datetime
    by: str
    item: int
    title: str
    owner: str
    due_on: date


@dataclass(frozen=True, slots=True)
class ItemDone:
    """A part of the work is done."""

    at: datetime
    by: str
    item: int
    note: str | None


@dataclass(frozen=True, slots=True)
class ItemDropped:
    """A part of the work will not be done."""

    at: datetime
    by: str
    item: int
    reason: str


@dataclass(frozen=True, slots=True)
class PartReported:
    """The progress of a supporting or executing body was reported."""

    at: datetime
    by: str
    body: str
    progress: int
    note: str | None


@dataclass(frozen=True, slots=True)
class Linked:
    """The follow-up was linked to the resolution that it continues."""

    at: datetime
    by: str
    predecessor: str  # its resolution id
    predecessor_deputy: str | None


WorkFact: TypeAlias = (
    Assigned
    | Delegated
    | DelegationEnded
    | Commented
    | ItemAdded
    | ItemDone
    | ItemDropped
    | PartReported
    | Linked
)


def after(work: Work, fact: WorkFact) -> Work:
    """Return the work after one more fact."""
    match fact:
        case Assigned():
            return replace(work, officer=fact.officer)
        case Delegated():
            return replace(work, delegation=Delegation(fact.to, fact.until, fact.by, fact.at))
        case DelegationEnded():
            return replace(work, delegation=None)
        case Commented():
            return work
        case ItemAdded():
            item = ActionItem(fact.item, fact.title, fact.owner, fact.due_on, fact.by, fact.at)
            return replace(work, items=(*work.items, item))
        case ItemDone():
            return _ended(work, fact, "done", fact.note)
        case ItemDropped():
            return _ended(work, fact, "dropped", fact.reason)
        case Linked():
            predecessor = Predecessor(fact.predecessor, fact.predecessor_deputy)
            return replace(work, predecessor=predecessor)
        case PartReported():
            part = Part(fact.body, fact.progress, fact.note, fact.by, fact.at)
            parts = {known.body: known for known in work.parts} | {fact.body: part}
            return replace(work, parts=tuple(parts.values()))


def within(work: Work, bodies: Collection[str]) -> Work:
    """Return the work without the parts of bodies that no longer take part."""
    return replace(work, parts=tuple(part for part in work.parts if part.body in bodies))


def _ended(work: Work, fact: ItemDone | ItemDropped, state: ItemState, note: str | None) -> Work:
    items = tuple(
        replace(item, state=state, ended_by=fact.by, ended_at=fact.at, note=note)
        if item.number == fact.item
        else item
        for item in work.items
    )
    return replace(work, items=items)
