"""The data of every event, by its `ce_type`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from shared.contracts.envelope import CloudEvent, Unreadable, require_json
from shared.contracts.events.absences import AbsenceDeclared, AbsenceEnded, AbsenceEvent
from shared.contracts.events.base import EventData, Person
from shared.contracts.events.circulars import CatalogueAxis, CircularIssued, SubAxis
from shared.contracts.events.followups import (
    FollowupAcknowledged,
    FollowupAmended,
    FollowupBlocked,
    FollowupClosed,
    FollowupCompleted,
    FollowupDueSoon,
    FollowupEvent,
    FollowupEvidenceAdded,
    FollowupExtended,
    FollowupExtensionRefused,
    FollowupExtensionRequested,
    FollowupOpened,
    FollowupOverdue,
    FollowupProgressed,
    FollowupReopened,
    FollowupSettled,
    FollowupStepEvent,
    FollowupUnacknowledged,
    FollowupUnblocked,
    FollowupVerified,
)
from shared.contracts.events.notices import NoticeDelivered, NoticeFailed
from shared.contracts.events.rejections import EventRejected
from shared.contracts.events.reports import (
    AxisAnswers,
    InitiativeHighlighted,
    ReportDistributed,
    ReportOverdue,
    ReportReminderDue,
    ReportSubmitted,
)
from shared.contracts.events.resolutions import (
    ResolutionAmended,
    ResolutionApproved,
    ResolutionWithdrawn,
    fingerprint,
)
from shared.contracts.events.sessions import (
    InvitationIssued,
    SessionCancelled,
    SessionClosed,
    SessionOpened,
    SessionRescheduled,
    SessionScheduled,
)
from shared.contracts.events.work import (
    FollowupAssigned,
    FollowupCommented,
    FollowupDelegated,
    FollowupDelegationEnded,
    FollowupItemAdded,
    FollowupItemDone,
    FollowupItemDropped,
    FollowupLinked,
    FollowupMoved,
    FollowupPartReported,
)

EVENTS: Final[Mapping[str, type[EventData]]] = {
    event.TYPE: event
    for event in (
        SessionScheduled,
        SessionRescheduled,
        SessionCancelled,
        InvitationIssued,
        SessionOpened,
        SessionClosed,
        CircularIssued,
        ReportReminderDue,
        ReportSubmitted,
        ReportOverdue,
        ReportDistributed,
        InitiativeHighlighted,
        ResolutionApproved,
        ResolutionAmended,
        ResolutionWithdrawn,
        FollowupOpened,
        FollowupAmended,
        FollowupAcknowledged,
        FollowupUnacknowledged,
        FollowupSettled,
        FollowupProgressed,
        FollowupBlocked,
        FollowupUnblocked,
        FollowupDueSoon,
        FollowupOverdue,
        FollowupExtensionRequested,
        FollowupExtended,
        FollowupExtensionRefused,
        FollowupCompleted,
        FollowupVerified,
        FollowupReopened,
        FollowupClosed,
        FollowupAssigned,
        FollowupDelegated,
        FollowupDelegationEnded,
        FollowupCommented,
        FollowupItemAdded,
        FollowupItemDone,
        FollowupItemDropped,
        FollowupPartReported,
        FollowupLinked,
        FollowupMoved,
        FollowupEvidenceAdded,
        AbsenceDeclared,
        AbsenceEnded,
        NoticeDelivered,
        NoticeFailed,
        EventRejected,
    )
}


class UnknownType(Exception):
    """No event of that type is known."""


class Invalid(Exception):
    """The data is not valid for its type; `field` is the dotted name of the first fault."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


def parse(event: CloudEvent, *, recorded: bool = False) -> EventData:
    """Read an event's data by its type. Texts of one that was `recorded` before stay as they are.

    Raises UnknownType, Unreadable("broken-json") and Invalid.
    """
    model = EVENTS.get(event.type)
    if model is None:
        raise UnknownType(f"{event.type!r} is no type of event that is known here")
    data = require_json(event.data)
    try:
        return model.from_json(data) if recorded else model.model_validate_json(data)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        if faults[0]["type"] == "json_invalid":
            raise Unreadable("broken-json", faults[0]["msg"]) from None
        named = [(".".join(map(str, fault["loc"])) or "data", fault["msg"]) for fault in faults]
        detail = "; ".join(f"{field}: {message}" for field, message in named)
        raise Invalid(named[0][0], detail) from None


__all__ = [
    "EVENTS",
    "AbsenceDeclared",
    "AbsenceEnded",
    "AbsenceEvent",
    "AxisAnswers",
    "CatalogueAxis",
    "CircularIssued",
    "EventData",
    "EventRejected",
    "FollowupAcknowledged",
    "FollowupAmended",
    "FollowupAssigned",
    "FollowupBlocked",
    "FollowupClosed",
    "FollowupCommented",
    "FollowupCompleted",
    "FollowupDelegated",
    "FollowupDelegationEnded",
    "FollowupDueSoon",
    "FollowupEvent",
    "FollowupEvidenceAdded",
    "FollowupExtended",
    "FollowupExtensionRefused",
    "FollowupExtensionRequested",
    "FollowupItemAdded",
    "FollowupItemDone",
    "FollowupItemDropped",
    "FollowupLinked",
    "FollowupMoved",
    "FollowupOpened",
    "FollowupOverdue",
    "FollowupPartReported",
    "FollowupProgressed",
    "FollowupReopened",
    "FollowupSettled",
    "FollowupStepEvent",
    "FollowupUnacknowledged",
    "FollowupUnblocked",
    "FollowupVerified",
    "InitiativeHighlighted",
    "Invalid",
    "InvitationIssued",
    "NoticeDelivered",
    "NoticeFailed",
    "Person",
    "ReportDistributed",
    "ReportOverdue",
    "ReportReminderDue",
    "ReportSubmitted",
    "ResolutionAmended",
    "ResolutionApproved",
    "ResolutionWithdrawn",
    "SessionCancelled",
    "SessionClosed",
    "SessionOpened",
    "SessionRescheduled",
    "SessionScheduled",
    "SubAxis",
    "UnknownType",
    "fingerprint",
    "parse",
]
