"""Why the domain refuses something: one named error per reason."""

from __future__ import annotations

from typing import Final

from shared.runtime.refusals import Refused


class WrongDeputy(Refused):
    """The resolution names another deputy than the topic from which it was read."""

    reason = "wrong-deputy"


class Conflict(Refused):
    """The resolution is known with other data."""

    reason = "conflict"


class DueBeforeApproval(Refused):
    """The due date is before the day of approval."""

    reason = "due-before-approval"


class Outdated(Refused):
    """A later amendment was applied already."""

    reason = "outdated"


class UnknownResolution(Refused):
    """No follow-up of this resolution is here."""

    reason = "unknown-resolution"


class NotTheApprover(Refused):
    """Only the source that approved, or the scheduler, may amend or withdraw."""

    reason = "not-the-approver"


class NotNow(Refused):
    """The present state of the follow-up does not allow it."""

    reason = "not-now"


class ReasonMissing(Refused):
    """The step requires a reason."""

    reason = "reason-missing"


class BadDueDate(Refused):
    """The due date is not later than the present one, or beyond the limit of all extensions."""

    reason = "bad-due-date"


class AlreadyFollowed(Refused):
    """The other deputy already has a follow-up of this resolution."""

    reason = "already-followed"


class TooManyExtensions(Refused):
    """No further extension is allowed."""

    reason = "too-many-extensions"


class BadBlocker(Refused):
    """The blocker has to be somebody else than the person or the deputy."""

    reason = "bad-blocker"


class BadProgress(Refused):
    """Progress has to be a whole number from 0 to 100."""

    reason = "bad-progress"


OF_EVENTS: Final = (
    WrongDeputy,
    Conflict,
    DueBeforeApproval,
    Outdated,
    UnknownResolution,
    NotTheApprover,
    NotNow,
)
"""Why an event of a resolution is refused."""
