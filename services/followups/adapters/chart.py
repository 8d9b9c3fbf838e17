"""A board as a chart: a bar a scorecard, as SVG 1.1 with nothing loaded from elsewhere.

Read from right to left: labels stand on the right, and bars grow from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from services.followups.adapters.svg import FAINT, line, picture, rect, short, text, written
from services.followups.adapters.tables import gap, title
from services.followups.domain.scorecard_table import ScorecardTable
from services.followups.domain.scores import Scorecard
from shared.runtime.safe_text import isolated
from shared.text import persian_digits

_WIDTH: Final = 960
_RIGHT: Final = 680  # where bars begin; labels stand behind it
_LEFT: Final = 70
_TOP: Final = 118
_ROW: Final = 30
_BAR: Final = 20
_EDGE: Final = 24
_LETTERS: Final = 40  # of a label
_NARROW: Final = 9  # pixels a digit needs in a bar
_MOST_TICKS: Final = 6
_WARNING: Final = "#a30000"


@dataclass(frozen=True, slots=True)
class _Share:
    """A part of each bar."""

    title: str
    colour: str
    value: Callable[[Scorecard], int]


_SHARES: Final[Sequence[_Share]] = (  # colours that the colour-blind tell too (Okabe and Ito)
    _Share("تأییدشده", "#009e73", lambda card: card.verified),
    _Share("باز در مهلت", "#56b4e9", lambda card: card.in_time),
    _Share("معوق سطح ۱", "#f0e442", lambda card: card.overdue[0]),
    _Share("معوق سطح ۲", "#e69f00", lambda card: card.overdue[1]),
    _Share("معوق سطح ۳", "#d55e00", lambda card: card.overdue[2]),
    _Share("پایان دیگر", "#b0b0b0", lambda card: card.closed),
)
"""Together they are all follow-ups of a card."""


def write(board: ScorecardTable) -> bytes:
    """The chart of a board."""
    height = _TOP + _ROW * max(1, len(board.rows)) + 62
    svg = picture(_WIDTH, height, title(board), _told("در مجموع", board.total))
    text(svg, _WIDTH - _EDGE, 34, title(board), {"font-size": "17", "font-weight": "bold"})
    _legend(svg)
    bottom = height - 56
    scale = _scale(board)
    _ticks(svg, scale, bottom)
    for number, row in enumerate(board.rows):
        _bar(svg, _TOP + number * _ROW, isolated(row.title_fa), row.card, (_RIGHT - _LEFT) / scale)
    if (left_out := gap(board)) is not None:
        text(svg, _WIDTH - _EDGE, height - 14, left_out, {"fill": _WARNING})
    return written(svg)


def _bar(svg: ET.Element, top: float, label: str, card: Scorecard, pixels: float) -> None:
    group = ET.SubElement(svg, "g")
    ET.SubElement(group, "title").text = _told(label, card)
    text(group, _WIDTH - _EDGE, top + 15, short(label, _LETTERS))
    right = float(_RIGHT)
    for share in _SHARES:
        count = share.value(card)
        if count <= 0:
            continue
        width, figure = count * pixels, persian_digits(count)
        rect(group, right - width, top, width, _BAR, share.colour, {"stroke": "#ffffff"})
        if width >= _NARROW * (len(figure) + 1):
            middle = {"text-anchor": "middle", "font-size": "12"}
            text(group, right - width / 2, top + 15, figure, middle)
        right -= width
    text(group, right - 6, top + 15, persian_digits(card.total), {"font-weight": "bold"})


def _legend(svg: ET.Element) -> None:
    right = _WIDTH - _EDGE
    for share in _SHARES:
        rect(svg, right - 14, 58, 14, 14, share.colour)
        text(svg, right - 20, 70, share.title)
        right -= 34 + 8 * len(share.title)


def _ticks(svg: ET.Element, scale: int, bottom: float) -> None:
    pixels = (_RIGHT - _LEFT) / scale
    for value in _steps(scale):
        x = _RIGHT - value * pixels
        line(svg, (x, _TOP - 8), (x, bottom), FAINT)
        faint = {"text-anchor": "middle", "font-size": "11"}
        text(svg, x, bottom + 16, persian_digits(value), faint)


def _scale(board: ScorecardTable) -> int:
    """The longest bar's follow-ups, rounded up to a tick."""
    most = max((row.card.total for row in board.rows), default=0)
    step = _step(max(1, most))
    return -(-max(1, most) // step) * step


def _steps(scale: int) -> Iterator[int]:
    return iter(range(0, scale + 1, _step(scale)))


def _step(most: int) -> int:
    """1, 2 or 5 times a power of ten, so that few ticks reach what is most."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if most <= factor * power * _MOST_TICKS:
                return factor * power
        power *= 10


def _told(label: str, card: Scorecard) -> str:
    """A bar in words."""
    parts = [f"{share.title} {persian_digits(share.value(card))}" for share in _SHARES]
    return f"{label}: کل {persian_digits(card.total)}؛ {'، '.join(parts)}"
