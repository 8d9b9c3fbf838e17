"""What people upload, as handlers see it. They know no database; `files` stores it."""

from __future__ import annotations

from dataclasses import dataclass


class UploadLost(Exception):
    """A file took so long without a word that it counted as abandoned; send it again."""


class FileDamaged(Exception):
    """A stored file is not what it was when it was taken."""


@dataclass(frozen=True, slots=True)
class ReceivedFile:
    """An upload that came in whole, and the name under which it is to take effect."""

    upload: str
    size: int  # bytes
    name: str
