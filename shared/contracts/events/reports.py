"""Events of the provinces' reports; the service `reports` owns them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictBool, StringConstraints

from shared.contracts.events.base import (
    Count,
    EventData,
    Id,
    Instant,
    Part,
    Person,
    ProvinceCode,
    Slug,
    Title,
    Version,
)


class AxisAnswers(Part):
    """How much of an axis is answered."""

    axis: Slug
    answered: Count
    total: Count


class ReportReminderDue(EventData):
    """A report is missing, and its due time is near."""

    session_id: Id
    province: ProvinceCode
    due_at: Instant
    title: Title | None = None


class ReportSubmitted(EventData):
    """A province has sent its report. Restricted axes are left out of axes and completeness."""

    report_id: Id
    session_id: Id
    province: ProvinceCode
    revision: Version
    catalogue_version: Version
    submitted_at: Instant
    due_at: Instant
    late: StrictBool
    completeness: float = Field(ge=0, le=1, strict=True)
    axes: tuple[AxisAnswers, ...]
    initiatives: Count
    special_topics: Count
    url: Annotated[str, StringConstraints(max_length=2_000)] | None = None


class ReportOverdue(EventData):
    """A report was missing when it was due."""

    session_id: Id
    province: ProvinceCode
    due_at: Instant
    title: Title | None = None


class ReportDistributed(EventData):
    """A report was sent to the deputies and others, for their overview before the session."""

    report_id: Id
    session_id: Id
    province: ProvinceCode
    revision: Version
    distributed_at: Instant
    recipients: tuple[Person, ...]


class InitiativeHighlighted(EventData):
    """A province's initiative was presented as an example."""

    session_id: Id
    report_id: Id
    initiative_id: Id
    province: ProvinceCode
    title: Title
    highlighted_at: Instant
