"""One function per batch of events or of mails: load, decide, save."""

from services.notify.handlers.delivery import begin_handover, hand_over, record_answers
from services.notify.handlers.events import handle_events
from services.notify.handlers.ports import (
    Change,
    Declined,
    HandlerContext,
    Interrupted,
    MailTransport,
    NoticeRepository,
    NotYet,
    Saved,
    Unreachable,
)
from services.notify.handlers.recovery import recover

__all__ = [
    "Change",
    "Declined",
    "HandlerContext",
    "Interrupted",
    "MailTransport",
    "NotYet",
    "NoticeRepository",
    "Saved",
    "Unreachable",
    "begin_handover",
    "hand_over",
    "handle_events",
    "record_answers",
    "recover",
]
