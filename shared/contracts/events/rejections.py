"""What an integrator hears of its own mistake."""

from __future__ import annotations

from shared.contracts.events.base import Count, EventData, Name, Slug, Text


class EventRejected(EventData):
    """An event was given up; id, type and source where they could be read."""

    topic: Name
    partition: Count
    offset: Count
    reason: Slug
    detail: Text | None = None
    id: str | None = None
    type: str | None = None
    source: str | None = None
