"""A version of an event changes only by optional fields."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from shared.contracts.events import EVENTS, EventData
from tests.contracts.compatibility import added, breaks
from tests.contracts.record import BASELINE, path_of, recorded
from tools.schemas import schema

Change = Callable[[dict[str, Any]], object]

OLD: dict[str, Any] = {
    "$id": "urn:peygir:events:Example.v1",
    "title": "Example",
    "type": "object",
    "$defs": {
        "Answers": {
            "type": "object",
            "properties": {
                "axis": {"type": "string"},
                "total": {"type": "integer", "minimum": 0, "maximum": 40},
            },
            "required": ["axis"],
        }
    },
    "properties": {
        "title": {"type": "string", "minLength": 1, "maxLength": 500},
        "due_on": {"type": "string", "format": "date"},
        "deputy": {"type": "string", "pattern": "^[a-z]+$"},
        "kind": {"enum": ["visit", "nationwide"], "type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "priority": {"enum": ["normal", "urgent"], "type": "string", "default": "normal"},
        "axes": {"type": "array", "items": {"$ref": "#/$defs/Answers"}},
        "first": {"anyOf": [{"$ref": "#/$defs/Answers"}, {"type": "null"}], "default": None},
    },
    "required": ["title", "due_on"],
}


def fields(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["properties"]
    return found


def answers(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"]["Answers"]
    return found


def rename(schema: dict[str, Any]) -> None:
    fields(schema)["remark"] = fields(schema).pop("note")


def require_new(schema: dict[str, Any]) -> None:
    fields(schema)["owner"] = {"type": "string"}
    schema["required"].append("owner")


def require_new_in_a_part(schema: dict[str, Any]) -> None:
    answers(schema)["properties"]["sub_axis"] = {"type": "string"}
    answers(schema)["required"].append("sub_axis")


MESSAGES, READERS = "old messages are refused", "old readers refuse new messages"
BREAKING: dict[str, tuple[Change, str, str]] = {
    "a field is removed": (lambda s: fields(s).pop("note"), "note", "old readers miss it"),
    "a field is renamed": (rename, "note", "old readers miss it"),
    "a new field is required": (require_new, "owner", MESSAGES),
    "a new field of a part is required": (require_new_in_a_part, "axes[].sub_axis", MESSAGES),
    "an optional field becomes required": (
        lambda s: s["required"].append("kind"),
        "kind",
        MESSAGES,
    ),
    "a required field becomes optional": (
        lambda s: s["required"].remove("due_on"),
        "due_on",
        "old readers ask for it",
    ),
    "a type changes": (
        lambda s: fields(s)["title"].update(type="integer"),
        "title",
        "the field is another one",
    ),
    "a field may no longer be null": (
        lambda s: fields(s).update(note={"type": "string", "default": None}),
        "note",
        MESSAGES,
    ),
    "a field may now be null": (
        lambda s: fields(s).update(due_on={"anyOf": [fields(s)["due_on"], {"type": "null"}]}),
        "due_on",
        READERS,
    ),
    "an enum loses a value": (lambda s: fields(s)["kind"]["enum"].pop(), "kind", MESSAGES),
    "an enum gains a value": (
        lambda s: fields(s)["kind"]["enum"].append("provincial"),
        "kind",
        READERS,
    ),
    "an upper limit is lowered": (
        lambda s: fields(s)["title"].update(maxLength=400),
        "title",
        MESSAGES,
    ),
    "an upper limit is raised": (
        lambda s: fields(s)["title"].update(maxLength=600),
        "title",
        READERS,
    ),
    "a lower limit is raised": (
        lambda s: fields(s)["title"].update(minLength=2),
        "title",
        MESSAGES,
    ),
    "a lower limit is lowered": (
        lambda s: fields(s)["title"].update(minLength=0),
        "title",
        READERS,
    ),
    "a limit comes": (lambda s: fields(s)["deputy"].update(maxLength=9), "deputy", MESSAGES),
    "a limit goes": (lambda s: fields(s)["title"].pop("maxLength"), "title", READERS),
    "a limit of a part changes": (
        lambda s: answers(s)["properties"]["total"].update(maximum=39),
        "axes[].total",
        MESSAGES,
    ),
    "a part that may be null changes": (
        lambda s: answers(s)["properties"]["axis"].update(type="integer"),
        "first.axis",
        "the field is another one",
    ),
    "a format changes": (
        lambda s: fields(s)["due_on"].update(format="date-time"),
        "due_on",
        "the field is another one",
    ),
    "a pattern changes": (
        lambda s: fields(s)["deputy"].update(pattern="^[a-z0-9]+$"),
        "deputy",
        "the field is another one",
    ),
    "a default changes": (
        lambda s: fields(s)["priority"].update(default="urgent"),
        "priority",
        "old messages without it change their meaning",
    ),
    "unknown fields are refused": (
        lambda s: s.update(additionalProperties=False),
        "",
        "the field is another one",
    ),
    "the schema's name changes": (
        lambda s: s.update({"$id": "urn:peygir:events:Other.v1"}),
        "",
        "the field is another one",
    ),
}

HARMLESS: dict[str, Change] = {
    "nothing changes": lambda s: None,
    "an optional field is added": lambda s: fields(s).update(
        venue={"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    ),
    "an optional field is added to a part": lambda s: answers(s)["properties"].update(
        note={"type": "string", "default": ""}
    ),
    "a description changes": lambda s: s.update(description="Something else."),
    "fields change their order": lambda s: s.update(
        properties=dict(reversed(fields(s).items())), required=s["required"][::-1]
    ),
    "a part is written in place": lambda s: fields(s)["axes"].update(items=answers(s)),
}


def changed(change: Change) -> dict[str, Any]:
    new = copy.deepcopy(OLD)
    change(new)
    return new


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_is_found(name: str) -> None:
    change, field, for_whom = BREAKING[name]

    found = breaks(OLD, changed(change))

    assert (field, for_whom) in {(fault.field, fault.for_whom) for fault in found}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_adds_passes(name: str) -> None:
    assert breaks(OLD, changed(HARMLESS[name])) == []


def test_added_fields_are_named() -> None:
    def add(schema: dict[str, Any]) -> None:
        fields(schema)["venue"] = {"type": "string"}
        answers(schema)["properties"]["note"] = {"type": "string"}

    assert sorted(added(OLD, changed(add))) == ["axes[].note", "first.note", "venue"]


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.__name__)
def test_todays_schema_keeps_what_was_recorded(event: type[EventData]) -> None:
    assert path_of(event).exists(), "new event: run python -m tests.contracts.record"
    assert breaks(recorded(event), schema(event)) == []
    assert added(recorded(event), schema(event)) == [], "run python -m tests.contracts.record"


def test_no_recorded_event_is_gone() -> None:
    known = {path_of(event).name for event in EVENTS.values()}

    assert {path.name for path in BASELINE.iterdir()} == known
