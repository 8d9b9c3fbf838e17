"""Reads a spreadsheet that anybody may have made: `python -m services.followups.adapters.reader`.

A process of its own, with little memory and time: what is small while it is packed may be huge
once it is read, and the file's own word for it is worth nothing. It takes the file on standard
input and the number of columns as its argument, and writes a line of JSON for each row that is not
empty: its number and its cells, text, numbers, truth values and nulls as they are, everything else
as `{"odd": …}`. Where the file cannot be read it writes `{"refused": …}` and ends.
"""

from __future__ import annotations

import json
import resource
import sys
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Final
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile, ZipInfo

from openpyxl import load_workbook

MEMORY_BYTES: Final = 400_000_000
CPU_SECONDS: Final = 60

_MOST_UNPACKED: Final = 100_000_000  # bytes: some four times a sheet of as many rows as may be
_MOST_PARTS: Final = 1_000
_MOST_RATIO: Final = 200  # of a part of a megabyte and more; honest ones have 10 to 40
_MOST_ROWS: Final = 200_000  # empty ones too, of which a program may leave many
_PIECE: Final = 1 << 20

_ZIP: Final = b"PK\x03\x04"
_OLD: Final = b"\xd0\xcf\x11\xe0"  # .xls, and whatever has a password
_ODD: Final[Mapping[str, str]] = {"f": "formula", "e": "broken"}
STUMBLES: Final = (
    *(BadZipFile, zlib.error, ParseError, EOFError, OSError, NotImplementedError, RuntimeError),
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
)
"""What openpyxl raises of files that are broken in one way or another."""


class Refused(Exception):
    """Why a file is not read."""


def rows(file: BinaryIO, width: int) -> Iterator[tuple[int, list[Any]]]:
    """The rows of the first sheet by number, each of so many cells. Raises Refused."""
    _require_sizes(file)
    file.seek(0)
    # Neither macros nor what stands in other files is looked at.
    book = load_workbook(file, read_only=True, keep_vba=False, keep_links=False)
    sheet = book.worksheets[0]
    sheet.reset_dimensions()  # whatever it says of its size: what is there counts
    for number, row in enumerate(sheet.iter_rows(max_col=width), 1):
        if number > _MOST_ROWS:
            raise Refused(f"it claims to have more than {_MOST_ROWS} rows")
        values = [_value(cell) for cell in row]
        if any(value is not None for value in values):
            yield number, values + [None] * (width - len(values))


def _value(cell: Any) -> Any:
    odd = _ODD.get(cell.data_type)
    if odd is not None:
        return {"odd": odd}
    value = cell.value
    return value if isinstance(value, str | int | float | None) else {"odd": "other"}


def _require_sizes(file: BinaryIO) -> None:
    """Look at what a file says of its sizes, and whether it is true, before it is parsed."""
    start = file.read(4)
    if start == _OLD:
        raise Refused("it is an .xls, or has a password; save it as .xlsx without one")
    if start != _ZIP:
        raise Refused("it is no .xlsx")
    with ZipFile(file) as packed:
        parts = packed.infolist()
        if len(parts) > _MOST_PARTS:
            raise Refused(f"it has {len(parts)} parts, and {_MOST_PARTS} at most can be")
        unpacked = sum(part.file_size for part in parts)
        if unpacked > _MOST_UNPACKED or any(map(_is_bomb, parts)):
            raise Refused(f"unpacked it has {unpacked} bytes, far more than is in it")
        for part in parts:
            with packed.open(part) as content:  # fails where it has another size
                while content.read(_PIECE):
                    pass


def _is_bomb(part: ZipInfo) -> bool:
    return part.file_size > _PIECE and part.file_size > _MOST_RATIO * max(1, part.compress_size)


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    try:
        for row in rows(sys.stdin.buffer, int(sys.argv[1])):
            sys.stdout.write(json.dumps(row) + "\n")
    except Refused as refused:
        _refuse(str(refused))
    except MemoryError:
        _refuse("it takes more memory than any sheet of its size should")
    except BrokenPipeError:
        raise  # nobody listens any more
    except STUMBLES as error:
        _refuse(f"it is broken, or no spreadsheet ({type(error).__name__})")


def _refuse(why: str) -> None:
    sys.stdout.write(json.dumps({"refused": why}) + "\n")


if __name__ == "__main__":
    main()
