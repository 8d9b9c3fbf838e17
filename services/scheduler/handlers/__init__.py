"""One function a command or a batch of events: load, decide, save."""

from services.scheduler.handlers.calendar import act, create_season, schedule
from services.scheduler.handlers.ports import (
    Change,
    HandlerContext,
    Record,
    SchedulerRepository,
    UnknownResolution,
    UnknownSession,
)
from services.scheduler.handlers.recovery import recover
from services.scheduler.handlers.resolutions import Proposal, act_on_resolution, record

__all__ = [
    "Change",
    "HandlerContext",
    "Proposal",
    "Record",
    "SchedulerRepository",
    "UnknownResolution",
    "UnknownSession",
    "act",
    "act_on_resolution",
    "create_season",
    "record",
    "recover",
    "schedule",
]
