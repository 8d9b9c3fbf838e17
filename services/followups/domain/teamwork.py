"""The decisions about working together on a follow-up. Each returns a fact or raises a refusal.

`now` is the present instant in UTC.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from services.followups.domain.permissions import acts_for_the_deputy, require, speaks_for_body
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
MOST_ITEMS: Final = 50  # of one follow-up, open or not


class BadUntil(Refused):
    """A delegation has to end today or later, within a year."""

    reason = "bad-until"


class BadDelegate(Refused):
    """Nobody can delegate to themselves."""

    reason = "bad-delegate"


class DueAfterFollowup(Refused):
    """An item cannot be due after the follow-up."""

    reason = "due-after-followup"


class TooManyItems(Refused):
    """The follow-up already has the largest allowed number of items."""

    reason = "too-many-items"


class UnknownItem(Refused):
    """No item has this number."""

    reason = "unknown-item"


class NoPart(Refused):
    """The body does not take part: it is neither supporting nor executing."""

    reason = "no-part"


class BadPredecessor(Refused):
    """A follow-up cannot continue itself."""

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
    """End the officer's assignment; the officer may do so too. Raises NotAllowed, NotNow."""
    require(followup, Transition.UNASSIGN, by, now)
    if followup.work.officer is None:
        raise NotNow("it has no officer")
    return Assigned(now, by.id, None, note)


def delegate(
    followup: Followup, by: Principal, to: str, until: date, note: str | None, now: datetime
) -> Delegated:
    """Let somebody take all steps of the deputy, up to and including a day (Asia/Tehran).

    Only the deputy may delegate; a delegate cannot delegate further. A substitute may, until the
    last day of the deputy's absence. A later delegation replaces the earlier one. Raises
    NotAllowed, NotNow, BadDelegate, BadUntil.
    """
    require(followup, Transition.DELEGATE, by, now)
    if to == by.id:
        raise BadDelegate(sentence("{to} cannot delegate to himself", to=to))
    today = tehran_date(now)
    latest = today + timedelta(days=LONGEST_DELEGATION)
    if (absence := by.substitution(followup.deputy)) is not None:
        latest = min(latest, absence.last_on)
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
    """Comment, even after the end. Raises NotAllowed."""
    require(followup, Transition.COMMENT, by, now)
    return Commented(now, by.id, text)


# -- items --------------------------------------------------------------------------------------


def add_item(
    followup: Followup, by: Principal, title: str, owner: str, due_on: date, now: datetime
) -> ItemAdded:
    """Add an action item, due on a day (Asia/Tehran) no later than the follow-up.

    Raises NotAllowed, NotNow, TooManyItems, DueAfterFollowup.
    """
    require(followup, Transition.ADD_ITEM, by, now)
    number = len(followup.work.items) + 1
    if number > MOST_ITEMS:
        raise TooManyItems(sentence("it has {most} items, no more can be", most=MOST_ITEMS))
    latest = followup.resolution.due_on
    if due_on > latest:
        raise DueAfterFollowup(
            sentence(
                "{due_on} is after {whole}, when the follow-up is due", due_on=due_on, whole=latest
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
    """Report the progress of a supporting or executing body, 0 to 100.

    The fact has the body's name as the resolution spells it. Raises NotAllowed, NotNow, NoPart,
    BadProgress.
    """
    require(followup, Transition.REPORT_PART, by, now)
    name = _body(followup, body)
    if not (acts_for_the_deputy(followup, by, now) or speaks_for_body(by, name)):
        raise NotAllowed(sentence("{by} does not speak for {body}", by=by.id, body=name))
    if not 0 <= progress <= 100:
        raise BadProgress(sentence("{progress} is not from 0 to 100", progress=progress))
    return PartReported(now, by.id, name, progress, note)


def _body(followup: Followup, name: str) -> str:
    bodies = followup.resolution.bodies
    if name in bodies:
        return name
    same = [body for body in bodies if search_key(body) == search_key(name)]
    if len(same) != 1:
        raise NoPart(
            sentence(
                "{asked} has no part in it; these have: {bodies}",
                asked=name,
                bodies=bodies or sentence("none"),
            )
        )
    return same[0]


# -- what it continues --------------------------------------------------------------------------


def link(
    followup: Followup, by: Principal, predecessor: str, deputy: str | None, now: datetime
) -> Linked:
    """Link it to the resolution that it continues, and optionally to one deputy's follow-up of it.

    A later link replaces an earlier one. The resolution need not be known here: it may belong to
    another deputy, or be older than this service.
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
