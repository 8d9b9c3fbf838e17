"""Why the domain says no to what is asked of a follow-up: one named error a reason."""

from __future__ import annotations

from shared.runtime.refusals import Refused


class WrongDeputy(Refused):
    """The resolution names another deputy than the topic that it came by."""

    reason = "wrong-deputy"


class Conflict(Refused):
    """The resolution is known with other data."""

    reason = "conflict"


class DueBeforeApproval(Refused):
    """The due date lies before the day of approval."""

    reason = "due-before-approval"


class Outdated(Refused):
    """A later amendment was applied already."""

    reason = "outdated"


class UnknownResolution(Refused):
    """There is no follow-up for that resolution here."""

    reason = "unknown-resolution"


class NotTheApprover(Refused):
    """Only the source that approved, or the scheduler, amends or withdraws."""

    reason = "not-the-approver"


class NotNow(Refused):
    """It cannot be done as the follow-up stands."""

    reason = "not-now"


class ReasonMissing(Refused):
    """What is asked for takes a reason."""

    reason = "reason-missing"


class BadDueDate(Refused):
    """A later due date has to be later, and not beyond what may be granted in all."""

    reason = "bad-due-date"


class AlreadyFollowed(Refused):
    """The deputy follows that resolution himself already."""

    reason = "already-followed"


class TooManyExtensions(Refused):
    """No further extension can be had."""

    reason = "too-many-extensions"


class BadBlocker(Refused):
    """Nobody waits for himself: somebody else has to act first."""

    reason = "bad-blocker"


class BadProgress(Refused):
    """Progress is a whole number from 0 to 100."""

    reason = "bad-progress"
