"""Which changes make an approval a different one with the same id."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.events import FollowupOpened, ResolutionApproved, fingerprint, parse
from shared.contracts.reference import PROVINCE_CODES
from tests.contracts import samples

FULL = samples.of(ResolutionApproved).data
MINIMAL = samples.of(ResolutionApproved, 2).data
OPTIONAL = sorted(set(FULL) - set(MINIMAL))
OTHERWISE: dict[str, Any] = {
    "resolution_id": "m-1402-0643",
    "deputy": "crisis",
    "title": "تکمیل کمربندی جنوبی کرمان",
    "approved_at": "2024-03-11T10:12:00.001Z",
    "due_on": "2024-06-21",
    "session_id": "n-1402-16-kerman",
    "session_kind": "visit",
    "province": "IR-09",
    "axis": "crisis",
    "text": "قطعهٔ سوم کمربندی شمالی کرمان.",
    "supporting": ["استانداری کرمان", "سازمان برنامه و بودجه"],
    "executing_body": "وزارت نیرو",
    "priority": "normal",
    "number": "۱۲/۳۴۵۶۸",
    "baseline_on": "2024-03-12",
}

days = st.dates(date(1900, 1, 1), date(2199, 12, 31)).map(date.isoformat)
FIRST = datetime(1900, 1, 2, tzinfo=UTC)
LAST = datetime(2199, 12, 30, tzinfo=UTC)
instants = st.integers(0, (LAST - FIRST) // timedelta(milliseconds=1)).map(
    lambda milliseconds: FIRST + timedelta(milliseconds=milliseconds)
)
words = st.text(min_size=1, max_size=30)
titles = words.filter(lambda text: bool(text.strip()))
approvals = st.fixed_dictionaries(
    {
        "resolution_id": st.from_regex(r"\A[a-zآ-ی0-9.:-]{1,30}\Z"),
        "deputy": st.sampled_from(["civil", "crisis", "social"]),
        "title": titles,
        "approved_at": instants.map(datetime.isoformat),
        "due_on": days,
    },
    optional={
        "session_kind": st.sampled_from(["provincial", "visit"]),
        "province": st.sampled_from(sorted(PROVINCE_CODES)),
        "text": st.text(max_size=50),
        "supporting": st.lists(words, max_size=3),
        "executing_body": words,
        "priority": st.sampled_from(["normal", "urgent"]),
        "number": words,
        "baseline_on": days,
    },
)


def of(document: dict[str, Any], **style: Any) -> str:
    return fingerprint(ResolutionApproved.from_json(json.dumps(document, **style).encode()))


@given(approvals, st.randoms(use_true_random=False), st.booleans(), st.sampled_from([None, 1, 8]))
def test_the_formatting_makes_no_difference(
    approval: dict[str, Any], shuffle: random.Random, ascii_only: bool, indent: int | None
) -> None:
    fields = list(approval.items())
    shuffle.shuffle(fields)

    assert of(dict(fields), ensure_ascii=ascii_only, indent=indent) == of(approval)


@given(approvals, st.integers(-14 * 60, 14 * 60))
def test_the_offset_of_a_time_makes_no_difference(approval: dict[str, Any], minutes: int) -> None:
    moved_out = timezone(timedelta(minutes=minutes))
    instant = datetime.fromisoformat(approval["approved_at"]).astimezone(moved_out)

    assert of({**approval, "approved_at": instant.isoformat()}) == of(approval)


@given(approvals, st.sets(st.sampled_from(OPTIONAL)))
def test_null_and_absent_are_the_same(approval: dict[str, Any], names: set[str]) -> None:
    absent = {name: value for name, value in approval.items() if name not in names}

    assert of({**absent, **dict.fromkeys(names)}) == of(absent)


@given(approvals, st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_unknown_fields_make_no_difference(
    approval: dict[str, Any], unknown: dict[str, str]
) -> None:
    unknown = {name: value for name, value in unknown.items() if name not in FULL}

    assert of({**unknown, **approval}, ensure_ascii=False) == of(approval)


@given(approvals, approvals)
def test_only_equal_approvals_have_the_same_fingerprint(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = (ResolutionApproved.from_json(json.dumps(a).encode()) for a in (one, other))

    assert (fingerprint(first) == fingerprint(second)) == (first == second)


@pytest.mark.parametrize("field", FULL)
def test_a_known_field_that_changes_makes_a_difference(field: str) -> None:
    assert OTHERWISE[field] != FULL[field]
    assert of({**FULL, field: OTHERWISE[field]}) != of(FULL)


@pytest.mark.parametrize("field", OPTIONAL)
def test_a_known_field_that_is_left_out_makes_a_difference(field: str) -> None:
    assert of({name: value for name, value in FULL.items() if name != field}) != of(FULL)


def test_the_fingerprint_does_not_change_between_versions() -> None:
    """Stored fingerprints are compared with those of later versions."""
    opened = parse(samples.of(FollowupOpened).event)

    assert isinstance(opened, FollowupOpened)
    assert opened.fingerprint == of(FULL)
