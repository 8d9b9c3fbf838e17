"""Opens the parts of an Office Open XML file (ECMA-376 part 2), whichever program wrote it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Final, NoReturn, TypeAlias
from urllib.parse import unquote
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from services.followups.adapters.file_kinds import advice_by_beginning, advice_by_parts

_MOST_UNPACKED: Final = 400_000_000  # bytes; a million empty formatted rows have fewer
_MOST_PARTS: Final = 1_000
_MOST_RATIO: Final = 200  # unpacked to packed, from a megabyte on; ordinary parts have 10 to 40
_CHUNK: Final = 1 << 16
_ENCRYPTED_FLAG: Final = 0x1
# The standard allows the first two; some programs use the others.
_ENCODING: Final = re.compile(
    r"utf-(8|16(le|be)?)|(us-)?ascii|iso-8859-\d{1,2}|windows-125\d", re.IGNORECASE
)

Attributes: TypeAlias = Mapping[str, str]
Start: TypeAlias = Callable[[str, Attributes], None]
End: TypeAlias = Callable[[str], None]
Text: TypeAlias = Callable[[str], None]


class UnreadableFile(Exception):
    """A file is not read. The message says why, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Relationship:
    """A reference from one part to another."""

    kind: str  # the last segment of its type: the same in transitional and strict files
    target: str


class Package:
    """An open file.

    Programs write the names of parts with different case and slashes; both are ignored.
    """

    def __init__(self, file: BinaryIO) -> None:
        """Check that it is a zip file of reasonable size.

        Raises UnreadableFile, and the errors of `zipfile` if it is broken.
        """
        if (advice := advice_by_beginning(file)) is not None:
            raise UnreadableFile(advice)
        self._packed = ZipFile(file)
        parts = [part for part in self._packed.infolist() if not part.is_dir()]
        self._parts = {_key(part.filename): part for part in parts}
        if (advice := advice_by_parts(self._parts)) is not None:
            raise UnreadableFile(advice)
        self._require_sizes(parts)

    def __contains__(self, name: str) -> bool:
        return _key(name) in self._parts

    def open(self, name: str) -> IO[bytes]:
        """Open a part by its name. Raises KeyError if there is none."""
        return self._packed.open(self._parts[_key(name)])

    def relationships(self, name: str) -> Mapping[str, Relationship]:
        """The references from a part to parts of the same file, by id.

        The name "" stands for the file itself.
        """
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

        rels = posixpath.join(folder, "_rels", f"{base}.rels")
        if rels in self:
            parse(self.open(rels), start)
        return found

    def _require_sizes(self, parts: list[ZipInfo]) -> None:
        if len(parts) > _MOST_PARTS:
            raise UnreadableFile(
                f"it has {len(parts)} parts, and at most {_MOST_PARTS} are allowed"
            )
        if any(part.flag_bits & _ENCRYPTED_FLAG for part in parts):
            raise UnreadableFile("it is packed with a password; save it as .xlsx without one")
        if any(part.compress_type not in {ZIP_STORED, ZIP_DEFLATED} for part in parts):
            raise UnreadableFile(
                "it is packed in an unusual way; open it and save it as .xlsx again"
            )
        unpacked = sum(part.file_size for part in parts)
        if unpacked > _MOST_UNPACKED or any(map(_is_bomb, parts)):
            raise UnreadableFile(
                f"unpacked it has {unpacked} bytes, far more than is in it; delete what is "
                "formatted below and beside the rows, and save it again"
            )
        for part in parts:
            with self._packed.open(part) as content:  # raises if the size is wrong
                while content.read(_CHUNK):
                    pass


def _slashed(name: str) -> str:
    return name.replace("\\", "/")


def _key(name: str) -> str:
    return _slashed(name).lstrip("/").lower()


def _is_bomb(part: ZipInfo) -> bool:
    return part.file_size > 1 << 20 and part.file_size > _MOST_RATIO * max(1, part.compress_size)


# -- XML ----------------------------------------------------------------------------------------


def parse(part: IO[bytes], start: Start, end: End | None = None, text: Text | None = None) -> None:
    """Parse a part to its end, and close it."""
    for _ in parse_in_chunks(part, start, end, text):
        pass


def parse_in_chunks(
    part: IO[bytes], start: Start, end: End | None = None, text: Text | None = None
) -> Iterator[None]:
    """Parse a part chunk by chunk: call the functions, and yield after each chunk.

    An element or attribute in a namespace is named `<namespace> <name>`. An Office Open XML part
    has no document type (ECMA-376 part 2, 8.1.4), and without one it cannot define entities. Raises
    UnreadableFile for a document type or an unusual encoding, ExpatError, and the errors of codecs.
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
        while chunk := part.read(_CHUNK):
            parser.Parse(chunk)
            yield
        parser.Parse(b"", True)
    yield


def _require_encoding(_: str, encoding: str | None, __: int) -> None:
    if encoding is not None and not _ENCODING.fullmatch(encoding):
        reason = f"it is broken: a part is in the encoding «{encoding[:40]}»"
        raise UnreadableFile(
            f"{reason}; open it in a spreadsheet program and save it as .xlsx again"
        )


def _refuse_doctype(*_: Any) -> NoReturn:
    raise UnreadableFile("it is broken: it has a document type, which no spreadsheet has")
