"""An AsyncAPI document prepared for a page: topics, their events, the events' fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Spec = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field; `name` is dotted, with `[]` for the entries of a list."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class MessageView:
    """One event with all its fields."""

    name: str
    type: str
    summary: str
    fields: tuple[FieldRow, ...]


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One topic: whether the service sends or receives, and the names of its events."""

    address: str
    actions: tuple[str, ...]
    description: str
    partitions: int
    messages: tuple[str, ...]


def channels(spec: Spec) -> list[ChannelView]:
    """The topics in the order of the document."""
    return [
        ChannelView(
            channel["address"],
            tuple(
                operation["action"]
                for operation in spec["operations"].values()
                if operation["channel"]["$ref"] == f"#/channels/{name}"
            ),
            channel["description"],
            channel["bindings"]["kafka"]["partitions"],
            tuple(channel["messages"]),
        )
        for name, channel in spec["channels"].items()
    ]


def messages(spec: Spec) -> list[MessageView]:
    """Every event once, by name."""
    return [
        MessageView(
            name,
            message["name"],
            message["summary"],
            tuple(_rows(spec, message.get("payload", {}), "")),
        )
        for name, message in sorted(spec["components"]["messages"].items())
    ]


def headers(spec: Spec) -> list[FieldRow]:
    """The headers that every event has."""
    return list(_rows(spec, spec["components"]["schemas"]["CloudEventHeaders"], ""))


def _rows(spec: Spec, schema: Spec, before: str) -> Iterator[FieldRow]:
    schema = _resolved(spec, schema)
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        full = f"{before}{name}"
        described = {**_resolved(spec, field), **field}
        yield FieldRow(full, _kind(spec, field), name in required, described.get("description", ""))
        inner, suffix = _inside(spec, field)
        yield from _rows(spec, inner, f"{full}{suffix}.")


def _inside(spec: Spec, field: Spec) -> tuple[Spec, str]:
    """The object in a field, directly, in a list, or as an alternative to null."""
    field = _resolved(spec, field)
    if "items" in field:
        return field["items"], "[]"
    for choice in field.get("anyOf", ()):
        inner, suffix = _inside(spec, choice)
        if _resolved(spec, inner).get("properties"):
            return inner, suffix
    return field, ""


def _kind(spec: Spec, field: Spec) -> str:
    field = _resolved(spec, field)
    if "const" in field:
        return repr(field["const"])
    if "enum" in field:
        return " | ".join(map(repr, field["enum"]))
    if "anyOf" in field:
        return " | ".join(dict.fromkeys(_kind(spec, choice) for choice in field["anyOf"]))
    kind = field.get("type", "any")
    if kind == "array":
        return f"list of {_kind(spec, field.get('items', {}))}"
    return f"{kind} ({field['format']})" if "format" in field else str(kind)


def _resolved(spec: Spec, schema: Spec) -> Spec:
    while "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        schema = spec["components"]["schemas"][name]
    return schema
