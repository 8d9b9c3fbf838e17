"""The published schemas accept what is read, and nothing else except invisible texts.

JSON Schema cannot say what shows something; there, `shared.text` does.
"""

from __future__ import annotations

import json
import re
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from shared.contracts.envelope import CloudEvent, Unreadable
from shared.contracts.events import EVENTS, EventData, Invalid, parse
from shared.text import normalise, shows, unseen
from tests.contracts import records, samples
from tools.schemas import schema

formats = FormatChecker(formats=())


@formats.checks("date-time", raises=ValueError)
def _is_instant(text: Any) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text.upper()).tzinfo is not None


@formats.checks("date", raises=ValueError)
def _is_day(text: Any) -> bool:
    return not isinstance(text, str) or bool(date.fromisoformat(text))


VALIDATORS = {
    name: Draft202012Validator(schema(event), format_checker=formats)
    for name, event in EVENTS.items()
}
BLANK_OTHERWISE = re.compile(
    "[\x1c-\x1f\x85\ufeff]"
)  # the meaning of \\s differs between languages


def is_read(type_: str, document: Any) -> bool:
    try:
        parse(CloudEvent("1", "/letters", type_, json.dumps(document).encode()))
    except (Invalid, Unreadable):
        return False
    return True


def is_seen(value: Any) -> bool:
    """Whether each text shows something and has no invisible characters."""
    match value:
        case str():
            return shows(value) and unseen(value) is None and len(normalise(value)) <= len(value)
        case list():
            return all(map(is_seen, value))
        case dict():
            return all(map(is_seen, value.values()))
        case _:
            return True


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.__name__)
def test_each_schema_is_valid_and_accepts_its_samples(event: type[EventData]) -> None:
    Draft202012Validator.check_schema(schema(event))
    for sample in samples.every():
        if sample.event.type == event.TYPE:
            VALIDATORS[event.TYPE].validate(sample.data)


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.__name__)
def test_a_field_accepts_what_its_schema_accepts(event: type[EventData]) -> None:
    sample = samples.of(event).data
    for name in sample:
        for value in records.NEAR_VALUES:
            document = {**sample, name: value}
            if not _has_whole_float(document):
                takes, reads = (
                    VALIDATORS[event.TYPE].is_valid(document),
                    is_read(event.TYPE, document),
                )
                assert takes if reads else not (takes and is_seen(value)), (name, value)


@settings(max_examples=200)
@given(records.mutated_data())
def test_the_schema_accepts_what_is_read_and_else_only_invisible_texts(
    typed: tuple[str, dict[str, Any]],
) -> None:
    type_, document = typed
    assume(not BLANK_OTHERWISE.search(json.dumps(document, ensure_ascii=False)))
    assume(not _has_whole_float(document))  # 1.0 is an integer to JSON Schema, but not here

    takes, reads = VALIDATORS[type_].is_valid(document), is_read(type_, document)
    assert takes if reads else not (takes and is_seen(document))


@given(st.sampled_from(samples.every()), records.json_values)
def test_unknown_fields_are_ignored(sample: samples.Sample, value: Any) -> None:
    document = {"comExample": value, **sample.data}

    assert VALIDATORS[sample.event.type].is_valid(document)
    assert is_read(sample.event.type, document)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("due_on", "1402-12-21", "1402-12-21 is a Jalali day; it would be 2024-03-11"),
        ("due_on", "1200-12-21", "must be a year of the Gregorian calendar from 1900 to 2199"),
        ("due_on", 1710115200, "must be a day, such as 2024-03-11"),
        ("due_on", "1710115200", "must be a day, such as 2024-03-11"),
        ("due_on", "2024-03-11T00:00:00Z", "must be a day, such as 2024-03-11"),
        ("due_on", "۲۰۲۴-۰۳-۱۱", "۲۰۲۴-۰۳-۱۱ has to be written as 2024-03-11"),
        ("due_on", "2024-02-30", "2024-02-30 is no day of the Gregorian calendar"),
        ("approved_at", 1710115200, "must be an RFC 3339 time with an offset"),
        (
            "approved_at",
            "2024-03-11T09:00:00",
            "has no offset; in Tehran it would be 2024-03-11T09:00:00+03:30",
        ),
        ("approved_at", "0001-01-01T00:00:00+03:30", "must be a year of the Gregorian calendar"),
        ("title", " \u00a0 ", "must not be blank"),
        ("province", "IR-31", "is no province's ISO 3166-2:IR code"),
        ("session_id", "a b", "String should match pattern"),
        ("supporting", ["سازمان برنامه و بودجه", 5], "Input should be a valid string"),
    ],
)
def test_a_refusal_names_the_field(field: str, value: Any, message: str) -> None:
    type_ = "peygir.ResolutionApproved.v1"
    document = {**samples.of(EVENTS[type_]).data, field: value}

    with pytest.raises(Invalid) as refused:
        parse(CloudEvent("1", "/letters", type_, json.dumps(document).encode()))

    assert refused.value.field.split(".")[0] == field
    assert message in refused.value.detail


def _has_whole_float(value: Any) -> bool:
    match value:
        case float():
            return value.is_integer()
        case list():
            return any(map(_has_whole_float, value))
        case dict():
            return any(map(_has_whole_float, value.values()))
        case _:
            return False
