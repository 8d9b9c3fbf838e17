"""Files that are no Office Open XML workbook: what they are, and what to do about it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Mapping
from typing import BinaryIO, Final

_SAVE: Final = "open it in a spreadsheet program and save it as .xlsx: File > Save As > .xlsx"

_LOOKED_AT: Final = 4_096  # bytes of the beginning

_OLE: Final = b"\xd0\xcf\x11\xe0"  # compound files, [MS-CFB]
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")  # its stream, [MS-OFFCRYPTO] 2.3.4

_BEGINNINGS: Final[Mapping[bytes, str]] = {
    b"%PDF": "it is a PDF; send the spreadsheet that it was made of, as .xlsx",
    b"MIME-Version:": f"it is a web archive; {_SAVE}",
    b"{\\rtf": "it is a text document; send the spreadsheet as .xlsx",
    b"\x1f\x8b": "it is packed with gzip; send the .xlsx itself",
    b"Rar!": "it is packed; send the .xlsx itself",
    b"7z\xbc\xaf": "it is packed; send the .xlsx itself",
}
_MARKED: Final[Mapping[bytes, str]] = {  # somewhere in the beginning, in small letters
    b"form-data;": "it is a form; send the .xlsx itself as the body of the request",
    b"urn:schemas-microsoft-com:office:spreadsheet": f"it is an XML Spreadsheet 2003; {_SAVE}",
    b"urn:oasis:names:tc:opendocument": f"it is an OpenDocument file (.fods); {_SAVE}",
    b"<html": f"it is a web page, whatever its name says; {_SAVE}",
    b"<table": f"it is a web page, whatever its name says; {_SAVE}",
    b"<!doctype html": f"it is a web page, whatever its name says; {_SAVE}",
}
_PARTS: Final[Mapping[str, str]] = {  # of what is packed in the same way
    "xl/workbook.bin": f"it is a binary workbook (.xlsb); {_SAVE}",
    "word/document.xml": "it is a text document; send the spreadsheet as .xlsx",
    "ppt/presentation.xml": "it is a presentation; send the spreadsheet as .xlsx",
    "index/document.iwa": "it is of Numbers; there: File > Export To > Excel, and send that .xlsx",
    "index.zip": "it is of Numbers; there: File > Export To > Excel, and send that .xlsx",
    "content.xml": f"it is an OpenDocument file (.ods); {_SAVE}",
}
_TEXT: Final = re.compile(rb"[^\x00-\x08\x0e-\x1a\x1c-\x1f]+")


def told_by_beginning(file: BinaryIO) -> str | None:
    """What a file is that is no zip, and what to do; None where it may be one."""
    file.seek(0)
    beginning = file.read(_LOOKED_AT)
    if not beginning:
        return "it is empty; send the .xlsx as the body of the request"
    if beginning.startswith(_OLE):
        if _ENCRYPTED in beginning + file.read():
            return (
                "it has a password; open it, remove the password (File > Info > Protect Workbook "
                "> Encrypt with Password), and save it as .xlsx"
            )
        return f"it is an old workbook (.xls); {_SAVE}"
    before, zip_begins, _ = beginning.partition(b"PK\x03\x04")
    plain = _in_utf_8(before).lower()
    for start, told in _BEGINNINGS.items():
        if before.startswith(start):
            return told
    for mark, told in _MARKED.items():
        if mark in plain:
            return told
    if zip_begins:
        return None
    if _TEXT.fullmatch(plain):
        return f"it is text, such as .csv; {_SAVE}"
    return f"it is no .xlsx; if it is a spreadsheet, {_SAVE}"


def _in_utf_8(beginning: bytes) -> bytes:
    if beginning.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return beginning.decode("utf-16", "ignore").encode()
    return beginning


def told_by_parts(names: Collection[str]) -> str | None:
    """What a zip of parts of these names (in small letters) is; None where it may be a workbook."""
    for name, told in _PARTS.items():
        if name in names:
            return told
    if any(name.endswith((".xlsx", ".xlsm")) for name in names):
        return "it is a zip with a workbook in it; send the .xlsx itself"
    return None
