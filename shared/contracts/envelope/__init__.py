"""The envelope of an event: CloudEvents 1.0 in its Kafka protocol binding 1.0.

Producers here write binary mode. Readers accept binary and structured mode from any client, and
require only the four required attributes. An optional attribute that cannot be read counts as
absent. Header values are UTF-8; unlike the HTTP binding, this one escapes no character.
"""

from shared.contracts.envelope.attributes import (
    LONGEST_ATTRIBUTE,
    RFC3339,
    SPEC_VERSION,
    TRACEPARENT,
    CloudEvent,
    Unreadable,
    UnreadableReason,
    rfc3339,
    traceparent_of,
)
from shared.contracts.envelope.headers import Headers
from shared.contracts.envelope.json_values import BYTE_ORDER_MARK, require_json
from shared.contracts.envelope.reading import ReadableAttributes, glimpse, is_structured, read
from shared.contracts.envelope.writing import write

__all__ = [
    "BYTE_ORDER_MARK",
    "LONGEST_ATTRIBUTE",
    "RFC3339",
    "SPEC_VERSION",
    "TRACEPARENT",
    "CloudEvent",
    "Headers",
    "ReadableAttributes",
    "Unreadable",
    "UnreadableReason",
    "glimpse",
    "is_structured",
    "read",
    "require_json",
    "rfc3339",
    "traceparent_of",
    "write",
]
