"""One function a command or a batch of events: load, decide, save."""

from services.followups.handlers.bulk import (
    Line,
    ManyFollowups,
    NoSheet,
    Sheets,
    SheetWriter,
)
from services.followups.handlers.evidence import (
    Added,
    EvidencedFollowups,
    Upload,
    Uploads,
    add_file,
    add_link,
)
from services.followups.handlers.linking import link
from services.followups.handlers.moving import MOST_AT_ONCE, MovableFollowups, MoveEnd, Moving, move
from services.followups.handlers.ports import (
    Ahead,
    Change,
    Decide,
    FollowupRepository,
    HandlerContext,
    UnknownFollowup,
    act,
    handle_events,
    recover,
    sweep,
)

__all__ = [
    "MOST_AT_ONCE",
    "Added",
    "Ahead",
    "Change",
    "Decide",
    "EvidencedFollowups",
    "FollowupRepository",
    "HandlerContext",
    "Line",
    "ManyFollowups",
    "MovableFollowups",
    "MoveEnd",
    "Moving",
    "NoSheet",
    "SheetWriter",
    "Sheets",
    "UnknownFollowup",
    "Upload",
    "Uploads",
    "act",
    "add_file",
    "add_link",
    "handle_events",
    "link",
    "move",
    "recover",
    "sweep",
]
