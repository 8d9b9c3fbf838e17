"""Work on a follow-up: who does it beside the deputy, and how these facts change that."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final, Literal, TypeAlias

from shared.runtime.calendar import tehran_date

ItemState: TypeAlias = Literal["open", "done", "dropped"]


@dataclass(frozen=True, slots=True)
class Delegation:
    """Somebody takes all of the deputy's steps, up to and with a day."""

    to: str
    until: date  # the last day, Asia/Tehran
    by: str
    at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class ActionItem:
    """A part of the work, with an owner and a due date of its own."""

    number: int  # from 1, for ever
    title: str
    owner: str  # a person or a body
    due_on: date  # Asia/Tehran; where the follow-up is due earlier, that date counts
    by: str
    at: datetime  # UTC
    state: ItemState = "open"
    ended_by: str | None = None
    ended_at: datetime | None = None  # UTC
    note: str | None = None  # about its end; why, where it was dropped


@dataclass(frozen=True, slots=True)
class Part:
    """How far a supporting or executing body is with its part, as was reported last."""

    body: str
    progress: int  # 0…100
    note: str | None
    by: str
    at: datetime  # UTC


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The resolution that a follow-up continues."""

    resolution_id: str
    deputy: str | None  # whose follow-up of it, where it had several


@dataclass(frozen=True, slots=True)
class Work:
    """What is agreed about the work on a follow-up."""

    officer: str | None = None  # takes some of the deputy's steps
    delegation: Delegation | None = None  # the latest that was not taken back, over or not
    items: tuple[ActionItem, ...] = ()  # by their numbers
    predecessor: Predecessor | None = None
    parts: tuple[Part, ...] = ()  # one a body, in the order in which each was first reported

    def delegated(self, now: datetime) -> Delegation | None:
        """The delegation that counts at an instant (UTC). Nothing has to happen for it to end."""
        delegation = self.delegation
        return delegation if delegation and tehran_date(now) <= delegation.until else None

    def delegated_to(self, user: str, now: datetime) -> Delegation | None:
        """The same, where it is this user who takes the deputy's steps."""
        delegation = self.delegated(now)
        return delegation if delegation and delegation.to == user else None


NONE: Final = Work()
"""Nothing is agreed: as every follow-up begins."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """An officer was named, or is one no more."""

    at: datetime
    by: str
    officer: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Delegated:
    """The deputy has all of his steps taken by somebody for some days."""

    at: datetime
    by: str
    to: str
    until: date  # the last day, Asia/Tehran
    note: str | None


@dataclass(frozen=True, slots=True)
class DelegationEnded:
    """What was delegated was taken, or given, back before its last day."""

    at: datetime
    by: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Commented:
    """Somebody who is concerned said something. It changes nothing, and stands in the history."""

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
    """A supporting or executing body is so far with its part."""

    at: datetime
    by: str
    body: str
    progress: int
    note: str | None


@dataclass(frozen=True, slots=True)
class Linked:
    """The follow-up continues another resolution."""

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
    """The work after one more fact. Decides nothing: a fact has happened."""
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
    """The work without what was reported of bodies that have a part in it no longer."""
    return replace(work, parts=tuple(part for part in work.parts if part.body in bodies))


def _ended(work: Work, fact: ItemDone | ItemDropped, state: ItemState, note: str | None) -> Work:
    items = tuple(
        replace(item, state=state, ended_by=fact.by, ended_at=fact.at, note=note)
        if item.number == fact.item
        else item
        for item in work.items
    )
    return replace(work, items=items)
