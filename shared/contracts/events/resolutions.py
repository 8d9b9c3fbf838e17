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
"""Bodies that support an execution; a follow-up's events carry all of them, and have to fit."""

Supporting: TypeAlias = Annotated[Bodies, NullIsAbsent(())]


class ResolutionApproved(EventData):
    """A resolution was approved; one deputy answers for it."""

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
    """A resolution was changed: what is named here is so from now on, the rest stays.

    One that is older by `amended_at` than what was applied is refused (`outdated`). A date more
    than 5 minutes ahead of the record's own timestamp, which is the broker's, is none: such an
    amendment counts in the order of the topic, and shuts no later one out.
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
    """A resolution no longer stands."""

    resolution_id: Id
    deputy: Slug
    withdrawn_at: Instant
    reason: Text | None = None


def fingerprint(approved: ResolutionApproved) -> str:
    """SHA-256 (hex) of the known data.

    Order of fields, white space, the offset in which a time is written, unknown fields, and
    whether an absent field is left out or null, make no difference.
    """
    return hashlib.sha256(approved.to_json()).hexdigest()
