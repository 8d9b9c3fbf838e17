"""Recognises files that are not Office Open XML workbooks, and says how to get one from them."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Mapping
from typing import BinaryIO, Final

SAVE: Final = "open it in a spreadsheet program and save it as .xlsx: File > Save As > .xlsx"

EMPTY: Final = "it is empty; send the .xlsx as the body of the request"
LOCKED: Final = (
    "it has a password; open it, remove the password (File > Info > Protect Workbook > Encrypt "
    "with Password), and save it as .xlsx"
)
OLD: Final = f"it is an old workbook (.xls); {SAVE}"
BINARY: Final = f"it is a binary workbook (.xlsb); {SAVE}"
XML_2003: Final = f"it is an XML Spreadsheet 2003; {SAVE}"
OPEN: Final = f"it is an OpenDocument file (.ods); {SAVE}"
FLAT_OPEN: Final = f"it is an OpenDocument file (.fods); {SAVE}"
WEB: Final = f"it is a web page, whatever its name says; {SAVE}"
WEB_ARCHIVE: Final = f"it is a web archive; {SAVE}"
TEXT: Final = f"it is text, such as .csv; {SAVE}"
NUMBERS: Final = "it is of Numbers; there: File > Export To > Excel, and send that .xlsx"
FORM: Final = "it is a form; send the .xlsx itself as the body of the request"
PACKED: Final = "it is packed; send the .xlsx itself"
PDF: Final = "it is a PDF; send the spreadsheet that it was made of, as .xlsx"
DOCUMENT: Final = "it is a text document; send the spreadsheet as .xlsx"
SLIDES: Final = "it is a presentation; send the spreadsheet as .xlsx"
UNKNOWN: Final = f"it is no .xlsx; if it is a spreadsheet, {SAVE}"

_BEGINNING_BYTES: Final = 4_096

_OLE: Final = b"\xd0\xcf\x11\xe0"  # compound files, [MS-CFB]
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")  # its stream, [MS-OFFCRYPTO] 2.3.4

_BEGINNINGS: Final[Mapping[bytes, str]] = {
    b"%PDF": PDF,
    b"MIME-Version:": WEB_ARCHIVE,
    b"{\\rtf": DOCUMENT,
    **dict.fromkeys((b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf"), PACKED),
}
_MARKERS: Final[Mapping[bytes, str]] = {  # anywhere in the beginning, in lower case
    b"form-data;": FORM,
    b"urn:schemas-microsoft-com:office:spreadsheet": XML_2003,
    b"urn:oasis:names:tc:opendocument": FLAT_OPEN,
    **dict.fromkeys((b"<html", b"<table", b"<!doctype html"), WEB),
}
_PARTS: Final[Mapping[str, str]] = {  # of other zip files
    "xl/workbook.bin": BINARY,
    "word/document.xml": DOCUMENT,
    "ppt/presentation.xml": SLIDES,
    **dict.fromkeys(("index/document.iwa", "index.zip"), NUMBERS),
    "content.xml": OPEN,
}
_TEXT: Final = re.compile(rb"[^\x00-\x08\x0e-\x1a\x1c-\x1f]+")


def advice_by_beginning(file: BinaryIO) -> str | None:
    """Say what a file is that is not a zip, and what to do; None if it may be one."""
    file.seek(0)
    beginning = file.read(_BEGINNING_BYTES)
    if not beginning:
        return EMPTY
    if beginning.startswith(_OLE):
        return LOCKED if _ENCRYPTED in beginning + file.read() else OLD
    before, zip_begins, _ = beginning.partition(b"PK\x03\x04")
    plain = _in_utf_8(before).lower()
    for start, advice in _BEGINNINGS.items():
        if before.startswith(start):
            return advice
    for marker, advice in _MARKERS.items():
        if marker in plain:
            return advice
    if zip_begins:
        return None
    return TEXT if _TEXT.fullmatch(plain) else UNKNOWN


def _in_utf_8(beginning: bytes) -> bytes:
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return beginning.decode("utf-16", "ignore").encode()
    return beginning


def advice_by_parts(names: Collection[str]) -> str | None:
    """The same for a zip, by the names of its parts in lower case; None if it may be a workbook."""
    for name, advice in _PARTS.items():
        if name in names:
            return advice
    if any(name.endswith((".xlsx", ".xlsm")) for name in names):
        return PACKED
    return None
