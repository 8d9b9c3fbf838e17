"""Iran's official holidays: what a library expects, corrected by what was announced.

Those that follow the moon are announced and may differ by a day from any table; others are
proclaimed from one day to the next.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path


class BadHolidaysFile(ValueError):
    """The file of announced holidays cannot be used; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Announced holidays that the library does not know, and those it expects wrongly.

    Removing a holiday that falls on a weekend does not make it a working day.
    """

    added: frozenset[date] = frozenset()
    removed: frozenset[date] = frozenset()


def read_overrides(path: Path) -> Overrides:
    """Read `added` and `removed`, lists of ISO 8601 dates, from a .json or .toml file.

    Raises BadHolidaysFile.
    """
    content = _content(path)
    if not isinstance(content, dict):
        raise BadHolidaysFile(f"{path}: not an object with `added` and `removed`")
    if unknown := content.keys() - {"added", "removed"}:
        raise BadHolidaysFile(f"{path}: {min(unknown)!r} is neither `added` nor `removed`")
    added = _dates(path, "added", content.get("added", []))
    removed = _dates(path, "removed", content.get("removed", []))
    if both := added & removed:
        raise BadHolidaysFile(f"{path}: {min(both)} is both added and removed")
    return Overrides(added, removed)


@dataclass(slots=True)
class OfficialHolidays(Container[date]):
    """Answers `day in holidays`; each year is worked out once."""

    announced: Overrides = Overrides()
    _years: dict[int, frozenset[date]] = field(default_factory=dict, init=False, repr=False)

    def __contains__(self, day: object) -> bool:
        if not isinstance(day, date):
            return False
        known = self._years.get(day.year)
        if known is None:
            known = self._years[day.year] = self._of_year(day.year)
        return day in known

    def _of_year(self, year: int) -> frozenset[date]:
        # Some 10 MB, which a process that never counts working days need not carry.
        from holidays.countries.iran import Iran  # noqa: PLC0415

        expected = frozenset(Iran(years=year, expand=False))
        return (expected | self.announced.added) - self.announced.removed


def _content(path: Path) -> object:
    readers = {".json": json.loads, ".toml": tomllib.loads}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise BadHolidaysFile(f"{path}: neither .json nor .toml")
    try:
        content: object = read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadHolidaysFile(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadHolidaysFile(f"{path}: not UTF-8 text") from error
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadHolidaysFile(f"{path}: {error}") from error
    return content


def _dates(path: Path, name: str, listed: object) -> frozenset[date]:
    if not isinstance(listed, list):
        raise BadHolidaysFile(f"{path}: `{name}` is not a list of dates")
    return frozenset(_date(path, name, entry) for entry in listed)


def _date(path: Path, name: str, entry: object) -> date:
    """A date as TOML writes one, or its ISO 8601 text as JSON has to."""
    if isinstance(entry, date) and not isinstance(entry, datetime):
        return entry
    if isinstance(entry, str):
        try:
            return date.fromisoformat(entry)
        except ValueError:
            pass
    raise BadHolidaysFile(f"{path}: `{name}` holds {entry!r}, which is no date like 2024-03-11")
