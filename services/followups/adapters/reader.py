"""Reads a spreadsheet that anybody may have made: `python -m services.followups.adapters.reader`.

A process of its own, with little memory and time: what is small while it is packed may be huge
once it is read, and the file's own word for it is worth nothing. It takes the file on standard
input and the titles of the columns as its argument, a JSON list, by which it finds the sheet. For
each row that is not empty it writes a line of JSON, its number and its cells as `workbook` gives
them; then, for cells that are merged, `{"merged": […]}` with first and last row, first and last
column. Where the file cannot be read it writes `{"refused": …}` and ends.
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

from services.followups.adapters.package import Package, Refused
from services.followups.adapters.workbook import Merged, Workbook

MEMORY_BYTES: Final = 400_000_000
CPU_SECONDS: Final = 60

STUMBLES: Final = (
    *(BadZipFile, zlib.error, struct.error, EOFError, OSError),  # of zip files
    *(NotImplementedError, RuntimeError),  # of zip files that are packed in another way
    *(ExpatError, LookupError, ValueError),  # of parts: XML, encodings, numbers, what is missing
)
"""What files raise that are broken in one way or another."""


def lines(file: BinaryIO, titles: Collection[str]) -> Iterator[str]:
    """What is told of a file."""
    try:
        book = Workbook(Package(file))
        for row in book.rows(book.sheet_of(titles)):
            yield json.dumps({"merged": astuple(row)} if isinstance(row, Merged) else row)
    except Refused as refused:
        yield _refused(str(refused))
    except MemoryError:
        yield _refused("it takes more memory than any sheet of its size should")
    except STUMBLES as error:
        told = f"it is broken, or no spreadsheet ({type(error).__name__})"
        yield _refused(f"{told}; open it in a spreadsheet program and save it as .xlsx again")


def _refused(why: str) -> str:
    return json.dumps({"refused": why})


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    for line in lines(sys.stdin.buffer, json.loads(sys.argv[1])):
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
