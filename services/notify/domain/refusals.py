"""Why an event is refused."""

from __future__ import annotations

from typing import Final

from shared.runtime.refusals import Refused


class WrongDeputy(Refused):
    """The event names another deputy than its topic does."""

    reason = "wrong-deputy"


class DueBeforeApproval(Refused):
    """The due date is before the day of approval, so nobody will follow that resolution."""

    reason = "due-before-approval"


OF_EVENTS: Final = (WrongDeputy, DueBeforeApproval)
"""Why an event is refused."""
