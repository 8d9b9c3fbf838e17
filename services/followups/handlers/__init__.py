"""One function a command or a batch of events: load, decide, save."""

from services.followups.handlers.tracking import (
    Change,
    Decide,
    Followups,
    Query,
    Tracking,
    UnknownFollowup,
    act,
    sweep,
    take,
    take_in,
)

__all__ = [
    "Change",
    "Decide",
    "Followups",
    "Query",
    "Tracking",
    "UnknownFollowup",
    "act",
    "sweep",
    "take",
    "take_in",
]
