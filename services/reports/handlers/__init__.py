"""One function a command or a batch of events: load, decide, save."""

from services.reports.handlers.events import handle_events
from services.reports.handlers.ports import (
    Change,
    CircularRepository,
    ExpectationRepository,
    HandlerContext,
)
from services.reports.handlers.recovery import recover
from services.reports.handlers.reports import act, issue, sweep

__all__ = [
    "Change",
    "CircularRepository",
    "ExpectationRepository",
    "HandlerContext",
    "act",
    "handle_events",
    "issue",
    "recover",
    "sweep",
]
