"""Draws the life of one follow-up along a time axis that runs from right to left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from xml.etree import ElementTree as ET

from services.followups.adapters.state_titles import STATES_FA
from services.followups.adapters.svg import (
    FAINT,
    INK,
    letters,
    line,
    picture,
    px,
    rect,
    short,
    text,
    written,
)
from services.followups.adapters.timeline_axis import (
    DAY,
    LEFT,
    RIGHT,
    Axis,
    axis_of,
    labelled_days,
)
from services.followups.adapters.timeline_texts import (
    description,
    level_reached,
    move_title,
    state_since,
    summary,
    title,
)
from services.followups.domain.records import ENDED, State
from services.followups.domain.timeline import Kind, Timeline
from shared.runtime.calendar import jalali_date, jalali_date_short, start_of_day, tehran_date
from shared.runtime.safe_text import isolated
from shared.text import persian_digits

_WIDTH: Final = 1_000
_LANE: Final = 22
_BAND: Final = 30
_PLOT: Final = 64
_LETTER: Final = 6.6  # pixels per letter at 12 points, at most
_MOST_LANES: Final = 10
_ORIGINAL: Final = "#a30000"
_PRESENT: Final = "#0072b2"
_SMALL: Final = {"font-size": "12"}

_COLOURS: Final = {  # for the colour-blind (Okabe and Ito)
    State.OPENED: "#dddddd",
    State.ACKNOWLEDGED: "#c7e3f5",
    State.DISPUTED: "#cc79a7",
    State.IN_PROGRESS: "#56b4e9",
    State.BLOCKED: "#e69f00",
    State.DONE: "#f0e442",
    State.REOPENED: "#d55e00",
    State.VERIFIED: "#009e73",
    State.CLOSED: "#b0b0b0",
}
_LEVELS: Final = {1: "#f0e442", 2: "#e69f00", 3: "#d55e00"}
_KINDS: Final = {
    Kind.COMMENT: ("اظهارنظر", "#0072b2"),
    Kind.EVIDENCE: ("مستند", "#009e73"),
    Kind.ITEM: ("جزء کار", "#e69f00"),
    Kind.PART: ("گزارش همکار", "#cc79a7"),
    Kind.PEOPLE: ("مسئول", INK),
    Kind.LINK: ("پیوند", "#b0b0b0"),
}


def write(life: Timeline, now: datetime) -> bytes:
    """Draw the picture as it is at an instant (UTC), as SVG."""
    axis = axis_of(life, now)
    lanes = len(life.due_moves[:_MOST_LANES]) + (life.followup.request is not None)
    left_out = len(life.due_moves) - _MOST_LANES
    band = 126 + lanes * _LANE + (_LANE if left_out > 0 else 0)
    plot = band + _BAND + 14
    marks = plot + _PLOT + 16
    bottom = marks + 76
    svg = picture(_WIDTH, bottom + 78, title(life), description(life, now))
    text(svg, RIGHT, 30, short(title(life), 110), {"font-size": "16", "font-weight": "bold"})
    text(svg, RIGHT, 52, summary(life, now))
    _ticks(svg, axis, band - 8, bottom)
    _due_dates(svg, life, axis, bottom)
    _due_moves(svg, life, axis, 118)
    if left_out > 0:
        label = f"… و {persian_digits(left_out)} تغییر دیگر در مهلت"
        text(svg, RIGHT, 118 + lanes * _LANE + 8, label, _SMALL)
    _states(svg, life, axis, now, band)
    _progress(svg, life, axis, now, plot)
    _levels_and_marks(svg, life, axis, marks)
    if life.followup.state not in ENDED:
        _present(svg, axis.x(now), band, bottom)
    _legend(svg, life, bottom + 44)
    return written(svg)


def _ticks(svg: ET.Element, axis: Axis, top: float, bottom: float) -> None:
    begins, ends = tehran_date(axis.begins), tehran_date(axis.ends)
    free = RIGHT  # labels have room from here to the left
    for day, label in labelled_days(begins, ends):
        at = start_of_day(day)
        x, half = axis.x(at), _label_width(label) * 11 / 12 / 2  # at 11 points
        middle = min(RIGHT - half, max(LEFT + half, x))
        if not axis.begins < at < axis.ends or middle + half > free:
            continue
        line(svg, (x, top), (x, bottom), FAINT)
        text(svg, middle, bottom + 16, label, {"text-anchor": "middle", "font-size": "11"})
        free = middle - half


def _due_dates(svg: ET.Element, life: Timeline, axis: Axis, bottom: float) -> None:
    followup = life.followup
    original, present = followup.original_due_on, followup.resolution.due_on
    _due_date(svg, axis.end_of(original), (78, bottom), f"مهلت اصلی: {jalali_date(original)}", "")
    if present != original:
        label = f"مهلت کنونی: {jalali_date(present)}"
        _due_date(svg, axis.end_of(present), (98, bottom), label, "5 3")


def _due_date(svg: ET.Element, x: float, ys: tuple[float, float], label: str, dashes: str) -> None:
    colour = _PRESENT if dashes else _ORIGINAL
    line(svg, (x, ys[0] - 10), (x, ys[1]), colour, _stroke(dashes))
    _beside(svg, x, x, ys[0], label, colour)


def _due_moves(svg: ET.Element, life: Timeline, axis: Axis, top: float) -> None:
    """One arrow per change of the due date, each on its own lane."""
    y = top
    for move in life.due_moves[:_MOST_LANES]:
        label = f"{move_title(move)} تا {jalali_date_short(move.after)}، {isolated(move.by)}"
        _arrow(svg, axis.end_of(move.before), axis.end_of(move.after), y, label, _PRESENT)
        y += _LANE
    request = life.followup.request
    if request is not None:
        label = f"درخواست تا {jalali_date_short(request.due_on)}، {isolated(request.by)}"
        start, end = axis.end_of(life.followup.resolution.due_on), axis.end_of(request.due_on)
        _arrow(svg, start, end, y, label, "#666666", "3 3")


def _arrow(
    svg: ET.Element, start: float, end: float, y: float, label: str, colour: str, dashes: str = ""
) -> None:
    line(svg, (start, y), (end, y), colour, _stroke(dashes))
    back = 7 if end < start else -7
    points = f"{px(end)},{px(y)} {px(end + back)},{px(y - 4)} {px(end + back)},{px(y + 4)}"
    ET.SubElement(svg, "polygon", {"points": points, "fill": colour})
    _beside(svg, max(start, end), min(start, end), y + 4, label, colour)


def _stroke(dashes: str) -> dict[str, str]:
    return {"stroke-width": "2", **({"stroke-dasharray": dashes} if dashes else {})}


def _beside(svg: ET.Element, right: float, left: float, y: float, label: str, colour: str) -> None:
    """A label on the left of something; if there is no room, on its right, or within it."""
    shown = short(label, 70)
    width = _label_width(shown) + 8
    if left - width >= LEFT:
        x = left - 8
    elif right + width <= RIGHT:
        x = right + width
    else:
        x = RIGHT
    text(svg, x, y, shown, {**_SMALL, "fill": colour})


def _states(svg: ET.Element, life: Timeline, axis: Axis, now: datetime, top: float) -> None:
    for period in life.periods:
        ends = period.ends or _drawn_until(life, now)
        right, left = axis.x(period.begins), axis.x(ends)
        width = max(right - left, 1.5)
        colour = _COLOURS[period.state]
        group = ET.SubElement(svg, "g")
        ET.SubElement(group, "title").text = state_since(period)
        rect(group, right - width, top, width, _BAND, colour, {"stroke": "#ffffff"})
        label = STATES_FA[period.state]
        if width >= _label_width(label) + 8:
            middle = {"text-anchor": "middle", **_SMALL}
            text(group, right - width / 2, top + 20, label, middle)


def _drawn_until(life: Timeline, now: datetime) -> datetime:
    """Until when the present state is drawn; a final state is short, as nothing follows it.

    It never ends before it begins, though clocks may have been set back.
    """
    followup = life.followup
    began = max(followup.changed_at, *(at for at, _ in life.progress))
    if followup.state not in ENDED:
        return max(now, began)
    return began + (began - followup.opened_at) / 40 + DAY / 4


def _progress(svg: ET.Element, life: Timeline, axis: Axis, now: datetime, top: float) -> None:
    bottom = top + _PLOT
    for value in (0, 50, 100):
        y = bottom - value / 100 * _PLOT
        line(svg, (LEFT, y), (RIGHT, y), FAINT)
        text(svg, RIGHT, y - 2, f"٪{persian_digits(value)}", {"font-size": "10"})
    points: list[tuple[float, float]] = []
    for at, value in (*life.progress, (_drawn_until(life, now), life.progress[-1][1])):
        x, y = axis.x(at), bottom - value / 100 * _PLOT
        if points:
            points.append((x, points[-1][1]))
        points.append((x, y))
    corners = " ".join(f"{px(x)},{px(y)}" for x, y in points)
    shape = {"points": corners, "fill": "none", "stroke": _PRESENT, "stroke-width": "2"}
    ET.SubElement(svg, "polyline", shape)


def _levels_and_marks(svg: ET.Element, life: Timeline, axis: Axis, top: float) -> None:
    """One lane per level, and one for everything else that happened."""
    free: dict[int, float] = {}
    for at, level in life.levels:
        x, y = axis.x(at), top + (level - 1) * 18
        group = ET.SubElement(svg, "g")
        ET.SubElement(group, "title").text = level_reached(at, level)
        circle = {"cx": px(x), "cy": px(y), "r": "7", "fill": _LEVELS[level], "stroke": "#ffffff"}
        ET.SubElement(group, "circle", circle)
        if x <= free.get(level, RIGHT):
            middle = {"text-anchor": "middle", "font-size": "10"}
            text(group, x, y + 4, persian_digits(level), middle)
            free[level] = x - 10
    for at, kind in life.marks:
        group = ET.SubElement(svg, "g")
        name, colour = _KINDS[kind]
        ET.SubElement(group, "title").text = f"{name}، {jalali_date(tehran_date(at))}"
        rect(group, axis.x(at) - 1.5, top + 50, 3, 12, colour)


def _present(svg: ET.Element, x: float, top: float, bottom: float) -> None:
    line(svg, (x, top - 4), (x, bottom), INK, {"stroke-dasharray": "2 2"})


def _legend(svg: ET.Element, life: Timeline, y: float) -> None:
    kinds = {kind for _, kind in life.marks}
    shown = [(_COLOURS[state], STATES_FA[state]) for state in _seen(life)]
    shown += [(colour, name) for kind, (name, colour) in _KINDS.items() if kind in kinds]
    shown += [(_PRESENT, "پیشرفت")]
    right = RIGHT
    for colour, name in shown:
        width = 24 + _label_width(name)
        if right - width < LEFT:
            right, y = RIGHT, y + 18
        rect(svg, right - 12, y - 10, 12, 12, colour)
        text(svg, right - 17, y, name, {"font-size": "11"})
        right -= width + 6


def _seen(life: Timeline) -> Sequence[State]:
    return list(dict.fromkeys(period.state for period in life.periods))


def _label_width(label: str) -> float:
    return _LETTER * letters(label)
