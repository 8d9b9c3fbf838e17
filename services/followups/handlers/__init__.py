"""One function per command, per batch of events and per sweep: load, decide, save."""

from services.followups.handlers.bulk import Line
from services.followups.handlers.commands import Command, Decide, act
from services.followups.handlers.drafts import changed
from services.followups.handlers.events import handle_events
from services.followups.handlers.evidence import Added, add_file, add_link
from services.followups.handlers.linking import link
from services.followups.handlers.moving import MOST_AT_ONCE, Moving, move
from services.followups.handlers.ports import (
    Ahead,
    Change,
    EvidencedFollowups,
    FollowupRepository,
    HandlerContext,
    ManyFollowups,
    MovableFollowups,
    MoveEnd,
    NoSheet,
    Sheets,
    SheetWriter,
    UnknownFollowup,
    Upload,
    Uploads,
)
from services.followups.handlers.recovery import recover
from services.followups.handlers.sweep import sweep

__all__ = [
    "MOST_AT_ONCE",
    "Added",
    "Ahead",
    "Change",
    "Command",
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
    "changed",
    "handle_events",
    "link",
    "move",
    "recover",
    "sweep",
]
