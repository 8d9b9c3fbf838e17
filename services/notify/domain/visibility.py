"""Which notices somebody may see: those that went to their own role."""

from __future__ import annotations

from services.notify.domain.notices import Notice
from shared.runtime.access import Reach
from shared.runtime.list_queries import Within


def sees_notice(reach: Reach, notice: Notice) -> bool:
    """Whether a notice is within reach."""
    return reach.everything or notice.recipient_role in _roles(reach)


def notices_within(reach: Reach) -> Within | None:
    """The notices that `sees_notice` shows; None if those are all."""
    if reach.everything:
        return None
    roles = _roles(reach)
    return Within({"recipient_role": roles} if roles else {})


def _roles(reach: Reach) -> frozenset[str]:
    return frozenset(
        [f"deputy:{deputy}" for deputy in reach.deputies]
        + [f"province:{province}" for province in reach.provinces]
        + [f"adviser:{axis}" for axis in reach.axes]
    )
