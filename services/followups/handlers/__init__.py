"""One function per command, per batch of events and per sweep: load, decide, save."""

from services.followups.handlers.absences import AbsenceCommand, declare_absence, end_absence
from services.followups.handlers.bulk import Line
from services.followups.handlers.commands import Command, Decide, act
from services.followups.handlers.drafts import changed
from services.followups.handlers.events import handle_events
from services.followups.handlers.evidence import Added, add_file, add_link
from services.followups.handlers.linking import link
from services.followups.handlers.moving import MOST_AT_ONCE, Moving, move
from services.followups.handlers.ports import (
    AbsenceChange,
    AbsenceRepository,
    Ahead,
    Change,
    EvidencedFollowups,
    FollowupRepository,
    HandlerContext,
    KnownAbsences,
    ManyFollowups,
    MovableFollowups,
    MoveEnd,
    NoSheet,
    Sheets,
    SheetWriter,
    UnknownAbsence,
    UnknownFollowup,
    Upload,
    Uploads,
)
from services.followups.handlers.recovery import recover
from services.followups.handlers.sweep import sweep

__all__ = [
    "MOST_AT_ONCE",
    "AbsenceChange",
    "AbsenceCommand",
    "AbsenceRepository",
    "Added",
    "Ahead",
    "Change",
    "Command",
    "Decide",
    "EvidencedFollowups",
    "FollowupRepository",
    "HandlerContext",
    "KnownAbsences",
    "Line",
    "ManyFollowups",
    "MovableFollowups",
    "MoveEnd",
    "Moving",
    "NoSheet",
    "SheetWriter",
    "Sheets",
    "UnknownAbsence",
    "UnknownFollowup",
    "Upload",
    "Uploads",
    "act",
    "add_file",
    "add_link",
    "changed",
    "declare_absence",
    "end_absence",
    "handle_events",
    "link",
    "move",
    "recover",
    "sweep",
]
