"""A file that is read again when it was replaced, such as a mounted secret."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import structlog

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """The content of a file, as it is now.

    A file that becomes unusable is logged, and its former content stays until it is mended.
    """

    def __init__(self, path: Path, read: Callable[[Path], T], unusable: type[Exception]) -> None:
        """Reads the file. Raises `unusable`, as `read` does, if it cannot be used."""
        self._path = path
        self._read = read
        self._unusable = unusable
        self._content = read(path)
        self._state = state_of(path)

    def content(self) -> T:
        """What the file holds; looks whether it has changed."""
        try:
            state = state_of(self._path)
        except OSError:
            return self._content
        if state != self._state:
            self._state = state
            try:
                self._content = self._read(self._path)
            except self._unusable as error:
                _log.error("file not taken up", path=str(self._path), error=str(error))
        return self._content


def state_of(path: Path) -> tuple[int, int, int]:
    """What changes if a file is replaced or written anew; follows links. Raises OSError."""
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
