"""Converts facts to events, our own events back to facts, and others' events to domain data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from services.followups.domain.evolution import evolve, opened
from services.followups.domain.facts import (
    Acknowledged,
    Amended,
    Blocked,
    CameDueSoon,
    Closed,
    Completed,
    Extended,
    ExtensionRefused,
    ExtensionRequested,
    Fact,
    FellOverdue,
    Moved,
    Opened,
    Progressed,
    Reopened,
    Settled,
    Unblocked,
    Verified,
    WentUnacknowledged,
)
from services.followups.domain.records import EvidenceAdded, Followup, Resolution
from services.followups.domain.work import (
    Assigned,
    Commented,
    Delegated,
    DelegationEnded,
    ItemAdded,
    ItemDone,
    ItemDropped,
    Linked,
    PartReported,
)
from shared.contracts.envelope import CloudEvent
from shared.contracts.events import (
    EVENTS,
    EventData,
    FollowupAcknowledged,
    FollowupAmended,
    FollowupAssigned,
    FollowupBlocked,
    FollowupClosed,
    FollowupCommented,
    FollowupCompleted,
    FollowupDelegated,
    FollowupDelegationEnded,
    FollowupDueSoon,
    FollowupEvent,
    FollowupEvidenceAdded,
    FollowupExtended,
    FollowupExtensionRefused,
    FollowupExtensionRequested,
    FollowupItemAdded,
    FollowupItemDone,
    FollowupItemDropped,
    FollowupLinked,
    FollowupMoved,
    FollowupOpened,
    FollowupOverdue,
    FollowupPartReported,
    FollowupProgressed,
    FollowupReopened,
    FollowupSettled,
    FollowupStepEvent,
    FollowupUnacknowledged,
    FollowupUnblocked,
    FollowupVerified,
    ResolutionAmended,
    ResolutionApproved,
    fingerprint,
)
from shared.messaging.core.model import Event, event_of, inbox_id

_AMENDABLE = ("title", "due_on", "text", "supporting", "executing_body", "priority", "number")
_RESOLUTION = (
    *("resolution_id", "deputy", "title", "approved_at", "due_on", "session_id", "session_kind"),
    *("province", "axis", "text", "supporting", "executing_body", "priority", "number"),
    "baseline_on",
)
_OPENING = ("at", "approved_source", "fingerprint", "acknowledge_by")
_AMENDMENT = ("at", "by", "amendment", "reason", "amended_at")


def to_event(
    followup: Followup, fact: Fact, topic: str, trace: str | None, absence_id: str | None = None
) -> Event:
    """Return the event of a fact; `followup` is as the fact left it.

    `absence_id`: the absence by which a substitute did it for the deputy.
    """
    return event_of(
        _data(followup, fact, absence_id),
        topic=topic,
        key=followup.resolution_id,
        aggregate_id=followup.followup_id,
        version=followup.version,
        time=fact.at,
        dedup_key=_dedup_key(followup, fact),
        trace=trace,
    )


def _dedup_key(followup: Followup, fact: Fact) -> str | int:
    """What makes the event's id unique: for what happens once per due date, that date."""
    match fact:
        case FellOverdue():
            return f"{fact.due_on}|{fact.level}"
        case CameDueSoon():
            return fact.due_on.isoformat()
        case WentUnacknowledged():
            return fact.acknowledge_by.isoformat()
        case _:
            return followup.version


# long: one case per fact
def _data(followup: Followup, fact: Fact, absence_id: str | None) -> EventData:
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
                    **{name: getattr(fact, name) for name in _OPENING},
                }
            )
        case Amended():
            amended_fields = {name: getattr(resolution, name) for name in _AMENDABLE}
            rest = {name: getattr(fact, name) for name in _AMENDMENT}
            return FollowupAmended(**ids, **amended_fields, **rest)
        case WentUnacknowledged():
            return FollowupUnacknowledged(
                **ids, **_origin(resolution), acknowledge_by=fact.acknowledge_by, at=fact.at
            )
        case CameDueSoon():
            return FollowupDueSoon(**ids, title=resolution.title, due_on=fact.due_on, at=fact.at)
        case FellOverdue():
            return FollowupOverdue(
                **ids,
                **_origin(resolution),
                **_fields(fact),
                original_due_on=followup.original_due_on,
                progress=followup.progress,
            )
        case Extended():
            original = followup.original_due_on
            return FollowupExtended(**ids, original_due_on=original, **_fields(fact))
        case ExtensionRefused():
            lapsed = {"by": fact.by or _TIME, "lapsed": fact.by is None or None}
            return FollowupExtensionRefused(**ids, **{**_fields(fact), **lapsed})
        case Moved():
            return FollowupMoved(
                **ids,
                at=fact.at,
                by=fact.by,
                previous_deputy=fact.previous_deputy,
                reason=fact.reason,
            )
        case _:
            kind = _EVENT_OF[type(fact)]
            if absence_id is not None and issubclass(kind, FollowupStepEvent):
                ids["absence_id"] = absence_id
            return kind(**{**_fields(fact), **ids})


def _origin(resolution: Resolution) -> dict[str, Any]:
    """Return the fields by which readers of alerts recognise a resolution."""
    names = ("title", "session_id", "province", "axis")
    return {name: getattr(resolution, name) for name in names}


def from_event(data: FollowupEvent, followup: Followup | None) -> Fact | None:
    """Return the fact of one of our own events, or None if it changes no state here.

    `followup` is the follow-up before the event, None before it was opened.
    """
    match data:
        case FollowupOpened():
            known = {name: getattr(data, name) for name in _RESOLUTION}
            resolution = Resolution(**known)
            source, last = data.approved_source, data.acknowledge_by
            return Opened(data.at, resolution, source, data.fingerprint, last)
        case FollowupAmended() if followup is not None:
            changed = {name: getattr(data, name) for name in _AMENDABLE}
            resolution = replace(followup.resolution, **changed)
            return Amended(
                data.at, data.by, resolution, data.reason, data.amendment, data.amended_at
            )
        case FollowupUnacknowledged():
            return WentUnacknowledged(data.at, data.acknowledge_by)
        case FollowupDueSoon():
            return CameDueSoon(data.at, data.due_on)
        case FollowupOverdue() if data.at is not None:
            return FellOverdue(data.at, data.level, data.due_on, data.days_overdue)
        case FollowupMoved():
            return Moved(data.at, data.by, data.previous_deputy, data.deputy, data.reason)
        case FollowupExtended():
            return Extended(data.at, data.by, data.due_on, data.previous_due_on, data.note)
        case FollowupExtensionRefused():
            by = None if data.lapsed else data.by
            return ExtensionRefused(data.at, by, data.due_on, data.reason)
        case _:
            fact = _FACT_OF.get(type(data))
            if fact is None:
                return None
            return fact(**{field.name: getattr(data, field.name) for field in fields(fact)})


_TIME = "time"  # the value of `by` if no person acted
_EVENT_OF: Mapping[type[Fact], type[FollowupEvent]] = {
    Acknowledged: FollowupAcknowledged,
    Settled: FollowupSettled,
    Progressed: FollowupProgressed,
    Blocked: FollowupBlocked,
    Unblocked: FollowupUnblocked,
    ExtensionRequested: FollowupExtensionRequested,
    Completed: FollowupCompleted,
    Verified: FollowupVerified,
    Reopened: FollowupReopened,
    Closed: FollowupClosed,
    Assigned: FollowupAssigned,
    Delegated: FollowupDelegated,
    DelegationEnded: FollowupDelegationEnded,
    Commented: FollowupCommented,
    ItemAdded: FollowupItemAdded,
    ItemDone: FollowupItemDone,
    ItemDropped: FollowupItemDropped,
    PartReported: FollowupPartReported,
    Linked: FollowupLinked,
    EvidenceAdded: FollowupEvidenceAdded,
}
"""Facts whose events have the same fields under the same names."""
_FACT_OF = {event: fact for fact, event in _EVENT_OF.items()}


def _fields(fact: Fact) -> dict[str, Any]:
    return {field.name: getattr(fact, field.name) for field in fields(fact)}


def steps_of(history: Iterable[Event]) -> Iterator[tuple[Followup | None, Fact, Followup]]:
    """Give the facts of one follow-up's events, each with the follow-up before and after it."""
    before: Followup | None = None
    for data in map(data_of, history):
        fact = from_event(data, before) if isinstance(data, FollowupEvent) else None
        if fact is None:
            continue
        if isinstance(fact, Opened):
            after = opened(fact)
        else:
            assert before is not None, "a life begins with its opening"
            after = evolve(before, fact)
        yield before, fact, after
        before = after


def resolution_of(approved: ResolutionApproved) -> Resolution:
    """Return the resolution of an approval."""
    return Resolution(**{name: getattr(approved, name) for name in _RESOLUTION})


def fingerprint_of(approved: ResolutionApproved) -> str:
    """Return the fingerprint of an approval: it differs if the data under the same id differ."""
    return fingerprint(approved)


def fingerprint_as_written(approved: CloudEvent) -> str:
    """Return the fingerprint of an approval with its texts exactly as they were sent.

    Follow-ups from before texts were normalised have this fingerprint.
    """
    return fingerprint(ResolutionApproved.from_json(approved.data))


def inbox_of(own_events: Iterable[EventData]) -> Sequence[str]:
    """Return the inbox ids of the amendments that caused these events of ours."""
    amended = (data for data in own_events if isinstance(data, FollowupAmended))
    return [inbox_id(data.by, data.amendment) for data in amended if data.amendment is not None]


def data_of(event: Event) -> EventData:
    """Return the data of one of our own events."""
    return EVENTS[event.type].from_json(event.data)


def amended(resolution: Resolution, data: ResolutionAmended) -> Resolution:
    """Return the resolution with the fields that an amendment names; the others stay."""
    named = {name: getattr(data, name) for name in _AMENDABLE}
    return replace(resolution, **{k: v for k, v in named.items() if v is not None})
