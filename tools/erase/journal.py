"""The journal: a file with one line for each erasure, which outlives the databases' copies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from tools.erase.erasures import BadErasure, Erasure, erasure_in, line_of

Note: TypeAlias = Callable[[Erasure], None]
"""Adds an erasure to the journal; when it returns, the disk has it."""


class BadJournal(Exception):
    """The journal cannot be read or written; the message says why."""


def read(file: Path) -> Sequence[Erasure]:
    """All erasures of a journal, the oldest first. Raises BadJournal.

    A last line without an end was cut off while it was written: nothing was erased for it.
    """
    try:
        raw = file.read_bytes()  # as bytes: the last line may be cut off within a letter
        whole = raw[: raw.rfind(b"\n") + 1].decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BadJournal(f"{file} cannot be read ({type(error).__name__})") from error
    erasures = []
    for number, line in enumerate(whole.split("\n")[:-1], 1):
        try:
            erasures.append(erasure_in(line))
        except BadErasure as error:
            raise BadJournal(f"{file}, line {number}: no erasure ({error})") from error
    return erasures


@contextmanager
def appending(file: Path) -> Iterator[Note]:
    """Add to a journal, which is created if it is not there. Raises BadJournal."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise BadJournal(f"{file} cannot be written ({type(error).__name__})") from error
    with os.fdopen(descriptor, "r+b", buffering=0) as out:
        _prepare(file, out)
        yield lambda erasure: _add(file, out, erasure)


def _prepare(file: Path, out: BinaryIO) -> None:
    try:
        fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
        out.truncate(out.read().rfind(b"\n") + 1)  # what a crash has cut off
        folder = os.open(file.resolve().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except BlockingIOError as error:
        raise BadJournal(f"{file} is being written by another process") from error
    except OSError as error:
        raise BadJournal(f"{file} cannot be written ({type(error).__name__})") from error


def _add(file: Path, out: BinaryIO, erasure: Erasure) -> None:
    line = line_of(erasure).encode()
    try:
        while line:
            line = line[out.write(line) :]
        os.fsync(out.fileno())
    except OSError as error:
        raise BadJournal(f"{file} cannot be written ({type(error).__name__})") from error
