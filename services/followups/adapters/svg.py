"""Drawing as SVG 1.1: text from right to left, and nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

MEDIA_TYPE: Final = "image/svg+xml"

INK: Final = "#1a1a1a"
FAINT: Final = "#d9d9d9"
_LRE: Final = "\u202a"  # left-to-right embedding, until
_RLE: Final = "\u202b"  # right-to-left embedding, until
_PDF: Final = "\u202c"  # pop directional formatting (Unicode, UAX 9)


def picture(width: int, height: int, title: str, description: str) -> ET.Element:
    """An empty picture with what those hear who do not see it (W3C, SVG-AAM)."""
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width} {height}",
            "width": str(width),
            "height": str(height),
            "role": "img",
            "aria-labelledby": "title desc",
            "{http://www.w3.org/XML/1998/namespace}lang": "fa",
            "font-family": "Vazirmatn, Tahoma, 'DejaVu Sans', sans-serif",
            "font-size": "13",
            "fill": INK,
        },
    )
    ET.SubElement(svg, "title", {"id": "title"}).text = title
    ET.SubElement(svg, "desc", {"id": "desc"}).text = description
    rect(svg, 0, 0, width, height, "#ffffff")
    return svg


def written(svg: ET.Element) -> bytes:
    """The picture as a file."""
    ET.indent(svg)
    return f"{ET.tostring(svg, encoding='unicode')}\n".encode()


def text(
    parent: ET.Element, x: float, y: float, text: str, more: Mapping[str, str] | None = None
) -> None:
    """Text from right to left: without an anchor of its own it begins at x, on the right.

    Not every renderer knows `direction`, but all know the characters that make a text run so.
    """
    where = {"x": px(x), "y": px(y), "text-anchor": "end"}
    ET.SubElement(parent, "text", {**where, **(more or {})}).text = f"{_RLE}{text}{_PDF}"


def short(label: str, letters: int) -> str:
    """As much of a label as there is room for."""
    return label if len(label) <= letters else label[: letters - 1] + "…"


def id_(text: str) -> str:
    """An id among words that run from right to left: it keeps its own order."""
    return f"{_LRE}{text}{_PDF}"


def rect(
    parent: ET.Element,
    x: float,
    y: float,
    width: float,
    height: float,
    fill: str,
    more: Mapping[str, str] | None = None,
) -> ET.Element:
    """A filled rectangle with its upper left corner at x and y."""
    where = {"x": px(x), "y": px(y), "width": px(width), "height": px(height), "fill": fill}
    return ET.SubElement(parent, "rect", {**where, **(more or {})})


def line(
    parent: ET.Element,
    start: tuple[float, float],
    end: tuple[float, float],
    stroke: str,
    more: Mapping[str, str] | None = None,
) -> None:
    """A line from one point to another."""
    (x1, y1), (x2, y2) = start, end
    where = {"x1": px(x1), "y1": px(y1), "x2": px(x2), "y2": px(y2), "stroke": stroke}
    ET.SubElement(parent, "line", {**where, **(more or {})})


def px(value: float) -> str:
    """A length with two places at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
