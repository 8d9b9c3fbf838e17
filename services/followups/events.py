"""Maps facts to the events that others read, and events of others to what the domain knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.followups.domain.records import (
    Acknowledged,
    Amended,
    Closed,
    Completed,
    Fact,
    FellOverdue,
    Followup,
    Opened,
    Progressed,
    Reopened,
    Resolution,
    Verified,
)
from shared.contracts.events import (
    EventData,
    FollowupAcknowledged,
    FollowupAmended,
    FollowupClosed,
    FollowupCompleted,
    FollowupEvent,
    FollowupOpened,
    FollowupOverdue,
    FollowupProgressed,
    FollowupReopened,
    FollowupVerified,
    ResolutionAmended,
    ResolutionApproved,
    fingerprint,
)
from shared.messaging.records import Event, event_id

_AMENDABLE = ("title", "due_on", "text", "supporting", "executing_body", "priority", "number")
_RESOLUTION = (
    *("resolution_id", "deputy", "title", "approved_at", "due_on", "session_id", "session_kind"),
    *("province", "axis", "text", "supporting", "executing_body", "priority", "number"),
    "baseline_on",
)


def announce(followup: Followup, fact: Fact, topic: str, trace: str | None) -> Event:
    """The event of a fact, with the follow-up as the fact left it."""
    data = _data(followup, fact)
    distinction = (
        f"{fact.due_on}|{fact.level}" if isinstance(fact, FellOverdue) else followup.version
    )
    return Event(
        id=event_id(data.TYPE, followup.followup_id, distinction),
        type=data.TYPE,
        topic=topic,
        key=followup.resolution_id,
        aggregate_id=followup.followup_id,
        version=followup.version,
        time=fact.at,
        dataschema=data.DATASCHEMA,
        data=data.to_json(),
        trace=trace,
    )


def _data(followup: Followup, fact: Fact) -> EventData:
    ids: dict[str, Any] = {
        "followup_id": followup.followup_id,
        "resolution_id": followup.resolution_id,
        "deputy": followup.deputy,
    }
    resolution = followup.resolution
    match fact:
        case Opened():
            return FollowupOpened.of(
                {
                    **ids,
                    **{name: getattr(resolution, name) for name in _RESOLUTION},
                    "original_due_on": followup.original_due_on,
                    "at": fact.at,
                    "approved_source": fact.approved_source,
                    "fingerprint": fact.fingerprint,
                }
            )
        case Amended():
            changed: dict[str, Any] = {name: getattr(resolution, name) for name in _AMENDABLE}
            changed |= {"by": fact.by, "amendment": fact.amendment, "reason": fact.reason}
            changed["amended_at"] = fact.amended_at
            return FollowupAmended(**ids, at=fact.at, **changed)
        case Acknowledged():
            return FollowupAcknowledged(
                **ids, at=fact.at, by=fact.by, stance=fact.stance, note=fact.note
            )
        case Progressed():
            return FollowupProgressed(
                **ids, at=fact.at, by=fact.by, progress=fact.progress, note=fact.note
            )
        case FellOverdue():
            return FollowupOverdue(
                **ids,
                title=resolution.title,
                due_on=fact.due_on,
                original_due_on=followup.original_due_on,
                days_overdue=fact.days_overdue,
                level=fact.level,
                progress=followup.progress,
                session_id=resolution.session_id,
                province=resolution.province,
                axis=resolution.axis,
                at=fact.at,
            )
        case Completed():
            return FollowupCompleted(**ids, at=fact.at, by=fact.by, note=fact.note)
        case Verified():
            return FollowupVerified(
                **ids, at=fact.at, by=fact.by, finding=fact.finding, note=fact.note
            )
        case Reopened():
            return FollowupReopened(**ids, at=fact.at, by=fact.by, reason=fact.reason)
        case Closed():
            return FollowupClosed(
                **ids, at=fact.at, by=fact.by, outcome=fact.outcome, reason=fact.reason
            )


def fact_of(data: FollowupEvent, followup: Followup | None) -> Fact | None:
    """The fact that one of our own events tells; None for those that change no state here.

    `followup` is the follow-up before it, None before it was opened.
    """
    match data:
        case FollowupOpened():
            known = {name: getattr(data, name) for name in _RESOLUTION}
            return Opened(data.at, Resolution(**known), data.approved_source, data.fingerprint)
        case FollowupAmended() if followup is not None:
            changed = {name: getattr(data, name) for name in _AMENDABLE}
            resolution = replace(followup.resolution, **changed)
            return Amended(
                data.at, data.by, resolution, data.reason, data.amendment, data.amended_at
            )
        case FollowupAcknowledged():
            return Acknowledged(data.at, data.by, data.stance, data.note)
        case FollowupProgressed():
            return Progressed(data.at, data.by, data.progress, data.note)
        case FollowupOverdue() if data.at is not None:
            return FellOverdue(data.at, data.level, data.due_on, data.days_overdue)
        case FollowupCompleted():
            return Completed(data.at, data.by, data.note)
        case FollowupVerified():
            return Verified(data.at, data.by, data.finding, data.note)
        case FollowupReopened():
            return Reopened(data.at, data.by, data.reason)
        case FollowupClosed():
            return Closed(data.at, data.by, data.outcome, data.reason)
        case _:
            return None


def resolution_of(approved: ResolutionApproved) -> Resolution:
    """What was approved, in the domain's record."""
    return Resolution(**{name: getattr(approved, name) for name in _RESOLUTION})


def fingerprint_of(approved: ResolutionApproved) -> str:
    """What tells the same approval from another one under the same id."""
    return fingerprint(approved)


def amended(resolution: Resolution, data: ResolutionAmended) -> Resolution:
    """The resolution with what an amendment names; the rest stays."""
    named = {name: getattr(data, name) for name in _AMENDABLE}
    return replace(resolution, **{k: v for k, v in named.items() if v is not None})
