"""One function a command or a batch of events: load, decide, save."""

from services.scheduler.handlers.calendar import act, create_season, schedule
from services.scheduler.handlers.recovery import take_in
from services.scheduler.handlers.register import (
    Change,
    Record,
    Register,
    Rules,
    UnknownResolution,
    UnknownSession,
)
from services.scheduler.handlers.resolutions import Proposal, act_on_resolution, record
from shared.runtime.listing import Query

__all__ = [
    "Change",
    "Proposal",
    "Query",
    "Record",
    "Register",
    "Rules",
    "UnknownResolution",
    "UnknownSession",
    "act",
    "act_on_resolution",
    "create_season",
    "record",
    "schedule",
    "take_in",
]
