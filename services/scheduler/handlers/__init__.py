"""One function per command or batch of events: load, decide, save."""

from services.scheduler.handlers.commands.calendar import (
    cancel_session,
    change_session,
    close_session,
    create_season,
    open_session,
    reschedule_session,
    schedule_session,
)
from services.scheduler.handlers.commands.resolutions import (
    Proposal,
    amend_resolution,
    change_resolution,
    record_resolutions,
    withdraw_resolution,
)
from services.scheduler.handlers.ports import (
    Change,
    HandlerContext,
    Record,
    SchedulerRepository,
    UnknownResolution,
    UnknownSession,
)
from services.scheduler.handlers.recovery import recover

__all__ = [
    "Change",
    "HandlerContext",
    "Proposal",
    "Record",
    "SchedulerRepository",
    "UnknownResolution",
    "UnknownSession",
    "amend_resolution",
    "cancel_session",
    "change_resolution",
    "change_session",
    "close_session",
    "create_season",
    "open_session",
    "record_resolutions",
    "recover",
    "reschedule_session",
    "schedule_session",
    "withdraw_resolution",
]
