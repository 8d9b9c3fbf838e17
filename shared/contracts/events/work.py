"""Events of the work on a follow-up; the service `followups` owns them, in the same topics."""

from __future__ import annotations

from shared.contracts.events.base import Brief, Day, Id, Instant, Name, Slug, Text, Title, Version
from shared.contracts.events.followups import By, FollowupEvent, Progress


class FollowupAssigned(FollowupEvent):
    """The deputy named an officer, who may report progress, block and unblock; one at a time.

    Without `officer` nobody is it any more.
    """

    at: Instant
    by: By
    officer: By | None = None
    note: Text | None = None


class FollowupDelegated(FollowupEvent):
    """The deputy has all of his steps taken by another, `until` a day: it counts too.

    After that day it no longer holds, which no event tells. It takes the place of one before.
    """

    at: Instant
    by: By
    to: By
    until: Day
    note: Text | None = None


class FollowupDelegationEnded(FollowupEvent):
    """What was delegated was taken, or given, back before its last day."""

    at: Instant
    by: By
    note: Text | None = None


class FollowupCommented(FollowupEvent):
    """Somebody who is concerned said something about it; nothing changes."""

    at: Instant
    by: By
    text: Text


class FollowupItemAdded(FollowupEvent):
    """A part of the work was given an owner and a due date; `item` is its number, from 1.

    Where the follow-up's own date comes to lie earlier, that one counts.
    """

    at: Instant
    by: By
    item: Version
    title: Title
    owner: Name
    due_on: Day


class FollowupItemDone(FollowupEvent):
    """A part of the work is done."""

    at: Instant
    by: By
    item: Version
    note: Brief | None = None


class FollowupItemDropped(FollowupEvent):
    """A part of the work will not be done."""

    at: Instant
    by: By
    item: Version
    reason: Brief


class FollowupPartReported(FollowupEvent):
    """A supporting or executing body is so far with its part."""

    at: Instant
    by: By
    body: Name
    progress: Progress
    note: Brief | None = None


class FollowupMoved(FollowupEvent):
    """Another deputy answers for it from now on: `deputy`.

    It stands in the topics of both. In that of the new one the whole history goes before it, event
    by event as it was, with the same ids and numbers.
    """

    at: Instant
    by: By
    previous_deputy: Slug
    reason: Brief


class FollowupLinked(FollowupEvent):
    """The follow-up continues another resolution, its predecessor; the latest word counts.

    `predecessor_deputy` says whose follow-up of it, where it had several.
    """

    at: Instant
    by: By
    predecessor: Id
    predecessor_deputy: Slug | None = None
