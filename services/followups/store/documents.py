"""A follow-up as a MongoDB document, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Final

from services.followups.domain.escalation import days_overdue
from services.followups.domain.records import (
    EvidenceAdded,
    Extension,
    Followup,
    Request,
    Resolution,
    State,
)
from services.followups.domain.work import NONE, ActionItem, Delegation, Part, Predecessor, Work
from services.followups.handlers import Change
from shared.runtime.mongo import Document
from shared.text import search_key

SCHEMA: Final = 6  # of a stored document; older ones can be read too

PREDECESSOR: Final = "work.predecessor.resolution_id"
EXECUTING_BODY: Final = "executing_body_key"
DAYS_LATE: Final = "days_late"


def stored(change: Change) -> Document:
    """Return the document of a new follow-up; fields without a value are left out."""
    return present(_fields(change))


def update(change: Change) -> Document:
    """Return the update that leads to the new version; it leaves unknown fields as they are.

    It sets all fields: MongoDB writes only those that differ.
    """
    fields = _fields(change)
    set_ = present(fields)
    return {"$set": set_, "$unset": dict.fromkeys(fields.keys() - set_.keys(), "")}


def present(fields: Document) -> Document:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None and value != []}


def _fields(change: Change) -> Document:
    followup = change.after
    resolution = followup.resolution
    return {
        "_id": followup.followup_id,
        "schema": SCHEMA,
        "version": followup.version,
        "state": followup.state.value,
        **_resolution_fields(resolution),
        "original_due_on": followup.original_due_on.isoformat(),
        "approved_source": followup.approved_source,
        "fingerprint": followup.fingerprint,
        "opened_at": followup.opened_at,
        "changed_at": followup.changed_at,
        "progress": followup.reported,
        "level": followup.level,
        "acknowledge_by": _iso(followup.acknowledge_by),
        "unacknowledged_at": followup.unacknowledged_at,
        "acknowledged_at": followup.acknowledged_at,
        "blocked_by": followup.blocked_by,
        "claimed_by": followup.claimed_by,
        "claimed_for": followup.claimed_for,
        "claimed_at": followup.claimed_at,
        "verified_by": followup.verified_by,
        "finding": followup.finding,
        "amended_at": followup.amended_at,
        "outcome": followup.outcome,
        "closed_by": followup.closed_by,
        "former_levels": [[day.isoformat(), level] for day, level in followup.former_levels],
        "due_soon_for": [day.isoformat() for day in followup.due_soon_for],
        "request": None if followup.request is None else _stored_request(followup.request),
        "requested_for": [day.isoformat() for day in followup.requested_for],
        "extensions": [
            {"from": e.from_.isoformat(), "to": e.to.isoformat(), "by": e.by, "at": e.at}
            for e in followup.extensions
        ],
        "work": None if followup.work == NONE else _stored_work(followup.work),
        "evidence": [asdict(piece) for piece in followup.evidence],
        "former_deputies": list(followup.former_deputies),
        "next_alert": change.next_alert,
        **list_keys(resolution.executing_body, followup.claimed_at, resolution.due_on),
    }


def _resolution_fields(resolution: Resolution) -> Document:
    return {
        "resolution_id": resolution.resolution_id,
        "deputy": resolution.deputy,
        "title": resolution.title,
        "approved_at": resolution.approved_at,
        "due_on": resolution.due_on.isoformat(),
        "session_id": resolution.session_id,
        "session_kind": resolution.session_kind,
        "province": resolution.province,
        "axis": resolution.axis,
        "text": resolution.text,
        "supporting": list(resolution.supporting),
        "executing_body": resolution.executing_body,
        "priority": resolution.priority,
        "number": resolution.number,
        "baseline_on": _iso(resolution.baseline_on),
    }


def list_keys(body: str | None, claimed_at: datetime | None, due_on: date) -> Document:
    """Return the fields that exist only for searching and sorting lists."""
    days = 0 if claimed_at is None else days_overdue(due_on, claimed_at)
    return {EXECUTING_BODY: (search_key(body) or None) if body else None, DAYS_LATE: days or None}


def loaded(document: Document) -> Followup:
    """Return the follow-up of a document of any schema.

    Before schema 6, fields without a value were stored as null.
    """
    optional = document.get
    return Followup(
        followup_id=document["_id"],
        version=document["version"],
        state=State(document["state"]),
        resolution=_resolution(document),
        original_due_on=date.fromisoformat(document["original_due_on"]),
        approved_source=document["approved_source"],
        fingerprint=document["fingerprint"],
        opened_at=document["opened_at"],
        changed_at=document["changed_at"],
        reported=document["progress"],
        level=document["level"],
        claimed_by=optional("claimed_by"),
        verified_by=optional("verified_by"),
        amended_at=optional("amended_at"),
        outcome=optional("outcome"),
        former_levels=tuple(
            (date.fromisoformat(day), level) for day, level in optional("former_levels", ())
        ),
        # New in schema 2:
        acknowledged_at=optional("acknowledged_at"),
        blocked_by=optional("blocked_by"),
        claimed_at=optional("claimed_at"),
        finding=optional("finding"),
        closed_by=optional("closed_by"),
        due_soon_for=_days(optional("due_soon_for", ())),
        request=_request(optional("request")),
        requested_for=_days(optional("requested_for", ())),
        extensions=tuple(map(_extension, optional("extensions", ()))),
        # New in schema 3:
        acknowledge_by=_day(optional("acknowledge_by")),
        unacknowledged_at=optional("unacknowledged_at"),
        claimed_for=optional("claimed_for"),
        work=_work(optional("work")),
        # New in schema 4:
        evidence=tuple(EvidenceAdded(**piece) for piece in optional("evidence", ())),
        # New in schema 5:
        former_deputies=tuple(optional("former_deputies", ())),
    )


def _resolution(document: Document) -> Resolution:
    optional = document.get
    return Resolution(
        resolution_id=document["resolution_id"],
        deputy=document["deputy"],
        title=document["title"],
        approved_at=document["approved_at"],
        due_on=date.fromisoformat(document["due_on"]),
        session_id=optional("session_id"),
        session_kind=optional("session_kind"),
        province=optional("province"),
        axis=optional("axis"),
        text=optional("text"),
        supporting=tuple(optional("supporting", ())),
        executing_body=optional("executing_body"),
        priority=document["priority"],
        number=optional("number"),
        baseline_on=_day(optional("baseline_on")),
    )


def _extension(document: Mapping[str, Any]) -> Extension:
    from_, to = date.fromisoformat(document["from"]), date.fromisoformat(document["to"])
    return Extension(from_, to, document["by"], document["at"])


def _stored_request(request: Request) -> Document:
    return {**asdict(request), "due_on": request.due_on.isoformat()}


def _request(document: Mapping[str, Any] | None) -> Request | None:
    if document is None:
        return None
    return Request(**{**document, "due_on": date.fromisoformat(document["due_on"])})


def _stored_work(work: Work) -> Document:
    document = asdict(work)
    for item in document["items"]:
        item["due_on"] = item["due_on"].isoformat()
    if work.delegation is not None:
        document["delegation"]["until"] = work.delegation.until.isoformat()
    return document


def _work(document: Mapping[str, Any] | None) -> Work:
    if document is None:  # nothing is agreed, or it was stored before schema 3
        return NONE
    delegation, predecessor = document["delegation"], document["predecessor"]
    return Work(
        officer=document["officer"],
        delegation=None
        if delegation is None
        else Delegation(**{**delegation, "until": date.fromisoformat(delegation["until"])}),
        items=tuple(
            ActionItem(**{**item, "due_on": date.fromisoformat(item["due_on"])})
            for item in document["items"]
        ),
        predecessor=None if predecessor is None else Predecessor(**predecessor),
        parts=tuple(Part(**part) for part in document["parts"]),
    )


def _days(stored: Sequence[str]) -> tuple[date, ...]:
    return tuple(map(date.fromisoformat, stored))


def _day(stored: str | None) -> date | None:
    return None if stored is None else date.fromisoformat(stored)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
