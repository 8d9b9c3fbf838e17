"""One function per command or batch of events: load, decide, save."""

from services.reports.handlers.commands import (
    change_expectation,
    distribute_report,
    issue_circular,
    submit_report,
)
from services.reports.handlers.events import handle_events
from services.reports.handlers.ports import (
    Change,
    CircularRepository,
    ExpectationRepository,
    HandlerContext,
)
from services.reports.handlers.recovery import recover
from services.reports.handlers.sweep import sweep
from shared.runtime.list_queries import ListQuery

__all__ = [
    "Change",
    "CircularRepository",
    "ExpectationRepository",
    "HandlerContext",
    "ListQuery",
    "change_expectation",
    "distribute_report",
    "handle_events",
    "issue_circular",
    "recover",
    "submit_report",
    "sweep",
]
