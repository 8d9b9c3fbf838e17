"""The element and attribute names of SpreadsheetML that are read (ECMA-376 part 1, chapter 18)."""

from __future__ import annotations

from typing import Final

from services.followups.adapters.opc_package import Attributes

_NAMESPACES: Final = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main ",
    "http://purl.oclc.org/ooxml/spreadsheetml/main ",  # ISO 29500 strict
    "",  # some programs leave it out
)
_RELATIONSHIP_IDS: Final = (
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships id",
    "http://purl.oclc.org/ooxml/officeDocument/relationships id",
)
TAGS: Final = {
    f"{namespace}{tag}": tag
    for namespace in _NAMESPACES
    for tag in (
        *("workbookPr", "sheet", "numFmt", "cellXfs", "xf", "si", "is", "t", "rPh"),
        *("row", "c", "v", "f", "mergeCell"),
    )
}
"""Tags without their namespace, by the names that the parser reports."""


def relationship_id(attributes: Attributes) -> str:
    """The id of the relationship that an element names; "" if it names none."""
    return next((attributes[name] for name in _RELATIONSHIP_IDS if name in attributes), "")


def is_true(value: str | None) -> bool:
    """Whether an attribute or a value is a true boolean."""
    return value in {"1", "true", "on"}
