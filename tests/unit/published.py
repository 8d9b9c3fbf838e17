"""Events of ours as they stand in their topics."""

from __future__ import annotations

from shared.contracts.envelope import CloudEvent, read, write
from shared.contracts.events import parse
from shared.messaging.core.model import Event, Message, Origin


def as_sent(event: Event, source: str = "urn:peygir:test") -> CloudEvent:
    """The event as the relay sends it."""
    return CloudEvent(
        id=event.id,
        source=source,
        type=event.type,
        data=event.data,
        subject=event.aggregate_id,
        time=event.time,
        dataschema=event.dataschema,
        sequence=event.version,
        traceparent=event.trace,
    )


def as_read(event: Event) -> Message:
    """The event as it comes back to its owner from its topic."""
    received = read(*write(as_sent(event)))
    data = parse(received, recorded=True)
    return Message(Origin(event.topic, 0, 0), received, data, event.topic)
