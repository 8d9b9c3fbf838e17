"""How files are put together by programs, and what is said of files of other kinds."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import IO, Final

import pytest

from services.followups.adapters.persian import CATALOGUE
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
    leads,
    number,
    packed,
    parts,
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
    """As the Open XML SDK writes it: every element with the prefix x."""
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


def test_a_sheet_may_be_wrong_about_its_size_or_tell_none() -> None:
    for told in ("A1", "A1:XFD1048576", "B7", "nonsense"):
        change = ("<sheetData>", f'<dimension ref="{told}"/><sheetData>')
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
def test_what_a_program_says_of_colours_and_fonts_is_passed_over(styles: str) -> None:
    assert edits_here(packed(parts(DATA, strings=STRINGS, styles=styles))) == READ


def test_what_else_stands_in_a_file_is_passed_over() -> None:
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
        leads({"rId1": ("worksheet", "worksheets/sheet1.xml")}).encode(),
    ):
        file = {**parts(rows(cells)), RELATIONS: relations}
        if b"styles" not in relations:
            del file["xl/styles.xml"], file["xl/sharedStrings.xml"]
            assert [e.progress for e in edits_here(packed(file))] == [40]


class _Unseekable(io.RawIOBase):
    """A stream that cannot go back, so that sizes stand behind the parts."""

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
    assert b"PK\x07\x08" in out.getvalue(), "sizes stand behind"
    assert edits_here(out.getvalue()) == READ
    assert edits_here(b"\r\n" + packed(WHOLE)) == READ
    assert edits_here(packed(WHOLE) + b"\x00" * 20) == READ
    with zipfile.ZipFile(out := io.BytesIO(packed(WHOLE)), "a") as file:
        file.comment = b"saved by a program"
    assert edits_here(out.getvalue()) == READ
    assert "unusual way" in is_no_sheet(packed(WHOLE, zipfile.ZIP_LZMA))


# -- sheets -------------------------------------------------------------------------------------


def of_sheets(*sheets: tuple[str, str, str]) -> bytes:
    """A book of sheets, by name, state and rows."""
    told = "".join(
        f'<sheet name="{name}" sheetId="{n}" state="{state}" r:id="rId{n}"/>'
        for n, (name, state, _) in enumerate(sheets, 1)
    )
    names = f'xmlns="{MAIN}" xmlns:r="{OFFICE}/relationships"'
    book = f"<workbook {names}><sheets>{told}</sheets></workbook>"
    targets = {f"rId{n}": ("worksheet", f"worksheets/s{n}.xml") for n in range(1, len(sheets) + 1)}
    contents = {
        f"xl/worksheets/s{n}.xml": (
            f'<worksheet xmlns="{MAIN}"><sheetData>{data}</sheetData></worksheet>'.encode()
        )
        for n, (_, _, data) in enumerate(sheets, 1)
    }
    return packed({**WHOLE, BOOK: book.encode(), RELATIONS: leads(targets).encode(), **contents})


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
def test_the_sheet_is_known_by_its_titles(sheets: list[tuple[str, str, str]]) -> None:
    assert [edit.progress for edit in edits_here(of_sheets(*sheets))] == [40]


def test_which_of_two_sheets_counts_is_for_people_to_say() -> None:
    told = is_no_sheet(of_sheets(("یک", "visible", forty()), ("دو", "visible", rows({}))))
    assert "«یک», «دو»" in told
    assert "leave the one that counts" in told


def test_a_chart_is_no_sheet_of_cells() -> None:
    chart = leads({"rId1": ("chartsheet", "chartsheets/sheet1.xml")}).encode()
    assert "no sheet of cells" in is_no_sheet(packed({**WHOLE, RELATIONS: chart}))


# -- other kinds of files -----------------------------------------------------------------------

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1_000)
_WEB: Final = b"<html xmlns:o='urn:schemas-microsoft-com:office:office'><table><tr><td>1</table>"
_ODS: Final = {
    "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
    "content.xml": b"<x/>",
}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"),
        (_OLE + "Workbook".encode("utf-16-le"), ".xls); open it"),
        (_OLE + "EncryptedPackage".encode("utf-16-le"), "it has a password; open it, remove"),
        (_OLE + bytes(9_000) + "EncryptedPackage".encode("utf-16-le"), "it has a password"),
        (_WEB, "it is a web page"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE html><p>", "it is a web page"),
        (_WEB.decode().encode("utf-16"), "it is a web page"),
        (b"MIME-Version: 1.0\r\nContent-Type: multipart/related", "it is a web archive"),
        (
            b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>'
            b'<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
            "it is an XML Spreadsheet 2003",
        ),
        (b"followup_id,version\nf-1,1\n", "it is text, such as .csv"),
        ("\ufeffشناسه پیگیری;نسخه\n".encode(), "it is text, such as .csv"),
        ("شناسه\tنسخه\n".encode("utf-16"), "it is text, such as .csv"),
        (b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nPK\x03\x04', "it is a form"),
        (b"%PDF-1.7\n", "it is a PDF"),
        (b"\x00\x01\x02\x03", "it is no .xlsx"),
        (packed(_ODS, zipfile.ZIP_STORED), "it is an OpenDocument file (.ods)"),
        (packed({"xl/workbook.bin": b"\x83"}), "it is a binary workbook (.xlsb)"),
        (packed({"word/document.xml": b"<x/>"}), "it is a text document"),
        (packed({"Index/Document.iwa": b"\x00"}), "it is of Numbers"),
        (packed({"پیگیری‌ها.xlsx": packed(WHOLE)}), "it is packed; send the .xlsx itself"),
        (packed({"a.txt": b"x"}), "it is no workbook"),
    ],
)
def test_what_is_no_workbook_says_what_it_is_and_what_to_do(content: bytes, told: str) -> None:
    said = is_no_sheet(content)
    assert told in said
    assert ".xlsx" in said
    assert (said in CATALOGUE.sentences) is (told != "it is no workbook"), "in Persian, too"


def test_a_zip_with_a_password_is_told() -> None:
    content = bytearray(packed(WHOLE))
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        found = content.find(sign)
        while found >= 0:
            struct.pack_into("<H", content, found + place, 1)
            found = content.find(sign, found + 4)
    assert "without one" in is_no_sheet(bytes(content))


def test_a_workbook_with_macros_is_read() -> None:
    types = (
        f'<Types xmlns="{PACKAGE}/content-types"><Override PartName="/xl/workbook.xml" ContentType='
    )
    types += '"application/vnd.ms-excel.sheet.macroEnabled.main+xml"/></Types>'
    file = {**WHOLE, "[Content_Types].xml": types.encode(), "xl/vbaProject.bin": b"\xcc\x61"}
    assert edits_here(packed(file)) == READ


# -- too much -----------------------------------------------------------------------------------


def test_formats_down_to_the_last_row_do_no_harm() -> None:
    far = '<row r="1048575" s="1" customFormat="1"/><row r="1048576"><c r="A1048576" s="1"/></row>'
    many = "".join(f'<row r="{n}"><c r="XFD{n}" s="1"/></row>' for n in range(3, 60_000))
    file = packed(parts(DATA + many + far, strings=STRINGS))
    assert edits_here(file) == READ


def test_a_row_that_cannot_be_is_told() -> None:
    for data in (
        '<row r="1048577"/>',
        '<row r="1"/>',
        '<row r="0"/>',
        '<row r="-1"/>',
        '<row r="x"/>',
    ):
        assert "broken" in is_no_sheet(packed(parts(DATA + data, strings=STRINGS)))
    twice = '<row r="3"><c r="A3"><v>1</v></c><c r="A3"><v>2</v></c></row>'
    assert "twice" in is_no_sheet(packed(parts(DATA + twice, strings=STRINGS)))
    moved_out = '<row r="3"><c r="A4"><v>1</v></c></row>'
    assert "stands in row 3" in is_no_sheet(packed(parts(DATA + moved_out, strings=STRINGS)))


@pytest.mark.parametrize(
    "name", [SHEET, BOOK, RELATIONS, "_rels/.rels", "xl/styles.xml", "xl/sharedStrings.xml"]
)
@pytest.mark.parametrize(
    "doctype",
    ['<!DOCTYPE x [<!ENTITY a "ha">]>', '<!DOCTYPE x SYSTEM "file:///etc/passwd">', "<!DOCTYPE x>"],
)
def test_no_part_brings_entities(name: str, doctype: str) -> None:
    file = {**WHOLE, name: WHOLE[name].replace(b"?>\n", f"?>\n{doctype}".encode())}
    assert "document type" in is_no_sheet(packed(file))
