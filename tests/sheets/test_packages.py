"""Workbooks are read however a program puts them together."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import IO, Final

import pytest

from services.followups.domain.bulk import Column, Edit
from tests.sheets.raw import (
    MAIN,
    OFFICE,
    PACKAGE,
    PERCENT,
    SHEET,
    STYLES,
    Parts,
    inline,
    number,
    packed,
    parts,
    relationships,
    rows,
)
from tests.unit.followups.sheets import edits_here, is_no_sheet

CELLS: Final = {
    Column.PROGRESS: number("0.5", PERCENT),
    Column.NOTE: ('t="s"', "<v>0</v>"),
    Column.DONE: inline("بله"),
}
DATA: Final = rows(CELLS)
STRINGS: Final = "<si><t>یادداشت</t></si>"
WHOLE: Final = parts(DATA, strings=STRINGS)
READ: Final = [Edit(2, "f-1", 3, 50, "یادداشت", claims=True)]
BOOK, RELATIONS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"


def renamed(names: Mapping[str, str]) -> Parts:
    return {names.get(name, name): content for name, content in WHOLE.items()}


def replaced(name: str, *changes: tuple[str, str]) -> Parts:
    xml = WHOLE[name].decode()
    for before, after in changes:
        assert before in xml
        xml = xml.replace(before, after)
    return {**WHOLE, name: xml.encode()}


def without(*names: str) -> Parts:
    return {name: content for name, content in WHOLE.items() if name not in names}


# -- XML ----------------------------------------------------------------------------------------


def prefixed(part: bytes) -> bytes:
    """The part as the Open XML SDK writes it: every element with the prefix x."""
    xml = part.decode().replace(f'xmlns="{MAIN}"', f'xmlns:x="{MAIN}"')
    head, _, body = xml.partition("?>")
    return (
        head + "?>" + body.replace("</", "\0").replace("<", "<x:").replace("\0", "</x:")
    ).encode()


def in_encoding(part: bytes, name: str, codec: str) -> bytes:
    return part.decode().replace('encoding="UTF-8"', f'encoding="{name}"').encode(codec)


@pytest.mark.parametrize(
    "file",
    [
        WHOLE,
        parts(DATA, strings=STRINGS, is_strict=True),
        {n: c if n.endswith("rels") else prefixed(c) for n, c in WHOLE.items()},
        {n: b"\xef\xbb\xbf" + c for n, c in WHOLE.items()},
        {n: in_encoding(c, "UTF-16", "utf-16") for n, c in WHOLE.items()},
        {n: in_encoding(c, "utf-16", "utf-16") for n, c in WHOLE.items()},
        {n: in_encoding(c, "ISO-8859-1", "ascii") for n, c in WHOLE.items() if c.isascii()}
        | {n: c for n, c in WHOLE.items() if not c.isascii()},
        {n: c.partition(b"?>\n")[2] for n, c in WHOLE.items()},
        {n: c.replace(f' xmlns="{MAIN}"'.encode(), b"") for n, c in WHOLE.items()},
        {n: c.replace(b"><", b">\r\n\t<") for n, c in WHOLE.items()},
        {
            n: c.replace(b"?>\n", b"?>\n<!-- a program wrote this --><?by one?>")
            for n, c in WHOLE.items()
        },
    ],
    ids=[
        *("plain", "strict", "prefixes", "marks", "UTF-16", "utf-16", "ISO-8859-1", "undeclared"),
        *("no namespace", "white space", "comments"),
    ],
)
def test_parts_are_read_however_their_xml_is_written(file: Parts) -> None:
    assert edits_here(packed(file)) == READ


def test_cells_and_rows_that_do_not_say_where_they_are_follow_each_other() -> None:
    file = parts(rows({Column.PROGRESS: number(40)}))
    content = file[SHEET].decode()
    place = content.index('<row r="2">')
    bare = content[place:].replace('<row r="2">', "<row>")
    for column in "ABM":
        bare = bare.replace(f' r="{column}2"', "")
    bare = bare.replace("<v>40</v>", "").replace('<c s="0"></c>', "<c/>" * 10 + "<c><v>40</v></c>")
    assert [
        e.progress for e in edits_here(packed({**file, SHEET: (content[:place] + bare).encode()}))
    ] == [40]


def test_a_sheet_may_have_a_wrong_size_or_none() -> None:
    for size in ("A1", "A1:XFD1048576", "B7", "nonsense"):
        change = ("<sheetData>", f'<dimension ref="{size}"/><sheetData>')
        assert edits_here(packed(replaced(SHEET, change))) == READ


@pytest.mark.parametrize(
    "styles",
    [
        f'<styleSheet xmlns="{MAIN}"><cellXfs><xf/><xf numFmtId="9"/></cellXfs></styleSheet>',
        STYLES.replace("<fill/>", "<fill><patternFill patternType='none?'/></fill><fill/>"),
        STYLES.replace(
            "<fills>", '<fonts><font><color rgb="red"/><sz val="x"/></font></fonts><fills>'
        ),
        STYLES.replace('"9"', '"170"').replace(
            "</numFmts>", '<numFmt numFmtId="170" formatCode="0.0%;[Red]\\-0.0%"/></numFmts>'
        ),
        STYLES.replace(
            "</cellXfs>", "</cellXfs><dxfs><dxf><fill/></dxf></dxfs><extLst><ext/></extLst>"
        ),
        STYLES.replace("<cellXfs>", '<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs>'),
    ],
)
def test_colours_and_fonts_are_ignored(styles: str) -> None:
    assert edits_here(packed(parts(DATA, strings=STRINGS, styles=styles))) == READ


def test_other_parts_of_a_file_are_ignored() -> None:
    broken = b"<broken"
    names = (
        *("docProps/core.xml", "docProps/app.xml", "docProps/custom.xml", "xl/theme/theme1.xml"),
        *("xl/vbaProject.bin", "xl/calcChain.xml", "xl/externalLinks/externalLink1.xml"),
        *(
            "xl/comments1.xml",
            "xl/drawings/vmlDrawing1.vml",
            "xl/pivotCache/p.xml",
            "customXml/i.xml",
        ),
    )
    assert edits_here(packed({**WHOLE, **dict.fromkeys(names, broken)})) == READ
    below = (
        '<sheetProtection sheet="1"/><autoFilter ref="A1:O2"><filterColumn colId="0">'
        '<customFilters><customFilter val="" operator="?"/></customFilters></filterColumn>'
        "</autoFilter>"
        '<conditionalFormatting sqref="A1"><cfRule type="?"/></conditionalFormatting>'
        '<dataValidations count="9"><dataValidation sqref="?"><formula1>"a,b"</formula1>'
        "</dataValidation></dataValidations><extLst><ext><v>1</v></ext></extLst>"
    )
    assert edits_here(packed(parts(DATA, strings=STRINGS, after=below))) == READ


def test_hidden_rows_and_columns_are_read() -> None:
    hidden = (
        ('<row r="2"', '<row r="2" hidden="1"'),
        ("<sheetData>", '<cols><col min="1" max="14" hidden="1"/></cols><sheetData>'),
    )
    assert edits_here(packed(replaced(SHEET, *hidden))) == READ


# -- the file -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [
        replaced(RELATIONS, ("worksheets/sheet1", "/xl/worksheets/sheet1")),
        replaced(RELATIONS, ("worksheets/sheet1", "./worksheets/../worksheets/sheet1")),
        replaced(RELATIONS, ("worksheets/sheet1", "worksheets\\sheet1")),
        replaced(RELATIONS, ("sharedStrings.xml", "/xl/SharedStrings.xml")),
        replaced("_rels/.rels", ("xl/workbook.xml", "/xl/workbook.xml")),
        renamed({name: name.replace("/", "\\") for name in WHOLE}),
        renamed({name: name.upper() for name in WHOLE}),
        renamed({name: f"/{name}" for name in WHOLE}),
        {"xl/": b"", "xl/worksheets/": b"", **WHOLE},
        without("_rels/.rels"),
        without("[Content_Types].xml"),
        {
            **replaced(RELATIONS, ("sheet1.xml", "my%20sheet.xml")),
            "xl/worksheets/my sheet.xml": WHOLE[SHEET],
        },
        {
            **replaced("_rels/.rels", ("xl/workbook.xml", "xl/workbook2.xml")),
            "xl/workbook2.xml": WHOLE[BOOK],
            "xl/_rels/workbook2.xml.rels": WHOLE[RELATIONS],
        },
    ],
)
def test_parts_are_found_wherever_a_program_puts_them(file: Parts) -> None:
    assert edits_here(packed(file)) == READ


def test_a_file_without_styles_and_shared_texts_is_read() -> None:
    cells = {Column.PROGRESS: number(40, PERCENT), Column.NOTE: inline("x")}
    for relations in (
        WHOLE[RELATIONS],
        relationships({"rId1": ("worksheet", "worksheets/sheet1.xml")}).encode(),
    ):
        file = {**parts(rows(cells)), RELATIONS: relations}
        if b"styles" not in relations:
            del file["xl/styles.xml"], file["xl/sharedStrings.xml"]
            assert [e.progress for e in edits_here(packed(file))] == [40]


class _Unseekable(io.RawIOBase):
    """A stream that cannot go back, so that the sizes are written after the parts."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        return self._out.write(bytes(data))  # type: ignore[call-overload]


def test_files_are_read_however_they_are_packed() -> None:
    assert edits_here(packed(WHOLE, zipfile.ZIP_STORED)) == READ
    out = io.BytesIO()
    with zipfile.ZipFile(_Unseekable(out), "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in WHOLE.items():
            file.writestr(name, content)
    assert b"PK\x07\x08" in out.getvalue(), "the sizes come after the parts"
    assert edits_here(out.getvalue()) == READ
    assert edits_here(b"\r\n" + packed(WHOLE)) == READ
    assert edits_here(packed(WHOLE) + b"\x00" * 20) == READ
    with zipfile.ZipFile(out := io.BytesIO(packed(WHOLE)), "a") as file:
        file.comment = b"saved by a program"
    assert edits_here(out.getvalue()) == READ
    assert "unusual way" in is_no_sheet(packed(WHOLE, zipfile.ZIP_LZMA))


# -- sheets -------------------------------------------------------------------------------------


def of_sheets(*sheets: tuple[str, str, str]) -> bytes:
    """A workbook with these sheets: name, state and rows of each."""
    elements = "".join(
        f'<sheet name="{name}" sheetId="{n}" state="{state}" r:id="rId{n}"/>'
        for n, (name, state, _) in enumerate(sheets, 1)
    )
    names = f'xmlns="{MAIN}" xmlns:r="{OFFICE}/relationships"'
    book = f"<workbook {names}><sheets>{elements}</sheets></workbook>"
    targets = {f"rId{n}": ("worksheet", f"worksheets/s{n}.xml") for n in range(1, len(sheets) + 1)}
    contents = {
        f"xl/worksheets/s{n}.xml": (
            f'<worksheet xmlns="{MAIN}"><sheetData>{data}</sheetData></worksheet>'.encode()
        )
        for n, (_, _, data) in enumerate(sheets, 1)
    }
    return packed(
        {**WHOLE, BOOK: book.encode(), RELATIONS: relationships(targets).encode(), **contents}
    )


def forty() -> str:
    return rows({Column.PROGRESS: number(40)})


OTHER: Final = '<row r="1"><c r="A1"><v>1</v></c></row>'


@pytest.mark.parametrize(
    "sheets",
    [
        [("برگه", "visible", forty()), ("یادداشت", "visible", OTHER)],
        [("خلاصه", "visible", OTHER), ("x", "visible", ""), ("هر نامی", "visible", forty())],
        [("old", "hidden", rows({})), ("new", "visible", forty())],
        [("old", "veryHidden", OTHER), ("new", "hidden", forty())],
    ],
)
def test_the_sheet_is_found_by_its_titles(sheets: list[tuple[str, str, str]]) -> None:
    assert [edit.progress for edit in edits_here(of_sheets(*sheets))] == [40]


def test_two_sheets_with_the_titles_are_refused() -> None:
    refusal = is_no_sheet(of_sheets(("یک", "visible", forty()), ("دو", "visible", rows({}))))
    assert "«یک», «دو»" in refusal
    assert "leave the one that counts" in refusal


def test_a_chart_is_not_a_sheet_of_cells() -> None:
    chart = relationships({"rId1": ("chartsheet", "chartsheets/sheet1.xml")}).encode()
    assert "no sheet of cells" in is_no_sheet(packed({**WHOLE, RELATIONS: chart}))


def test_a_workbook_with_macros_is_read() -> None:
    types = (
        f'<Types xmlns="{PACKAGE}/content-types"><Override PartName="/xl/workbook.xml" ContentType='
    )
    types += '"application/vnd.ms-excel.sheet.macroEnabled.main+xml"/></Types>'
    file = {**WHOLE, "[Content_Types].xml": types.encode(), "xl/vbaProject.bin": b"\xcc\x61"}
    assert edits_here(packed(file)) == READ
