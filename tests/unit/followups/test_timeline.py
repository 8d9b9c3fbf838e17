"""The picture of a life: everything is in it, in its place, and readable."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import get_args
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.followups import events
from services.followups.adapters import timeline as picture
from services.followups.domain.evolution import opened
from services.followups.domain.facts import (
    Acknowledged,
    Amended,
    Blocked,
    CameDueSoon,
    Closed,
    Completed,
    Extended,
    ExtensionRefused,
    ExtensionRequested,
    Fact,
    FellOverdue,
    Opened,
    Progressed,
    Reopened,
    Settled,
    Unblocked,
    Verified,
    WentUnacknowledged,
)
from services.followups.domain.records import State
from services.followups.domain.timeline import MARKS, Kind, timeline
from services.followups.domain.work import Commented
from shared.runtime.calendar import jalali_date
from shared.runtime.safe_text import isolated
from tests.pictures import TIMELINE
from tests.unit.followups.examples import TOPIC, lives, steps, unhurried
from tests.unit.followups.timelines import BEGUN, NOW, bridge

SVG = "{http://www.w3.org/2000/svg}"
LETTER = 5.0  # pixels a letter takes at 11 points, on average
ELSEWHERE_IN_IT = {
    Opened, Acknowledged, Settled, Blocked, Unblocked, Progressed, Completed, Verified, Reopened,
    Closed, Amended, Extended, ExtensionRequested, ExtensionRefused, FellOverdue,
}  # fmt: skip
LEFT_OUT = {CameDueSoon, WentUnacknowledged}
"""Facts that only say that a date is near or past, which the dates show."""


def drawn(facts: list[Fact]) -> ET.Element:
    return ET.fromstring(picture.write(timeline(steps(facts)), NOW))


def texts(svg: ET.Element) -> list[tuple[str, float, float, float]]:
    """Return each text with its height and its approximate left and right ends."""
    found = []
    for text in svg.iter(f"{SVG}text"):
        shown = (text.text or "").strip("\u202b\u202c")
        x, wide = float(text.attrib["x"]), LETTER * len(shown)
        right = x + wide / 2 if text.attrib["text-anchor"] == "middle" else x
        found.append((shown, float(text.attrib["y"]), right - wide, right))
    return found


def test_every_fact_is_drawn_or_deliberately_left_out() -> None:
    assert set(MARKS) | ELSEWHERE_IN_IT | LEFT_OUT == set(get_args(Fact))
    assert set(MARKS.values()) == set(Kind)


def test_the_picture_of_the_docs_is_what_the_code_draws() -> None:
    assert TIMELINE.read_bytes() == picture.write(timeline(steps(bridge())), NOW), (
        "python -m tests.pictures"
    )


def test_a_timeline_has_what_happened_and_when() -> None:
    life = timeline(steps(bridge()))
    states = [period.state for period in life.periods]
    assert states[:4] == [State.OPENED, State.ACKNOWLEDGED, State.IN_PROGRESS, State.BLOCKED]
    assert [p.ends for p in life.periods] == [*(p.begins for p in life.periods[1:]), None]
    assert [(m.before, m.after, m.by, m.is_extension) for m in life.due_moves] == [
        (date(2024, 1, 1), date(2024, 2, 20), "c.ahmadi", True),
        (date(2024, 2, 20), date(2024, 4, 15), "c.ahmadi", True),
    ]
    assert [level for _, level in life.levels] == [1, 2, 1, 2, 3]
    assert [value for _, value in life.progress] == [0, 15, 40, 70, 100, 70, 85]


def test_extensions_and_the_original_date_are_written_out() -> None:
    svg = drawn(bridge())
    shown = [text for text, *_ in texts(svg)]
    assert f"مهلت اصلی: {jalali_date(date(2024, 1, 1))}" in shown
    assert f"مهلت کنونی: {jalali_date(date(2024, 4, 15))}" in shown
    assert f"تمدید تا ۱۴۰۲/۱۲/۰۱، {isolated('c.ahmadi')}" in shown
    assert f"درخواست تا ۱۴۰۳/۰۴/۱۵، {isolated('d.karimi')}" in shown
    desc = svg.findtext(f"{SVG}desc") or ""
    assert "۱۶۳ روز دیرتر از مهلت اصلی، ۵۸ روز دیرتر از مهلت کنونی" in desc
    assert svg.get("aria-labelledby") == "title desc"


def test_the_timeline_can_be_computed_from_events() -> None:
    history = [events.to_event(after, fact, TOPIC, None) for _, fact, after in steps(bridge())]
    assert timeline(events.steps_of(history)).due_moves == timeline(steps(bridge())).due_moves
    assert timeline(events.steps_of(history)).periods == timeline(steps(bridge())).periods


@unhurried
@given(lives())
def test_any_life_can_be_drawn_within_the_picture(life: list[Fact]) -> None:
    svg = drawn(life)
    width = float(svg.attrib["width"])
    height = float(svg.attrib["height"])
    for shape in svg.iter():
        for name, most in (("x", width), ("cx", width), ("x1", width), ("x2", width)):
            assert 0 <= float(shape.get(name, "0")) <= most
        for name in ("y", "cy", "y1", "y2"):
            assert 0 <= float(shape.get(name, "0")) <= height
    original = opened(life[0]).original_due_on if isinstance(life[0], Opened) else None
    assert original is not None
    assert any(jalali_date(original) in text for text, *_ in texts(svg))


@unhurried
@given(lives())
def test_later_facts_are_to_the_left_of_earlier_ones(life: list[Fact]) -> None:
    in_order = [life[0], *sorted(life[1:], key=lambda fact: fact.at)]
    folded = timeline(steps(in_order))
    svg = ET.fromstring(picture.write(folded, NOW))
    line = svg.find(f"{SVG}polyline")
    assert line is not None
    xs = [float(point.split(",")[0]) for point in line.attrib["points"].split()]
    ats = [at for at, _ in folded.progress]
    if ats == sorted(ats):
        assert xs == sorted(xs, reverse=True)


@unhurried
@example(days=1_943, number=0)  # the first of a month is at the very end
@given(days=st.integers(0, 2_000), number=st.integers(0, 300))
def test_labels_do_not_overlap_in_a_life_of_any_length(days: int, number: int) -> None:
    facts = bridge()[:1]
    for n in range(number):
        at = BEGUN + timedelta(days=days * n / max(1, number))
        facts.append(Commented(at, "d.karimi", "بازدید شد"))
        due = date(2024, 1, 1) + timedelta(days=n % 40)
        facts.append(Extended(at, "c.ahmadi", due + timedelta(days=1), due, None))
    svg = ET.fromstring(picture.write(timeline(steps(facts)), BEGUN + timedelta(days=days)))
    by_line: dict[float, list[tuple[float, float, str]]] = {}
    for shown, y, left, right in texts(svg):
        if not shown.startswith("٪"):
            by_line.setdefault(y, []).append((left, right, shown))
    for line in by_line.values():
        line.sort()
        for (_, right, one), (left, _, two) in pairwise(line):
            assert right <= left + 1, (one, two)


@pytest.mark.parametrize("title", ["<b>&\"'", "x" * 900, "شرح‌ها"])
def test_texts_of_people_are_drawn_as_text(title: str) -> None:
    first = bridge()[0]
    assert isinstance(first, Opened)

    resolution = replace(first.resolution, title=title)
    svg = drawn([replace(first, resolution=resolution)])
    assert (svg.findtext(f"{SVG}title") or "").startswith(isolated(title))
    assert b"<script" not in ET.tostring(svg)
