"""Write an event as a record in binary mode."""

from __future__ import annotations

from shared.contracts.envelope.attributes import CloudEvent, is_string, rfc3339
from shared.contracts.envelope.headers import CONTENT_TYPE


def write(event: CloudEvent) -> tuple[list[tuple[str, bytes]], bytes]:
    """The headers and the value of a record in binary mode.

    A subject that is not a string of CloudEvents is left out; an id of another system may be one.
    """
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.id.encode()),
        ("ce_source", event.source.encode()),
        ("ce_type", event.type.encode()),
        (CONTENT_TYPE, b"application/json"),
    ]
    if event.subject is not None and is_string(event.subject):
        headers.append(("ce_subject", event.subject.encode()))
    if event.time is not None:
        headers.append(("ce_time", rfc3339(event.time).encode()))
    if event.dataschema is not None:
        headers.append(("ce_dataschema", event.dataschema.encode()))
    if event.sequence is not None:
        headers.append(("ce_sequence", b"%010d" % event.sequence))
    if event.traceparent is not None:
        headers.append(("ce_traceparent", event.traceparent.encode()))
    return headers, event.data
