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
from services.followups.handlers.moving import (
    MOST_AT_ONCE,
    MovableFollowups,
    Moving,
    Side,
    move,
)
from services.followups.handlers.tracking import (
    Ahead,
    Change,
    Decide,
    Followups,
    Tracking,
    UnknownFollowup,
    act,
    sweep,
    take,
    take_in,
)
from shared.runtime.listing import Query

__all__ = [
    "MOST_AT_ONCE",
    "Added",
    "Ahead",
    "Change",
    "Decide",
    "EvidencedFollowups",
    "Followups",
    "Line",
    "ManyFollowups",
    "MovableFollowups",
    "Moving",
    "NoSheet",
    "Query",
    "SheetWriter",
    "Sheets",
    "Side",
    "Tracking",
    "UnknownFollowup",
    "Upload",
    "Uploads",
    "act",
    "add_file",
    "add_link",
    "link",
    "move",
    "sweep",
    "take",
    "take_in",
]
