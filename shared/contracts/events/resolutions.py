"""Events of resolutions; published by the scheduler and by any authorised system."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from shared.contracts.events.base import (
    Day,
    EventData,
    Id,
    Instant,
    Name,
    NullIsAbsent,
    ProvinceCode,
    Slug,
    Text,
    Title,
)
from shared.contracts.events.sessions import SessionKind

Priority: TypeAlias = Literal["normal", "urgent"]
OrNormal: TypeAlias = Annotated[Priority, NullIsAbsent("normal")]
Bodies: TypeAlias = Annotated[tuple[Name, ...], Field(max_length=100)]
"""Bodies that support the execution; the limit keeps a follow-up's events, which list them all,
within the largest record."""

Supporting: TypeAlias = Annotated[Bodies, NullIsAbsent(())]


class ResolutionApproved(EventData):
    """A resolution was approved; one deputy is responsible for it."""

    resolution_id: Id
    deputy: Slug
    title: Title
    approved_at: Instant
    due_on: Day
    session_id: Id | None = None
    session_kind: SessionKind | None = None
    province: ProvinceCode | None = None
    axis: Slug | None = None
    text: Text | None = None
    supporting: Supporting = ()
    executing_body: Name | None = None
    priority: OrNormal = "normal"
    number: Name | None = None
    baseline_on: Day | None = None


class ResolutionAmended(EventData):
    """A resolution was changed: fields given here replace its values, the rest stays.

    One whose `amended_at` is before that of an applied amendment is refused (`outdated`). A date
    more than 5 minutes after the record's own timestamp, which the broker sets, is ignored: such
    an amendment counts in the order of the topic, and causes no refusal of a later one.
    """

    resolution_id: Id
    deputy: Slug
    amended_at: Instant
    title: Title | None = None
    due_on: Day | None = None
    text: Text | None = None
    supporting: Bodies | None = None
    executing_body: Name | None = None
    priority: Priority | None = None
    number: Name | None = None
    reason: Text | None = None


class ResolutionWithdrawn(EventData):
    """A resolution is no longer in force."""

    resolution_id: Id
    deputy: Slug
    withdrawn_at: Instant
    reason: Text | None = None


def fingerprint(approved: ResolutionApproved) -> str:
    """SHA-256 (hex) of the data in known fields.

    The order of fields, white space, the offset of a time, unknown fields, and whether an absent
    field is left out or null make no difference.
    """
    return hashlib.sha256(approved.to_json()).hexdigest()
