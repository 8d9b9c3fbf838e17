"""How others work on a follow-up beside its deputy. A refusal is a named error."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from services.followups.domain.decisions import acts_for_the_deputy, require, speaks_for_body
from services.followups.domain.records import Followup
from services.followups.domain.refusals import BadProgress, NotNow
from services.followups.domain.transitions import Transition
from services.followups.domain.work import (
    ActionItem,
    Assigned,
    Commented,
    Delegated,
    DelegationEnded,
    ItemAdded,
    ItemDone,
    ItemDropped,
    Linked,
    PartReported,
    Predecessor,
)
from shared.runtime.calendar import tehran_date
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed, Refused
from shared.runtime.sentences import sentence
from shared.text import search_key

LONGEST_DELEGATION: Final = 366  # calendar days from today
MOST_ITEMS: Final = 50  # of one follow-up, whatever became of them


class BadUntil(Refused):
    """A delegation ends on a day to come, within a year."""

    reason = "bad-until"


class BadDelegate(Refused):
    """Nobody delegates to himself."""

    reason = "bad-delegate"


class DueAfterFollowup(Refused):
    """No part of the work is due after the whole."""

    reason = "due-after-followup"


class TooManyItems(Refused):
    """The work has as many items as it may have."""

    reason = "too-many-items"


class UnknownItem(Refused):
    """The work has no item of that number."""

    reason = "unknown-item"


class NoPart(Refused):
    """The body has no part in it: it is neither supporting nor executing."""

    reason = "no-part"


class BadPredecessor(Refused):
    """Nothing continues itself."""

    reason = "bad-predecessor"


def assign(
    followup: Followup, by: Principal, officer: str, note: str | None, now: datetime
) -> Assigned:
    """Name the officer who may report progress, block and unblock; one at a time.

    Raises NotAllowed, NotNow.
    """
    require(followup, Transition.ASSIGN, by, now)
    if followup.work.officer == officer:
        raise NotNow(sentence("{officer} is its officer already", officer=officer))
    return Assigned(now, by.id, officer, note)


def unassign(followup: Followup, by: Principal, note: str | None, now: datetime) -> Assigned:
    """Have no officer any more; he himself may give it back. Raises NotAllowed, NotNow."""
    require(followup, Transition.UNASSIGN, by, now)
    if followup.work.officer is None:
        raise NotNow("it has no officer")
    return Assigned(now, by.id, None, note)


def delegate(
    followup: Followup, by: Principal, to: str, until: date, note: str | None, now: datetime
) -> Delegated:
    """Have all of the deputy's steps taken by another up to and with a day (Asia/Tehran).

    The deputy alone may: nobody passes on what was delegated to him. A later delegation takes the
    place of the one before. Raises NotAllowed, NotNow, BadDelegate, BadUntil.
    """
    require(followup, Transition.DELEGATE, by, now)
    if to == by.id:
        raise BadDelegate(sentence("{to} cannot delegate to himself", to=to))
    today = tehran_date(now)
    latest = today + timedelta(days=LONGEST_DELEGATION)
    if not today <= until <= latest:
        raise BadUntil(
            sentence(
                "{until} is not from today, {today}, to {latest}",
                until=until,
                today=today,
                latest=latest,
            )
        )
    return Delegated(now, by.id, to, until, note)


def end_delegation(
    followup: Followup, by: Principal, note: str | None, now: datetime
) -> DelegationEnded:
    """Take a delegation back, or give it back. Raises NotAllowed, NotNow."""
    require(followup, Transition.END_DELEGATION, by, now)
    if followup.work.delegated(now) is None:
        raise NotNow("nothing is delegated")
    return DelegationEnded(now, by.id, note)


def comment(followup: Followup, by: Principal, text: str, now: datetime) -> Commented:
    """Say something about it, also after its end. Raises NotAllowed."""
    require(followup, Transition.COMMENT, by, now)
    return Commented(now, by.id, text)


# -- items --------------------------------------------------------------------------------------


def add_item(
    followup: Followup, by: Principal, title: str, owner: str, due_on: date, now: datetime
) -> ItemAdded:
    """Give a part of the work an owner and a due date (Asia/Tehran), no later than the whole's.

    Raises NotAllowed, NotNow, TooManyItems, DueAfterFollowup.
    """
    require(followup, Transition.ADD_ITEM, by, now)
    number = len(followup.work.items) + 1
    if number > MOST_ITEMS:
        raise TooManyItems(sentence("it has {most} items, no more can be", most=MOST_ITEMS))
    whole = followup.resolution.due_on
    if due_on > whole:
        raise DueAfterFollowup(
            sentence(
                "{due_on} is after {whole}, when the follow-up is due", due_on=due_on, whole=whole
            )
        )
    return ItemAdded(now, by.id, number, title, owner, due_on)


def finish_item(
    followup: Followup, by: Principal, number: int, note: str | None, now: datetime
) -> ItemDone:
    """Say that an item is done. Raises NotAllowed, NotNow, UnknownItem."""
    require(followup, Transition.FINISH_ITEM, by, now)
    return ItemDone(now, by.id, _open_item(followup, number).number, note)


def drop_item(
    followup: Followup, by: Principal, number: int, reason: str, now: datetime
) -> ItemDropped:
    """Say that an item will not be done. Raises NotAllowed, NotNow, UnknownItem."""
    require(followup, Transition.DROP_ITEM, by, now)
    return ItemDropped(now, by.id, _open_item(followup, number).number, reason)


def _open_item(followup: Followup, number: int) -> ActionItem:
    found = next((item for item in followup.work.items if item.number == number), None)
    if found is None:
        raise UnknownItem(sentence("there is no item {number}", number=number))
    if found.state != "open":
        raise NotNow(sentence("item {number} is {state}", number=number, state=found.state))
    return found


# -- the parts of other bodies ------------------------------------------------------------------


def report_part(
    followup: Followup, by: Principal, body: str, progress: int, note: str | None, now: datetime
) -> PartReported:
    """Say how far a supporting or executing body is with its part.

    Its name is the resolution's, however it is spelt here. Raises NotAllowed, NotNow, NoPart,
    BadProgress.
    """
    require(followup, Transition.REPORT_PART, by, now)
    named = _body(followup, body)
    if not (acts_for_the_deputy(followup, by, now) or speaks_for_body(by, named)):
        raise NotAllowed(sentence("{by} does not speak for {body}", by=by.id, body=named))
    if not 0 <= progress <= 100:
        raise BadProgress(sentence("{progress} is not from 0 to 100", progress=progress))
    return PartReported(now, by.id, named, progress, note)


def _body(followup: Followup, asked: str) -> str:
    bodies = followup.resolution.bodies
    if asked in bodies:
        return asked
    same = [body for body in bodies if search_key(body) == search_key(asked)]
    if len(same) != 1:
        raise NoPart(
            sentence(
                "{asked} has no part in it; these have: {bodies}",
                asked=asked,
                bodies=bodies or sentence("none"),
            )
        )
    return same[0]


# -- what it continues --------------------------------------------------------------------------


def link(
    followup: Followup, by: Principal, predecessor: str, deputy: str | None, now: datetime
) -> Linked:
    """Say which resolution it continues, and whose follow-up of it; a later word replaces it.

    The resolution need not be known: it may be of another deputy, or from before.
    Raises NotAllowed, NotNow, BadPredecessor.
    """
    require(followup, Transition.LINK, by, now)
    if predecessor == followup.resolution_id and deputy in {None, followup.deputy}:
        raise BadPredecessor(
            sentence("{predecessor} cannot continue itself", predecessor=predecessor)
        )
    if followup.work.predecessor == Predecessor(predecessor, deputy):
        raise NotNow(sentence("it continues {predecessor} already", predecessor=predecessor))
    return Linked(now, by.id, predecessor, deputy)
