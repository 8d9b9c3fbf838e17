"""Draws SVG 1.1 with text from right to left. The pictures load nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from xml.etree import ElementTree as ET

from shared.runtime.safe_text import FSI, PDI, one_line

MEDIA_TYPE: Final = "image/svg+xml"

INK: Final = "#1a1a1a"
FAINT: Final = "#d9d9d9"
_RLE: Final = "\u202b"  # right-to-left embedding (Unicode, UAX 9)
_PDF: Final = "\u202c"  # pop directional formatting, which ends it
_UNSEEN: Final = frozenset({_RLE, _PDF, FSI, PDI})


def picture(width: int, height: int, title: str, description: str) -> ET.Element:
    """An empty picture, with a title and a description for screen readers (W3C, SVG-AAM)."""
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
    """The picture as a file in UTF-8: well-formed XML 1.0, whatever its texts contain."""
    for element in svg.iter():
        element.text = element.text and one_line(element.text)
        for name, value in element.attrib.items():
            element.set(name, one_line(value))
    ET.indent(svg)
    return f"{ET.tostring(svg, encoding='unicode')}\n".encode()


def text(
    parent: ET.Element, x: float, y: float, text: str, more: Mapping[str, str] | None = None
) -> None:
    """Add text from right to left. It begins at x, on the right, unless `more` sets an anchor.

    Not every renderer supports `direction`, but all support the Unicode control characters.
    """
    attributes = {"x": px(x), "y": px(y), "text-anchor": "end"}
    ET.SubElement(parent, "text", {**attributes, **(more or {})}).text = f"{_RLE}{text}{_PDF}"


def letters(label: str) -> int:
    """How many letters of a label take room; control characters take none."""
    return sum(character not in _UNSEEN for character in label)


def short(label: str, most: int) -> str:
    """The beginning of a label, of at most `most` letters; isolated texts in it stay isolated."""
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
    """Add a filled rectangle with its upper left corner at x and y."""
    attributes = {"x": px(x), "y": px(y), "width": px(width), "height": px(height), "fill": fill}
    return ET.SubElement(parent, "rect", {**attributes, **(more or {})})


def line(
    parent: ET.Element,
    start: tuple[float, float],
    end: tuple[float, float],
    stroke: str,
    more: Mapping[str, str] | None = None,
) -> None:
    """Add a line from one point to another."""
    (x1, y1), (x2, y2) = start, end
    attributes = {"x1": px(x1), "y1": px(y1), "x2": px(x2), "y2": px(y2), "stroke": stroke}
    ET.SubElement(parent, "line", {**attributes, **(more or {})})


def px(value: float) -> str:
    """A length in pixels, with at most two decimal places."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
