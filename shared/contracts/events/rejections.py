"""The event that reports a refused event to its sender."""

from __future__ import annotations

from shared.contracts.events.base import Count, EventData, Name, Slug, Text


class EventRejected(EventData):
    """An event was refused; id, type, source and subject are given if they could be read.

    Each service that refuses it, named in `service` and `ce_source`, reports that once. The key is
    the event's source, or `unknown`.
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
