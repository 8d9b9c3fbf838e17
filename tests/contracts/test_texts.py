"""Texts of events and of requests are cleaned in the same way, and have to show something."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.contracts.envelope import CloudEvent
from shared.contracts.events import (
    EVENTS,
    EventData,
    FollowupOverdue,
    Invalid,
    ResolutionApproved,
    SessionScheduled,
    base,
    fingerprint,
    parse,
)
from shared.contracts.events.base import Id, Name, Saying, Text, Title
from shared.text import TAKEN_OUT, normalise, normalise_line, shows
from tests.contracts import samples

APPROVED = samples.of(ResolutionApproved).data
NOTHING = [
    " \t",
    "\u200b\u200c\u200d",
    "\u2060\ufeff",
    "\u00ad",
    "\u3164",
    "\u115f\u1160",
    "\uffa0",
    "\u2800",
    "\u0301\u064b",
    "\u034f",
    "\ufe0f",
    "\U000e0041\U000e0042",
    "\U000e0100",
    "\u202e\u2066\u200f\u061c",
    "\x00\x1c\x85\x9f",
    "\u180e",
    "\ue000",
    "\u0378",
    "\ufdd0",
    "\u2028",
]
READABLE: list[Any] = [Title, Name, base.FileName, Saying, base.BriefSaying]
nothing = pytest.mark.parametrize("text", NOTHING, ids=ascii)


def approved(**fields: Any) -> ResolutionApproved:
    data = parse(event(ResolutionApproved, {**APPROVED, **fields}))
    assert isinstance(data, ResolutionApproved)
    return data


def event(kind: type[EventData], data: dict[str, Any]) -> CloudEvent:
    return CloudEvent("1", "/letters", kind.TYPE, json.dumps(data).encode())


@nothing
@pytest.mark.parametrize("field", ["title", "executing_body", "number"])
def test_an_events_name_that_shows_nothing_is_invalid(field: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        approved(**{field: text})
    assert (refused.value.field, refused.value.detail) == (field, f"{field}: must not be blank")


@nothing
def test_invisible_names_in_lists_and_parts_are_invalid_too(text: str) -> None:
    with pytest.raises(Invalid, match=r"supporting\.1: must not be blank"):
        approved(supporting=["سازمان برنامه و بودجه", text])
    scheduled = samples.of(SessionScheduled).data
    scheduled["attendees"][0]["name"] = text
    with pytest.raises(Invalid, match=r"attendees\.0\.name: must not be blank"):
        parse(event(SessionScheduled, scheduled))


@nothing
def test_a_long_text_that_shows_nothing_is_empty(text: str) -> None:
    assert approved(text=text).text == ""


@nothing
@pytest.mark.parametrize("kind", READABLE)
def test_a_bodys_text_that_shows_nothing_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError, match="must not be blank"):
        TypeAdapter(kind).validate_python(text)


@given(st.text(min_size=1, max_size=60))
def test_accepted_texts_are_cleaned_by_the_rules(text: str) -> None:
    for kind, clean in ((Title, normalise_line), (Name, normalise_line), (Saying, normalise)):
        adapter: TypeAdapter[str] = TypeAdapter(kind)
        if shows(text):
            assert adapter.validate_python(text) == clean(text)
            assert adapter.validate_python(clean(text)) == clean(text)
        else:
            with pytest.raises(ValidationError, match=r"must not be blank|valid unicode"):
                adapter.validate_python(text)


def test_arabic_letters_and_digits_and_joiners_are_kept_as_they_were_written() -> None:
    title = "تكميل پل‌هاي ١٤٠٢ و ۱۴۰۲"
    assert approved(title=title).title == title


@pytest.mark.parametrize("hidden", [characters[0] for characters in TAKEN_OUT.values()], ids=ascii)
def test_a_duplicate_with_invisible_characters_stays_a_duplicate(hidden: str) -> None:
    if "\ud800" <= hidden <= "\udfff":
        hidden = "\ufdd0"
    one = approved(title=f"تکمیل {hidden}پل", text=f"یکم\r\n{hidden}دوم")
    assert fingerprint(one) == fingerprint(approved(title="تکمیل پل", text="یکم\nدوم"))


def test_composed_and_decomposed_are_one_text() -> None:
    decomposed = unicodedata.normalize("NFD", "آب و مسئول")
    assert decomposed != "آب و مسئول"
    assert fingerprint(approved(title=decomposed)) == fingerprint(approved(title="آب و مسئول"))


def test_only_long_texts_keep_line_breaks() -> None:
    data = approved(title="تکمیل\r\nپل", text="یکم\r\nدوم\u2029سوم")
    assert (data.title, data.text) == ("تکمیل پل", "یکم\nدوم\nسوم")


def test_the_length_is_measured_after_composition() -> None:
    grows = "\u0958"  # two characters in NFC
    assert TypeAdapter(Title).validate_python(grows * 250) == unicodedata.normalize(
        "NFC", grows * 250
    )
    with pytest.raises(ValidationError, match="at most 500"):
        TypeAdapter(Title).validate_python(grows * 251)


@pytest.mark.parametrize(
    ("id_", "message"),
    [
        ("a\u200bb", "must not hold U\\+200B, which nobody sees"),
        ("a\u202e", "must not hold U\\+202E"),
        ("\ufeffa", "must not hold U\\+FEFF"),
        ("a\x7f", "must not hold U\\+007F"),
        ("a\u3164", "must not hold U\\+3164"),
        ("\u200c", "must not be blank"),
        ("\u0301", "must not be blank"),
        ("a b", "String should match pattern"),
    ],
)
def test_an_id_is_refused_rather_than_changed(id_: str, message: str) -> None:
    with pytest.raises(Invalid, match=message) as refused:
        approved(resolution_id=id_)
    assert refused.value.field == "resolution_id"


@pytest.mark.parametrize("id_", ["1402-IR-09-R001", "ش-۱۴۰۲-۹", "می\u200cشود", "پروژه۱٢", "é"])
def test_an_id_stays_as_it_is(id_: str) -> None:
    assert approved(resolution_id=id_).resolution_id == id_
    assert TypeAdapter(Id).validate_python(id_) == id_


@nothing
def test_recorded_texts_can_always_be_read(text: str) -> None:
    """Names that show nothing were accepted once, and are in databases and topics."""
    for kind in EVENTS.values():
        fields = samples.of(kind).data
        titled = {n: text for n, v in fields.items() if n in {"title", "note", "name"}}
        read = kind.from_json(json.dumps({**fields, **titled}).encode())
        assert {name: getattr(read, name) for name in titled} == titled
        assert json.loads(read.to_json()) == {**fields, **titled}
        assert parse(event(kind, {**fields, **titled}), recorded=True) == read


@nothing
def test_recorded_texts_can_still_be_sent(text: str) -> None:
    """A follow-up with an invisible title can still become overdue."""
    data = samples.of(FollowupOverdue).data | {"title": text, "followup_id": "f\u200b"}
    built = FollowupOverdue(**dict(FollowupOverdue.from_json(json.dumps(data).encode())))
    assert json.loads(built.to_json()) == data
    with pytest.raises(ValidationError, match="must be a day"):
        FollowupOverdue(**{**dict(built), "due_on": 1803686400})
    with pytest.raises(ValidationError, match="at most 500"):
        FollowupOverdue(**{**dict(built), "title": "x" * 501})
    with pytest.raises(Invalid):
        parse(event(FollowupOverdue, data))


def test_a_body_accepts_the_same_as_an_event() -> None:
    class Body(BaseModel):
        title: Title
        note: Text | None = None

    body = Body.model_validate({"title": "\ufeff تکمیل\tپل ", "note": "\u200b"})
    assert (body.title, body.note) == ("تکمیل پل", "")
