"""Why an event is refused."""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """The domain says no; the message says why, `reason` is its slug for machines."""

    reason: ClassVar[str] = "refused"


class WrongDeputy(Refused):
    """The event names another deputy than the topic that it came by."""

    reason = "wrong-deputy"


class DueBeforeApproval(Refused):
    """The due date lies before the day of approval, so nobody will follow that resolution."""

    reason = "due-before-approval"
