"""Events of notices; the service `notify` owns them. They name no address and no person."""

from __future__ import annotations

from typing import Literal, TypeAlias

from shared.contracts.events.base import EventData, Id, Instant, Name, Slug, Text

Channel: TypeAlias = Literal["email", "webhook", "sms", "in-app"]


class NoticeDelivered(EventData):
    """The channel has accepted a notice."""

    notice_id: Id
    channel: Channel
    template: Slug
    subject: Id
    recipient_role: Name
    at: Instant


class NoticeFailed(EventData):
    """A notice will not be delivered."""

    notice_id: Id
    channel: Channel
    template: Slug
    subject: Id
    recipient_role: Name
    at: Instant
    reason: Text
