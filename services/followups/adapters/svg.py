"""Drawing as SVG 1.1: text from right to left, and nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from shared.runtime.safe_text import FSI, PDI, one_line

MEDIA_TYPE: Final = "image/svg+xml"

INK: Final = "#1a1a1a"
FAINT: Final = "#d9d9d9"
_RLE: Final = "\u202b"  # right-to-left embedding, until
_PDF: Final = "\u202c"  # pop directional formatting (Unicode, UAX 9)
_UNSEEN: Final = frozenset({_RLE, _PDF, FSI, PDI})


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
    """The picture as a file: well-formed XML 1.0, whatever the texts in it hold."""
    for element in svg.iter():
        element.text = element.text and one_line(element.text)
        for name, value in element.attrib.items():
            element.set(name, one_line(value))
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


def letters(label: str) -> int:
    """How many letters of a label take room; marks of direction take none."""
    return sum(character not in _UNSEEN for character in label)


def short(label: str, most: int) -> str:
    """As much of a label as there is room for; a text isolated in it stays so where it is cut."""
    if letters(label) <= most:
        return label
    shown, room = [], most - 1
    for character in label:
        room -= character not in _UNSEEN
        if room < 0:
            break
        shown.append(character)
    return f"{''.join(shown)}…{PDI * (shown.count(FSI) - shown.count(PDI))}"


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
