"""What an integrator hears of its own mistake."""

from __future__ import annotations

from shared.contracts.events.base import Count, EventData, Name, Slug, Text


class EventRejected(EventData):
    """An event was given up; id, type, source and subject where they could be read.

    Each service that gives it up tells so once: `service`, and in `ce_source`. The key is the
    event's source, or `unknown`.
    """

    topic: Name
    partition: Count
    offset: Count
    reason: Slug
    detail: Text | None = None
    id: str | None = None
    type: str | None = None
    source: str | None = None
    subject: str | None = None
    service: Name | None = None
