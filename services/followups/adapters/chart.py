"""A board as a chart: a bar a scorecard, as SVG 1.1 with nothing loaded from elsewhere.

Read from right to left: labels stand on the right, and bars grow from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from services.followups.adapters.tables import gap, title
from services.followups.domain.boards import Board
from services.followups.domain.scores import Scorecard
from shared.runtime.text import persian_digits

MEDIA_TYPE: Final = "image/svg+xml"

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
_RLM: Final = "\u200f"  # right-to-left mark
_INK: Final = "#1a1a1a"
_FAINT: Final = "#d9d9d9"
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


def write(board: Board) -> bytes:
    """The chart with a title and a description for those who hear it (W3C, SVG-AAM)."""
    height = _TOP + _ROW * max(1, len(board.rows)) + 62
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {height}",
            "width": str(_WIDTH),
            "height": str(height),
            "role": "img",
            "aria-labelledby": "title desc",
            "{http://www.w3.org/XML/1998/namespace}lang": "fa",
            "font-family": "Vazirmatn, Tahoma, 'DejaVu Sans', sans-serif",
            "font-size": "13",
            "fill": _INK,
        },
    )
    ET.SubElement(svg, "title", {"id": "title"}).text = title(board)
    ET.SubElement(svg, "desc", {"id": "desc"}).text = _told("در مجموع", board.total)
    _rect(svg, 0, 0, _WIDTH, height, "#ffffff")
    _text(svg, _WIDTH - _EDGE, 34, title(board), {"font-size": "17", "font-weight": "bold"})
    _legend(svg)
    bottom = height - 56
    scale = _scale(board)
    _ticks(svg, scale, bottom)
    for number, row in enumerate(board.rows):
        _bar(svg, _TOP + number * _ROW, row.title_fa, row.card, (_RIGHT - _LEFT) / scale)
    if (left_out := gap(board)) is not None:
        _text(svg, _WIDTH - _EDGE, height - 14, left_out, {"fill": _WARNING})
    ET.indent(svg)
    return f"{ET.tostring(svg, encoding='unicode')}\n".encode()


def _bar(svg: ET.Element, top: float, label: str, card: Scorecard, pixels: float) -> None:
    group = ET.SubElement(svg, "g")
    ET.SubElement(group, "title").text = _told(label, card)
    shown = label if len(label) <= _LETTERS else label[: _LETTERS - 1] + "…"
    _text(group, _WIDTH - _EDGE, top + 15, shown)
    right = float(_RIGHT)
    for share in _SHARES:
        count = share.value(card)
        if count <= 0:
            continue
        width, figure = count * pixels, persian_digits(count)
        _rect(group, right - width, top, width, _BAR, share.colour, {"stroke": "#ffffff"})
        if width >= _NARROW * (len(figure) + 1):
            middle = {"text-anchor": "middle", "font-size": "12"}
            _text(group, right - width / 2, top + 15, figure, middle)
        right -= width
    _text(group, right - 6, top + 15, persian_digits(card.total), {"font-weight": "bold"})


def _legend(svg: ET.Element) -> None:
    right = _WIDTH - _EDGE
    for share in _SHARES:
        _rect(svg, right - 14, 58, 14, 14, share.colour)
        _text(svg, right - 20, 70, share.title)
        right -= 34 + 8 * len(share.title)


def _ticks(svg: ET.Element, scale: int, bottom: float) -> None:
    pixels = (_RIGHT - _LEFT) / scale
    for value in _steps(scale):
        x = _RIGHT - value * pixels
        line = {"x1": _px(x), "x2": _px(x), "y1": _px(_TOP - 8), "y2": _px(bottom)}
        ET.SubElement(svg, "line", {**line, "stroke": _FAINT})
        faint = {"text-anchor": "middle", "font-size": "11"}
        _text(svg, x, bottom + 16, persian_digits(value), faint)


def _scale(board: Board) -> int:
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


def _text(
    parent: ET.Element, x: float, y: float, text: str, more: dict[str, str] | None = None
) -> None:
    """Text from right to left: without an anchor of its own it begins at x, on the right.

    Not every renderer knows `direction`, but all know the marks that make a text run so.
    """
    where = {"x": _px(x), "y": _px(y), "text-anchor": "end"}
    ET.SubElement(parent, "text", {**where, **(more or {})}).text = f"{_RLM}{text}{_RLM}"


def _rect(
    parent: ET.Element,
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str,
    more: dict[str, str] | None = None,
) -> None:
    where = {"x": _px(x), "y": _px(y), "width": _px(width), "height": _px(height), "fill": fill}
    ET.SubElement(parent, "rect", {**where, **(more or {})})


def _px(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
