"""Uploads as handlers see them, without a database; `files` stores them."""

from __future__ import annotations

from dataclasses import dataclass


class UploadLost(Exception):
    """An upload paused for so long that it counts as abandoned; send the file again."""


class FileDamaged(Exception):
    """A stored file is no longer what was received."""


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """A complete upload, and the name under which it will take effect."""

    upload: str  # its id
    size: int  # bytes
    name: str
