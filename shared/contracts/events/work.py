"""Events of the work on a follow-up; the service `followups` owns them, in the same topics."""

from __future__ import annotations

from shared.contracts.events.base import Brief, Day, Id, Instant, Name, Slug, Text, Title, Version
from shared.contracts.events.followups import By, FollowupEvent, FollowupStepEvent, Progress


class FollowupAssigned(FollowupStepEvent):
    """The deputy named an officer, who may report progress, block and unblock; one at a time.

    Without `officer` there is no officer any more.
    """

    at: Instant
    by: By
    officer: By | None = None
    note: Text | None = None


class FollowupDelegated(FollowupStepEvent):
    """The deputy delegated all steps to somebody else, up to and including the day `until`.

    The delegation ends after that day without an event. It replaces an earlier one.
    """

    at: Instant
    by: By
    to: By
    until: Day
    note: Text | None = None


class FollowupDelegationEnded(FollowupStepEvent):
    """A delegation was revoked or returned before its last day."""

    at: Instant
    by: By
    note: Text | None = None


class FollowupCommented(FollowupStepEvent):
    """Somebody involved commented on the follow-up; nothing else changes."""

    at: Instant
    by: By
    text: Text


class FollowupItemAdded(FollowupStepEvent):
    """A part of the work got an owner and a due date; `item` is its number, from 1.

    If the follow-up's own due date is moved before that date, the follow-up's counts.
    """

    at: Instant
    by: By
    item: Version
    title: Title
    owner: Name
    due_on: Day


class FollowupItemDone(FollowupStepEvent):
    """A part of the work is done."""

    at: Instant
    by: By
    item: Version
    note: Brief | None = None


class FollowupItemDropped(FollowupStepEvent):
    """A part of the work will not be done."""

    at: Instant
    by: By
    item: Version
    reason: Brief


class FollowupPartReported(FollowupStepEvent):
    """The progress of a supporting or executing body with its part was reported."""

    at: Instant
    by: By
    body: Name
    progress: Progress
    note: Brief | None = None


class FollowupMoved(FollowupEvent):
    """Another deputy is responsible from now on: `deputy`.

    The event is in the topics of both. In the new deputy's topic the whole history precedes it,
    event by event, with the same ids and sequence numbers.
    """

    at: Instant
    by: By
    previous_deputy: Slug
    reason: Brief


class FollowupLinked(FollowupEvent):
    """The follow-up continues another resolution, its predecessor; the latest such event counts.

    `predecessor_deputy` names the deputy if the predecessor has several follow-ups.
    """

    at: Instant
    by: By
    predecessor: Id
    predecessor_deputy: Slug | None = None
