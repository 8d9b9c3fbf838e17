"""Circulars: which catalogue was sent to which provinces."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Circular:
    """A catalogue of axes was sent to provinces. It never changes."""

    circular_id: str
    catalogue_version: int
    provinces: tuple[str, ...]  # ISO 3166-2:IR
    issued_at: datetime  # UTC
    issued_by: str | None  # None: restored from its event, which does not name the sender
