"""The AsyncAPI 3.0 document of a service, generated from the contracts.

See https://www.asyncapi.com/docs/reference/specification/v3.0.0 and its Kafka bindings 0.5.0.
FastStream's own document cannot know the events, since subscribers read raw bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.contracts.events import EventData
from shared.contracts.topics import Topics, TopicSpec

_BINDING = {"bindingVersion": "0.5.0"}
_NUMBERS = ("retention.ms", "retention.bytes", "delete.retention.ms", "max.message.bytes")

_HEADERS: dict[str, Any] = {
    "title": "CloudEventHeaders",
    "description": "CloudEvents 1.0, Kafka protocol binding, binary mode. Structured mode is "
    "read as well; other headers may hold any bytes.",
    "type": "object",
    "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
    "properties": {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {"type": "string", "description": "Same id and source: the same event again."},
        "ce_source": {"type": "string", "description": "Who sent it; a URI reference."},
        "ce_type": {"type": "string"},
        "ce_subject": {"type": "string"},
        "ce_time": {"type": "string", "format": "date-time"},
        "ce_dataschema": {"type": "string"},
        "ce_sequence": {
            "type": "string",
            "pattern": "^[0-9]{10}$",
            "description": "Version of the aggregate; without gaps, from its owner alone.",
        },
        "ce_traceparent": {"type": "string", "description": "W3C Trace Context."},
        "content-type": {"type": "string", "examples": ["application/json"]},
    },
}

_UNTOUCHED: dict[str, Any] = {
    "name": "Untouched",
    "title": "A message as it was received",
    "summary": "Original key, value and headers; a dead letter has more headers, x-…, which "
    "say where it came from and why it was refused.",
}


class UnknownTopic(ValueError):
    """A service sends to or receives from a topic that is not declared."""


def asyncapi(
    service: str, sends: Iterable[str], receives: Iterable[str], topics: Topics, version: str
) -> dict[str, Any]:
    """Describe the topics that a service sends to and receives from, by their names.

    Raises UnknownTopic for a name that `topics` does not have.
    """
    declared = {spec.name: spec for spec in topics.all()}
    sent, received = _chosen(declared, sends), _chosen(declared, receives)
    used = {spec.name: spec for spec in (*sent, *received)}
    events = {event.__name__: event for spec in used.values() for event in spec.events}
    payloads, schemas = _schemas(events)
    messages = {name: _message(event, payloads[name]) for name, event in events.items()}
    if any(not spec.events for spec in used.values()):
        messages["Untouched"] = _UNTOUCHED
    return {
        "asyncapi": "3.0.0",
        "id": f"urn:peygir:{service}",
        "info": {
            "title": f"Peygir {service}: events",
            "version": version,
            "description": "What this service sends to Kafka and reads from it. A version of an "
            "event changes only by optional fields; readers ignore those they do not know.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(spec) for name, spec in sorted(used.items())},
        "operations": {
            f"{action}.{spec.name}": _operation(action, spec)
            for action, specs in (("send", sent), ("receive", received))
            for spec in specs
        },
        "components": {
            "messages": messages,
            "schemas": {"CloudEventHeaders": _HEADERS, **schemas},
        },
    }


def _chosen(declared: Mapping[str, TopicSpec], names: Iterable[str]) -> list[TopicSpec]:
    chosen = []
    for name in names:
        if name not in declared:
            raise UnknownTopic(name)
        chosen.append(declared[name])
    return chosen


def _schemas(
    events: Mapping[str, type[EventData]],
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """A reference to each event's JSON Schema, by the event's name, and the schemas themselves."""
    references, document = models_json_schema(
        [(event, "validation") for event in events.values()],
        ref_template="#/components/schemas/{model}",
    )
    payloads = {name: references[event, "validation"] for name, event in events.items()}
    return payloads, document.get("$defs", {})


def _message(event: type[EventData], payload: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": (event.__doc__ or event.__name__).strip().splitlines()[0],
        "contentType": "application/json",
        "headers": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEventHeaders"},
                {"type": "object", "properties": {"ce_type": {"const": event.TYPE}}},
            ]
        },
        "payload": dict(payload),
        "bindings": {
            "kafka": {"key": {"type": "string", "description": "Id of the aggregate."}, **_BINDING}
        },
    }


def _names(spec: TopicSpec) -> list[str]:
    return [event.__name__ for event in spec.events] or ["Untouched"]


def _channel(spec: TopicSpec) -> dict[str, Any]:
    return {
        "address": spec.name,
        "description": f"Owned by {spec.owner}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(spec)},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": _configuration(spec.config),
                **_BINDING,
            }
        },
    }


def _configuration(config: Mapping[str, str]) -> dict[str, Any]:
    typed: dict[str, Any] = {name: int(config[name]) for name in _NUMBERS if name in config}
    if "cleanup.policy" in config:
        typed["cleanup.policy"] = config["cleanup.policy"].split(",")
    return typed


def _operation(action: str, spec: TopicSpec) -> dict[str, Any]:
    channel = f"#/channels/{spec.name}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in _names(spec)],
    }
