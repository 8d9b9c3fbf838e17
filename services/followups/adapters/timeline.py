"""The life of one follow-up as a picture along time, which runs from right to left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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
from services.followups.domain.escalation import days_late
from services.followups.domain.records import ENDED, State
from services.followups.domain.timeline import DueMove, Kind, Period, Timeline
from shared.contracts.days import from_jalali
from shared.contracts.reference import DEPUTY_TITLES_FA
from shared.runtime.calendar import (
    jalali_date,
    jalali_date_short,
    jalali_month,
    start_of_day,
    tehran_date,
    to_jalali,
)
from shared.runtime.writing import isolated
from shared.text import persian_digits

_WIDTH: Final = 1_000
_RIGHT: Final = 976.0
_LEFT: Final = 24.0
_LANE: Final = 22
_BAND: Final = 30
_PLOT: Final = 64
_LETTER: Final = 6.6  # pixels a letter takes at 12 points, at most
_MOST_LANES: Final = 10
_MOST_TICKS: Final = 12
_DAY: Final = timedelta(days=1)
_ORIGINAL: Final = "#a30000"
_PRESENT: Final = "#0072b2"
_SMALL: Final = {"font-size": "12"}

_COLOURS: Final = {  # that the colour-blind tell too (Okabe and Ito)
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


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where an instant stands: the first on the right, the last on the left."""

    begins: datetime
    ends: datetime

    def x(self, at: datetime) -> float:
        share = (at - self.begins) / (self.ends - self.begins)
        return _RIGHT - min(1.0, max(0.0, share)) * (_RIGHT - _LEFT)

    def day(self, day: date) -> float:
        """The end of a day: a due date is met until then."""
        return self.x(start_of_day(day + _DAY))


def write(life: Timeline, now: datetime) -> bytes:
    """The picture as it is at an instant (UTC)."""
    axis = _axis(life, now)
    lanes = len(life.due_moves[:_MOST_LANES]) + (life.followup.request is not None)
    left_out = len(life.due_moves) - _MOST_LANES
    band = 126 + lanes * _LANE + (_LANE if left_out > 0 else 0)
    plot = band + _BAND + 14
    marks = plot + _PLOT + 16
    bottom = marks + 76
    svg = picture(_WIDTH, bottom + 78, _title(life), _told(life, now))
    text(svg, _RIGHT, 30, short(_title(life), 110), {"font-size": "16", "font-weight": "bold"})
    text(svg, _RIGHT, 52, _lateness(life, now))
    _ticks(svg, axis, band - 8, bottom)
    _due_dates(svg, life, axis, bottom)
    _moves(svg, life, axis, 118)
    if left_out > 0:
        told = f"… و {persian_digits(left_out)} تغییر دیگر در مهلت"
        text(svg, _RIGHT, 118 + lanes * _LANE + 8, told, _SMALL)
    _states(svg, life, axis, now, band)
    _progress(svg, life, axis, now, plot)
    _data_migrations(svg, life, axis, marks)
    if life.followup.state not in ENDED:
        _now(svg, axis.x(now), band, bottom)
    _legend(svg, life, bottom + 44)
    return written(svg)


# -- what stands where --------------------------------------------------------------------------


def _axis(life: Timeline, now: datetime) -> _Axis:
    followup = life.followup
    instants = [followup.opened_at, followup.changed_at]
    if followup.state not in ENDED:
        instants.append(now)
    due = [followup.original_due_on, followup.resolution.due_on]
    due += [day for move in life.due_moves for day in (move.before, move.after)]
    if followup.request is not None:
        instants.append(followup.request.lapses_at)
        due.append(followup.request.due_on)
    instants += [start_of_day(day + _DAY) for day in due]
    begins, ends = min(instants), max(instants)
    span = max(ends - begins, 2 * _DAY)
    return _Axis(begins - span / 50, begins + span + span / 50)


def _ticks(svg: ET.Element, axis: _Axis, top: float, bottom: float) -> None:
    begins, ends = tehran_date(axis.begins), tehran_date(axis.ends)
    free = _RIGHT  # for labels, from here to the left
    for day, label in _labelled(begins, ends):
        at = start_of_day(day)
        x, half = axis.x(at), _wide(label) * 11 / 12 / 2  # at 11 points
        middle = min(_RIGHT - half, max(_LEFT + half, x))
        if not axis.begins < at < axis.ends or middle + half > free:
            continue
        line(svg, (x, top), (x, bottom), FAINT)
        text(svg, middle, bottom + 16, label, {"text-anchor": "middle", "font-size": "11"})
        free = middle - half


def _labelled(begins: date, ends: date) -> Iterator[tuple[date, str]]:
    """Days with their labels: few enough to be read, first days of months where there are many."""
    days = (ends - begins).days + 1
    if days <= 4 * _MOST_TICKS:
        step = -(-days // _MOST_TICKS)
        for number in range(0, days, step):
            day = begins + number * _DAY
            yield day, jalali_date_short(day)
        return
    first, last = to_jalali(begins), to_jalali(ends)
    months = (last.year - first.year) * 12 + last.month - first.month
    least = -(-(months + 1) // _MOST_TICKS)
    step = next((step for step in (1, 2, 3, 4, 6, 12) if step >= least), -(-least // 12) * 12)
    begun = first.year * 12 + first.month - 1
    for number in range(-(-begun // step) * step, begun + months + 1, step):
        day = from_jalali(number // 12, number % 12 + 1, 1)
        yield day, jalali_month(day)


def _due_dates(svg: ET.Element, life: Timeline, axis: _Axis, bottom: float) -> None:
    followup = life.followup
    original, present = followup.original_due_on, followup.resolution.due_on
    _due_date(svg, axis.day(original), (78, bottom), f"مهلت اصلی: {jalali_date(original)}", "")
    if present != original:
        told = f"مهلت کنونی: {jalali_date(present)}"
        _due_date(svg, axis.day(present), (98, bottom), told, "5 3")


def _due_date(svg: ET.Element, x: float, ys: tuple[float, float], label: str, dashes: str) -> None:
    colour = _PRESENT if dashes else _ORIGINAL
    line(svg, (x, ys[0] - 10), (x, ys[1]), colour, _stroke(dashes))
    _beside(svg, x, x, ys[0], label, colour)


def _moves(svg: ET.Element, life: Timeline, axis: _Axis, top: float) -> None:
    """An arrow a change of the due date, each on a lane of its own."""
    y = top
    for move in life.due_moves[:_MOST_LANES]:
        told = f"{_what(move)} تا {jalali_date_short(move.after)}، {isolated(move.by)}"
        _arrow(svg, axis.day(move.before), axis.day(move.after), y, told, _PRESENT)
        y += _LANE
    request = life.followup.request
    if request is not None:
        told = f"درخواست تا {jalali_date_short(request.due_on)}، {isolated(request.by)}"
        start, end = axis.day(life.followup.resolution.due_on), axis.day(request.due_on)
        _arrow(svg, start, end, y, told, "#666666", "3 3")


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
    """A label on the left of something where there is room for it, else on its right, or within."""
    shown = short(label, 70)
    wide = _wide(shown) + 8
    if left - wide >= _LEFT:
        x = left - 8
    elif right + wide <= _RIGHT:
        x = right + wide
    else:
        x = _RIGHT
    text(svg, x, y, shown, {**_SMALL, "fill": colour})


def _states(svg: ET.Element, life: Timeline, axis: _Axis, now: datetime, top: float) -> None:
    for period in life.periods:
        ends = period.ends or _last(life, now)
        right, left = axis.x(period.begins), axis.x(ends)
        width = max(right - left, 1.5)
        colour = _COLOURS[period.state]
        group = ET.SubElement(svg, "g")
        ET.SubElement(group, "title").text = _since(period)
        rect(group, right - width, top, width, _BAND, colour, {"stroke": "#ffffff"})
        label = STATES_FA[period.state]
        if width >= _wide(label) + 8:
            middle = {"text-anchor": "middle", **_SMALL}
            text(group, right - width / 2, top + 20, label, middle)


def _last(life: Timeline, now: datetime) -> datetime:
    """Until when something is drawn that still is so: an end is short, as nothing follows.

    Not before it began, though clocks may have been set back.
    """
    followup = life.followup
    begun = max(followup.changed_at, *(at for at, _ in life.progress))
    if followup.state not in ENDED:
        return max(now, begun)
    return begun + (begun - followup.opened_at) / 40 + _DAY / 4


def _progress(svg: ET.Element, life: Timeline, axis: _Axis, now: datetime, top: float) -> None:
    bottom = top + _PLOT
    for value in (0, 50, 100):
        y = bottom - value / 100 * _PLOT
        line(svg, (_LEFT, y), (_RIGHT, y), FAINT)
        text(svg, _RIGHT, y - 2, f"٪{persian_digits(value)}", {"font-size": "10"})
    points: list[tuple[float, float]] = []
    for at, value in (*life.progress, (_last(life, now), life.progress[-1][1])):
        x, y = axis.x(at), bottom - value / 100 * _PLOT
        if points:
            points.append((x, points[-1][1]))
        points.append((x, y))
    told = " ".join(f"{px(x)},{px(y)}" for x, y in points)
    shape = {"points": told, "fill": "none", "stroke": _PRESENT, "stroke-width": "2"}
    ET.SubElement(svg, "polyline", shape)


def _data_migrations(svg: ET.Element, life: Timeline, axis: _Axis, top: float) -> None:
    """A lane a level, and one for everything else that happened."""
    free: dict[int, float] = {}
    for at, level in life.levels:
        x, y = axis.x(at), top + (level - 1) * 18
        group = ET.SubElement(svg, "g")
        ET.SubElement(group, "title").text = _reached(at, level)
        circle = {"cx": px(x), "cy": px(y), "r": "7", "fill": _LEVELS[level], "stroke": "#ffffff"}
        ET.SubElement(group, "circle", circle)
        if x <= free.get(level, _RIGHT):
            middle = {"text-anchor": "middle", "font-size": "10"}
            text(group, x, y + 4, persian_digits(level), middle)
            free[level] = x - 10
    for at, kind in life.marks:
        group = ET.SubElement(svg, "g")
        name, colour = _KINDS[kind]
        ET.SubElement(group, "title").text = f"{name}، {jalali_date(tehran_date(at))}"
        rect(group, axis.x(at) - 1.5, top + 50, 3, 12, colour)


def _now(svg: ET.Element, x: float, top: float, bottom: float) -> None:
    line(svg, (x, top - 4), (x, bottom), INK, {"stroke-dasharray": "2 2"})


def _legend(svg: ET.Element, life: Timeline, y: float) -> None:
    kinds = {kind for _, kind in life.marks}
    shown = [(_COLOURS[state], STATES_FA[state]) for state in _seen(life)]
    shown += [(colour, name) for kind, (name, colour) in _KINDS.items() if kind in kinds]
    shown += [(_PRESENT, "پیشرفت")]
    right = _RIGHT
    for colour, name in shown:
        wide = 24 + _wide(name)
        if right - wide < _LEFT:
            right, y = _RIGHT, y + 18
        rect(svg, right - 12, y - 10, 12, 12, colour)
        text(svg, right - 17, y, name, {"font-size": "11"})
        right -= wide + 6


def _seen(life: Timeline) -> Sequence[State]:
    return list(dict.fromkeys(period.state for period in life.periods))


# -- in words -----------------------------------------------------------------------------------


def _title(life: Timeline) -> str:
    resolution = life.followup.resolution
    deputy = DEPUTY_TITLES_FA.get(resolution.deputy, resolution.deputy)
    return " – ".join(map(isolated, (resolution.title, deputy, resolution.resolution_id)))


def _lateness(life: Timeline, now: datetime) -> str:
    followup = life.followup
    state = STATES_FA[followup.state]
    original = days_late(followup, followup.original_due_on, now)
    present = days_late(followup, followup.resolution.due_on, now)
    return (
        f"{state}، پیشرفت {persian_digits(followup.progress)}٪؛ "
        f"{persian_digits(original)} روز دیرتر از مهلت اصلی، "
        f"{persian_digits(present)} روز دیرتر از مهلت کنونی"
    )


def _told(life: Timeline, now: datetime) -> str:
    """The whole picture for those who hear it."""
    parts = [_lateness(life, now), f"مهلت اصلی {jalali_date(life.followup.original_due_on)}"]
    parts += [
        f"{_what(move)} از {jalali_date(move.before)} تا {jalali_date(move.after)}"
        for move in life.due_moves
    ]
    parts += [_since(period) for period in life.periods]
    parts += [_reached(at, level) for at, level in life.levels]
    return "؛ ".join(parts)


def _what(move: DueMove) -> str:
    return "تمدید" if move.is_extension else "اصلاح مصوبه"


def _since(period: Period) -> str:
    return f"{STATES_FA[period.state]} از {jalali_date(tehran_date(period.begins))}"


def _reached(at: datetime, level: int) -> str:
    return f"معوق سطح {persian_digits(level)}، {jalali_date(tehran_date(at))}"


def _wide(label: str) -> float:
    return _LETTER * letters(label)
