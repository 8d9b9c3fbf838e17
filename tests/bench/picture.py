"""Rounds of a benchmark as a picture: a dot a round, a stroke where the median is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from services.followups.adapters.svg import FAINT, line, px, written

_WIDTH: Final = 860
_LEFT: Final = 290  # where 0 is; names stand before it
_RIGHT: Final = 820
_ROW: Final = 34
_TOP: Final = 64
_COLOURS: Final = ("#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#009e73")  # Okabe and Ito


def dots(title: str, unit: str, rounds: Sequence[Mapping[str, float]]) -> bytes:
    """Draw the figures of each side, round by round, from 0 on, as SVG 1.1."""
    names = list(rounds[0])
    bottom = _TOP + _ROW * len(names)
    most = _round(max(figures[name] for figures in rounds for name in names))
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {bottom + 40}",
            "width": str(_WIDTH),
            "height": str(bottom + 40),
            "role": "img",
            "font-family": "'DejaVu Sans', sans-serif",
            "font-size": "12",
        },
    )
    ET.SubElement(svg, "title").text = title
    ET.SubElement(svg, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    _text(svg, 20, 30, title, "start", {"font-size": "15", "font-weight": "bold"})
    for share in range(5):
        x = _LEFT + (_RIGHT - _LEFT) * share / 4
        line(svg, (x, _TOP - 10), (x, bottom), FAINT)
        _text(svg, x, bottom + 20, f"{most * share / 4:,.0f}", "middle")
    _text(svg, 20, bottom + 20, unit, "start")
    for row, name in enumerate(names):
        y, colour = _TOP + _ROW * row + 12, _COLOURS[row % len(_COLOURS)]
        _text(svg, 20, y + 4, name, "start")
        figures = [figures[name] for figures in rounds]
        for figure in figures:
            circle = {"cx": px(_x(figure, most)), "cy": f"{y}", "r": "5", "fill": colour}
            ET.SubElement(svg, "circle", {**circle, "fill-opacity": "0.6"})
        middle = _x(statistics.median(figures), most)
        line(svg, (middle, y - 11), (middle, y + 11), colour, {"stroke-width": "3"})
    return written(svg)


def _round(most: float) -> float:
    """The next figure whose quarters are read easily."""
    power = 10.0 ** (math.ceil(math.log10(most)) - 1)
    return next(power * factor for factor in (1, 1.2, 2, 4, 6, 8, 10) if most <= power * factor)


def _x(figure: float, most: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * figure / most


def _text(
    svg: ET.Element,
    x: float,
    y: float,
    told: str,
    anchor: str,
    more: Mapping[str, str] | None = None,
) -> None:
    where = {"x": f"{x:g}", "y": f"{y:g}", "text-anchor": anchor}
    ET.SubElement(svg, "text", {**where, **(more or {})}).text = told
