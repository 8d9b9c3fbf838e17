"""The parts of an Office Open XML file (ECMA-376 part 2), whichever program packed it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Final, NoReturn, TypeAlias
from urllib.parse import unquote
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from services.followups.adapters.foreign import told_by_beginning, told_by_parts

_MOST_UNPACKED: Final = 400_000_000  # bytes; a million rows that are formatted and empty have less
_MOST_PARTS: Final = 1_000
_MOST_RATIO: Final = 200  # of a part of a megabyte and more; honest ones have 10 to 40
_PIECE: Final = 1 << 16
_ENCRYPTED_FLAG: Final = 0x1
# The standard has the first two; of the others some programs make use.
_ENCODING: Final = re.compile(
    r"utf-(8|16(le|be)?)|(us-)?ascii|iso-8859-\d{1,2}|windows-125\d", re.IGNORECASE
)

Attributes: TypeAlias = Mapping[str, str]
Start: TypeAlias = Callable[[str, Attributes], None]
End: TypeAlias = Callable[[str], None]
Text: TypeAlias = Callable[[str], None]


class Refused(Exception):
    """Why a file is not read, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Relationship:
    """What a part leads to."""

    kind: str  # the last word of its type, which transitional and strict files have in common
    target: str


class Package:
    """A file that is open."""

    def __init__(self, file: BinaryIO) -> None:
        """Look at what it says of its sizes, and whether it is true. Raises Refused.

        Names differ between programs in their case and their slashes.
        """
        if (told := told_by_beginning(file)) is not None:
            raise Refused(told)
        self._packed = ZipFile(file)
        parts = [part for part in self._packed.infolist() if not part.is_dir()]
        self._parts = {_name(part.filename): part for part in parts}
        if (told := told_by_parts(self._parts)) is not None:
            raise Refused(told)
        self._require_sizes(parts)

    def __contains__(self, name: str) -> bool:
        return _name(name) in self._parts

    def open(self, name: str) -> IO[bytes]:
        """A part by its name. Raises KeyError where there is none."""
        return self._packed.open(self._parts[_name(name)])

    def relationships(self, name: str) -> Mapping[str, Relationship]:
        """What a part leads to within the file, by id; "" asks for the file's own."""
        folder, base = posixpath.split(name)
        found: dict[str, Relationship] = {}

        def start(tag: str, attributes: Attributes) -> None:
            if not tag.endswith("Relationship") or attributes.get("TargetMode") == "External":
                return
            kind = attributes.get("Type", "").rpartition("/")[2]
            target = posixpath.normpath(posixpath.join("/", folder, _slashed(attributes["Target"])))
            if target not in self and unquote(target) in self:
                target = unquote(target)
            found[attributes.get("Id", "")] = Relationship(kind, target.lstrip("/"))

        place = posixpath.join(folder, "_rels", f"{base}.rels")
        if place in self:
            read(self.open(place), start)
        return found

    def _require_sizes(self, parts: list[ZipInfo]) -> None:
        if len(parts) > _MOST_PARTS:
            raise Refused(f"it has {len(parts)} parts, and {_MOST_PARTS} at most can be")
        if any(part.flag_bits & _ENCRYPTED_FLAG for part in parts):
            raise Refused("it is packed with a password; save it as .xlsx without one")
        if any(part.compress_type not in {ZIP_STORED, ZIP_DEFLATED} for part in parts):
            raise Refused("it is packed in an unusual way; open it and save it as .xlsx again")
        unpacked = sum(part.file_size for part in parts)
        if unpacked > _MOST_UNPACKED or any(map(_is_bomb, parts)):
            raise Refused(
                f"unpacked it has {unpacked} bytes, far more than is in it; delete what is "
                "formatted below and beside the rows, and save it again"
            )
        for part in parts:
            with self._packed.open(part) as content:  # fails where it has another size
                while content.read(_PIECE):
                    pass


def _slashed(name: str) -> str:
    return name.replace("\\", "/")


def _name(name: str) -> str:
    return _slashed(name).lstrip("/").lower()


def _is_bomb(part: ZipInfo) -> bool:
    return part.file_size > 1 << 20 and part.file_size > _MOST_RATIO * max(1, part.compress_size)


# -- XML ----------------------------------------------------------------------------------------


def read(part: IO[bytes], start: Start, end: End | None = None, text: Text | None = None) -> None:
    """Read a part to its end, and close it."""
    for _ in pieces(part, start, end, text):
        pass


def pieces(
    part: IO[bytes], start: Start, end: End | None = None, text: Text | None = None
) -> Iterator[None]:
    """Read a part piece by piece: the functions hear of it, and nothing is kept.

    An element or attribute of a namespace is named `<namespace> <name>`. No part of an Office Open
    XML file has a document type (ECMA-376 part 2, 8.1.4), so none can bring entities. Raises
    Refused for one and for a strange encoding, ExpatError, and what a codec raises.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.XmlDeclHandler = _require_encoding
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = start
    if end is not None:
        parser.EndElementHandler = end
    if text is not None:
        parser.CharacterDataHandler = text
    with part:
        while piece := part.read(_PIECE):
            parser.Parse(piece)
            yield
        parser.Parse(b"", True)
    yield


def _require_encoding(_: str, encoding: str | None, __: int) -> None:
    if encoding is not None and not _ENCODING.fullmatch(encoding):
        told = f"it is broken: a part is in the encoding «{encoding[:40]}»"
        raise Refused(f"{told}; open it in a spreadsheet program and save it as .xlsx again")


def _refuse_doctype(*_: Any) -> NoReturn:
    raise Refused("it is broken: it has a document type, which no spreadsheet has")
