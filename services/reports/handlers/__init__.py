"""One function a command or a batch of events: load, decide, save."""

from services.reports.handlers.reception import (
    Change,
    Circulars,
    Expectations,
    Reception,
)
from services.reports.handlers.recovery import take_in
from services.reports.handlers.reports import act, issue, sweep
from services.reports.handlers.sessions import take
from shared.runtime.listing import Query

__all__ = [
    "Change",
    "Circulars",
    "Expectations",
    "Query",
    "Reception",
    "act",
    "issue",
    "sweep",
    "take",
    "take_in",
]
