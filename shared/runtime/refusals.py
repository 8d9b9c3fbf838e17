"""Why a domain says no: the base of every service's named errors."""

from __future__ import annotations

from typing import ClassVar


class Refused(Exception):
    """The domain says no; the message says why, `reason` is its slug for machines."""

    reason: ClassVar[str] = "refused"


class NotAllowed(Refused):
    """The one who asks has no right to it."""

    reason = "not-allowed"
