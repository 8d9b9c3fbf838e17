"""Workbooks of plain XML, so that a test can contain what no library writes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Final, TypeAlias
from xml.sax.saxutils import escape

from services.followups.adapters.bulk_sheet import TITLES
from services.followups.domain.bulk import Column
from tests.unit.followups.sheets import PLACES

OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006"
MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT: Final = {  # ISO 29500 part 1, annex A: the strict names of the same
    f"{OFFICE}/": "http://purl.oclc.org/ooxml/officeDocument/",
    MAIN: "http://purl.oclc.org/ooxml/spreadsheetml/main",
}
PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
SHEET: Final = "xl/worksheets/sheet1.xml"
HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

Parts: TypeAlias = dict[str, bytes]
Cells: TypeAlias = Mapping[Column, tuple[str, str]]  # its attributes and its content

PERCENT, DAY, TIME, RIAL, DAY_AND_TIME = 1, 2, 3, 4, 5
STYLES: Final = (
    f'<styleSheet xmlns="{MAIN}"><numFmts count="2">'
    '<numFmt numFmtId="164" formatCode="[$-3000429]#,##0\\ &quot;ریال&quot;"/>'
    '<numFmt numFmtId="165" formatCode="[$-fa-IR,96]yyyy/mm/dd\\ hh:mm;@"/></numFmts>'
    "<fills><fill/></fills>"
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="9"/><xf numFmtId="14"/><xf numFmtId="20"/>'
    '<xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>'
)


def inline(text: str) -> tuple[str, str]:
    """A text that is stored in its cell."""
    return 't="inlineStr"', f"<is><t>{escape(text)}</t></is>"


def number(value: object, style: int = 0) -> tuple[str, str]:
    """A number in one of the styles."""
    return f's="{style}"', f"<v>{value}</v>"


def row(number: int, cells: Cells) -> str:
    """A row of a sheet."""
    elements = (
        f'<c r="{_letter(column)}{number}" {attributes}>{inner}</c>'
        for column, (attributes, inner) in sorted(cells.items(), key=lambda c: PLACES[c[0]])
    )
    return f'<row r="{number}">{"".join(elements)}</row>'


def rows(cells: Cells) -> str:
    """The row of titles, and one follow-up with these cells."""
    titles = {column: inline(title) for column, title in TITLES.items()}
    usual = {Column.FOLLOWUP_ID: inline("f-1"), Column.VERSION: number(3)}
    return row(1, titles) + row(2, {**usual, **cells})


def parts(
    data: str,
    *,
    after: str = "",
    styles: str = STYLES,
    strings: str = "",
    properties: str = "",
    is_strict: bool = False,
) -> Parts:
    """The parts of a workbook with these rows; `after` is the XML after them in their sheet."""
    relation = f"{OFFICE}/relationships"
    texts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"/>',
        "_rels/.rels": relationships({"rId1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{relation}">{properties}'
        '<sheets><sheet name="برگه" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relationships(
            {
                "rId1": ("worksheet", "worksheets/sheet1.xml"),
                "rId2": ("styles", "styles.xml"),
                "rId3": ("sharedStrings", "sharedStrings.xml"),
            }
        ),
        "xl/styles.xml": styles,
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{strings}</sst>',
        SHEET: f'<worksheet xmlns="{MAIN}"><sheetData>{data}</sheetData>{after}</worksheet>',
    }
    for name, strict in STRICT.items() if is_strict else ():
        texts = {part: xml.replace(name, strict) for part, xml in texts.items()}
    return {name: (HEAD + xml).encode() for name, xml in texts.items()}


def relationships(targets: Mapping[str, tuple[str, str]]) -> str:
    """The relationships of a part: kind and target by id."""
    elements = (
        f'<Relationship Id="{id_}" Type="{OFFICE}/relationships/{kind}" Target="{target}"/>'
        for id_, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{"".join(elements)}</Relationships>'


def packed(parts: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The parts packed into a file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return out.getvalue()


def _letter(column: Column) -> str:
    return chr(ord("A") + PLACES[column] - 1)
