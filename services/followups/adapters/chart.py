"""Draws scorecards as a bar chart in SVG 1.1, one bar per scorecard.

It reads from right to left: the labels are on the right, and the bars grow to the left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from services.followups.adapters.svg import FAINT, line, picture, rect, short, text, written
from services.followups.adapters.tables import missing_note, title
from services.followups.domain.scorecard_table import ScorecardTable
from services.followups.domain.scores import Scorecard
from shared.runtime.safe_text import isolated
from shared.text import persian_digits

_WIDTH: Final = 960
_RIGHT: Final = 680  # where bars begin; the labels are beyond it
_LEFT: Final = 70
_TOP: Final = 118
_ROW: Final = 30
_BAR: Final = 20
_EDGE: Final = 24
_MOST_LETTERS: Final = 40  # of a label
_DIGIT: Final = 9  # pixels per digit in a bar
_MOST_TICKS: Final = 6
_WARNING: Final = "#a30000"


@dataclass(frozen=True, slots=True)
class _Segment:
    """A part of each bar."""

    title: str
    colour: str
    value: Callable[[Scorecard], int]


_SEGMENTS: Final[Sequence[_Segment]] = (  # in colours for the colour-blind (Okabe and Ito)
    _Segment("تأییدشده", "#009e73", lambda card: card.verified),
    _Segment("باز در مهلت", "#56b4e9", lambda card: card.in_time),
    _Segment("معوق سطح ۱", "#f0e442", lambda card: card.overdue[0]),
    _Segment("معوق سطح ۲", "#e69f00", lambda card: card.overdue[1]),
    _Segment("معوق سطح ۳", "#d55e00", lambda card: card.overdue[2]),
    _Segment("پایان دیگر", "#b0b0b0", lambda card: card.closed),
)
"""Together they are all follow-ups of a scorecard."""


def write(table: ScorecardTable) -> bytes:
    """The chart of a table."""
    height = _TOP + _ROW * max(1, len(table.rows)) + 62
    svg = picture(_WIDTH, height, title(table), _description("در مجموع", table.total))
    text(svg, _WIDTH - _EDGE, 34, title(table), {"font-size": "17", "font-weight": "bold"})
    _legend(svg)
    bottom = height - 56
    scale = _scale(table)
    _ticks(svg, scale, bottom)
    for number, row in enumerate(table.rows):
        _bar(svg, _TOP + number * _ROW, isolated(row.title_fa), row.card, (_RIGHT - _LEFT) / scale)
    if (left_out := missing_note(table)) is not None:
        text(svg, _WIDTH - _EDGE, height - 14, left_out, {"fill": _WARNING})
    return written(svg)


def _bar(svg: ET.Element, top: float, label: str, card: Scorecard, pixels: float) -> None:
    group = ET.SubElement(svg, "g")
    ET.SubElement(group, "title").text = _description(label, card)
    text(group, _WIDTH - _EDGE, top + 15, short(label, _MOST_LETTERS))
    right = float(_RIGHT)
    for segment in _SEGMENTS:
        count = segment.value(card)
        if count <= 0:
            continue
        width, figure = count * pixels, persian_digits(count)
        rect(group, right - width, top, width, _BAR, segment.colour, {"stroke": "#ffffff"})
        if width >= _DIGIT * (len(figure) + 1):
            middle = {"text-anchor": "middle", "font-size": "12"}
            text(group, right - width / 2, top + 15, figure, middle)
        right -= width
    text(group, right - 6, top + 15, persian_digits(card.total), {"font-weight": "bold"})


def _legend(svg: ET.Element) -> None:
    right = _WIDTH - _EDGE
    for segment in _SEGMENTS:
        rect(svg, right - 14, 58, 14, 14, segment.colour)
        text(svg, right - 20, 70, segment.title)
        right -= 34 + 8 * len(segment.title)


def _ticks(svg: ET.Element, scale: int, bottom: float) -> None:
    pixels = (_RIGHT - _LEFT) / scale
    for value in _steps(scale):
        x = _RIGHT - value * pixels
        line(svg, (x, _TOP - 8), (x, bottom), FAINT)
        faint = {"text-anchor": "middle", "font-size": "11"}
        text(svg, x, bottom + 16, persian_digits(value), faint)


def _scale(table: ScorecardTable) -> int:
    """The number of follow-ups in the longest bar, rounded up to a tick."""
    most = max((row.card.total for row in table.rows), default=0)
    step = _step(max(1, most))
    return -(-max(1, most) // step) * step


def _steps(scale: int) -> Iterator[int]:
    return iter(range(0, scale + 1, _step(scale)))


def _step(most: int) -> int:
    """The distance of ticks: 1, 2 or 5 times a power of ten, so that few ticks reach `most`."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if most <= factor * power * _MOST_TICKS:
                return factor * power
        power *= 10


def _description(label: str, card: Scorecard) -> str:
    """A bar in words, for screen readers."""
    parts = [f"{segment.title} {persian_digits(segment.value(card))}" for segment in _SEGMENTS]
    return f"{label}: کل {persian_digits(card.total)}؛ {'، '.join(parts)}"
