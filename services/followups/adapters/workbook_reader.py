"""Reads a spreadsheet of unknown origin, in a process with little memory and CPU time.

Run with `python -m services.followups.adapters.workbook_reader`. A small packed file may be huge
once it is unpacked, and its own statements about its size cannot be trusted.

The file comes on standard input. The argument is a JSON list of column titles, by which the sheet
is found. Each row that is not empty becomes a line of JSON: its number, and its cells as
`workbook` returns them. Then come the merged cells, one line per range: `{"merged": […]}` with
first and last row, first and last column. If the file cannot be read, the output ends with
`{"refused": …}`.
"""

from __future__ import annotations

import json
import resource
import struct
import sys
import zlib
from collections.abc import Collection, Iterator
from dataclasses import astuple
from typing import BinaryIO, Final
from xml.parsers.expat import ExpatError
from zipfile import BadZipFile

from services.followups.adapters.opc_package import Package, UnreadableFile
from services.followups.adapters.workbook import Workbook
from services.followups.adapters.worksheet import Merged

MEMORY_BYTES: Final = 400_000_000
CPU_SECONDS: Final = 60

READ_ERRORS: Final = (
    *(BadZipFile, zlib.error, struct.error, EOFError, OSError),  # a broken zip file
    *(NotImplementedError, RuntimeError),  # a zip file with an unsupported compression
    *(ExpatError, LookupError, ValueError),  # a part: its XML, encoding, numbers, or missing parts
)
"""The errors that a broken file can cause."""


def lines(file: BinaryIO, titles: Collection[str]) -> Iterator[str]:
    """The output for a file, line by line."""
    try:
        book = Workbook(Package(file))
        for row in book.rows(book.sheet_of(titles)):
            yield json.dumps({"merged": astuple(row)} if isinstance(row, Merged) else row)
    except UnreadableFile as refused:
        yield _refused(str(refused))
    except MemoryError:
        yield _refused("it takes more memory than any sheet of its size should")
    except READ_ERRORS as error:
        reason = f"it is broken, or no spreadsheet ({type(error).__name__})"
        yield _refused(f"{reason}; open it in a spreadsheet program and save it as .xlsx again")


def _refused(reason: str) -> str:
    return json.dumps({"refused": reason})


def main() -> None:
    """Limit this process, then read standard input and write to standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    for line in lines(sys.stdin.buffer, json.loads(sys.argv[1])):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
