"""Files that are refused: other formats, impossible rows, and parts that are unsafe to read."""

from __future__ import annotations

import struct
import zipfile
from typing import Final

import pytest

from services.followups.adapters.persian import CATALOGUE
from tests.sheets.raw import SHEET, packed, parts
from tests.sheets.test_packages import BOOK, DATA, READ, RELATIONS, STRINGS, WHOLE
from tests.unit.followups.sheets import edits_here, is_no_sheet

# -- other kinds of files -----------------------------------------------------------------------

_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1_000)
_WEB: Final = b"<html xmlns:o='urn:schemas-microsoft-com:office:office'><table><tr><td>1</table>"
_ODS: Final = {
    "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
    "content.xml": b"<x/>",
}


@pytest.mark.parametrize(
    ("content", "advice"),
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
def test_a_file_of_another_format_is_refused_with_advice(content: bytes, advice: str) -> None:
    refusal = is_no_sheet(content)
    assert advice in refusal
    assert ".xlsx" in refusal
    assert (refusal in CATALOGUE.sentences) is (advice != "it is no workbook"), "in Persian, too"


def test_a_zip_with_a_password_is_refused() -> None:
    content = bytearray(packed(WHOLE))
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        found = content.find(sign)
        while found >= 0:
            struct.pack_into("<H", content, found + place, 1)
            found = content.find(sign, found + 4)
    assert "without one" in is_no_sheet(bytes(content))


# -- rows and parts -----------------------------------------------------------------------------


def test_formats_down_to_the_last_row_do_no_harm() -> None:
    far = '<row r="1048575" s="1" customFormat="1"/><row r="1048576"><c r="A1048576" s="1"/></row>'
    many = "".join(f'<row r="{n}"><c r="XFD{n}" s="1"/></row>' for n in range(3, 60_000))
    file = packed(parts(DATA + many + far, strings=STRINGS))
    assert edits_here(file) == READ


def test_an_impossible_row_is_refused() -> None:
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
    misplaced = '<row r="3"><c r="A4"><v>1</v></c></row>'
    assert "stands in row 3" in is_no_sheet(packed(parts(DATA + misplaced, strings=STRINGS)))


@pytest.mark.parametrize(
    "name", [SHEET, BOOK, RELATIONS, "_rels/.rels", "xl/styles.xml", "xl/sharedStrings.xml"]
)
@pytest.mark.parametrize(
    "doctype",
    ['<!DOCTYPE x [<!ENTITY a "ha">]>', '<!DOCTYPE x SYSTEM "file:///etc/passwd">', "<!DOCTYPE x>"],
)
def test_no_part_may_define_entities(name: str, doctype: str) -> None:
    file = {**WHOLE, name: WHOLE[name].replace(b"?>\n", f"?>\n{doctype}".encode())}
    assert "document type" in is_no_sheet(packed(file))
