"""Iran's official holidays: those that a library expects, corrected by announcements.

Holidays of the lunar calendar are announced and may differ by a day from any table; others are
proclaimed from one day to the next.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Final

from shared.contracts.days import Misread, read_day, written_day

_DAY_EXPECTED: Final = "it must be one, such as 2024-03-11 or 1402/12/21"


class BadHolidaysFile(ValueError):
    """The file of announced holidays is not valid; the message says why, in one line."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """Announced holidays that the library does not know, and wrong ones that it expects.

    Removing a holiday that falls on a weekend does not make it a working day.
    """

    added: frozenset[date] = frozenset()
    removed: frozenset[date] = frozenset()


def read_overrides(path: Path) -> Overrides:
    """Read `added` and `removed`, lists of days, from a .json or .toml file.

    A day is Gregorian, `2024-03-11`, or Jalali, `1402/12/21`, in digits of any script. A Jalali
    year with dashes is refused, since it looks like TOML's own dates, which are Gregorian. Raises
    BadHolidaysFile.
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
    """Supports `day in holidays`; computes each year once."""

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
        # It needs some 10 MB, which a process that never counts working days can save.
        from holidays.countries.iran import Iran  # noqa: PLC0415

        expected = frozenset(Iran(years=year, expand=False))
        return (expected | self.announced.added) - self.announced.removed


def _content(path: Path) -> object:
    readers: dict[str, Callable[[str], object]] = {".json": _json, ".toml": tomllib.loads}
    read = readers.get(path.suffix.lower())
    if read is None:
        raise BadHolidaysFile(f"{path}: neither .json nor .toml")
    try:
        content: object = read(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadHolidaysFile(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadHolidaysFile(f"{path}: not UTF-8 text") from error
    except RecursionError as error:
        raise BadHolidaysFile(f"{path}: too deep") from error
    except ValueError as error:  # of the readers, or of a path that no file can have
        raise BadHolidaysFile(f"{path}: {error}") from error
    return content


def _json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_once_each)


def _once_each(members: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object without repeated names, since one of two lists of holidays would be lost."""
    document = dict(members)
    if len(document) < len(members):
        raise ValueError("a name is there twice")
    return document


def _dates(path: Path, name: str, listed: object) -> frozenset[date]:
    if not isinstance(listed, list):
        raise BadHolidaysFile(f"{path}: `{name}` is not a list of dates")
    return frozenset(_date(path, name, entry) for entry in listed)


def _date(path: Path, name: str, entry: object) -> date:
    """Read a date of TOML, or the text of a Gregorian or Jalali day."""
    try:
        if isinstance(entry, str):
            return _day(entry)
        if isinstance(entry, date) and not isinstance(entry, datetime):
            return _day(entry.isoformat())
    except Misread as misread:
        raise BadHolidaysFile(f"{path}: `{name}` holds {entry!r}: {misread}") from misread
    raise BadHolidaysFile(f"{path}: `{name}` holds {entry!r}, which is no day; {_DAY_EXPECTED}")


def _day(text: str) -> date:
    written = written_day(text)
    if written is None:
        raise Misread("written", _DAY_EXPECTED)
    if not written.is_jalali:
        return read_day(text)
    day = written.meant()
    if written.separator != "/":
        template = "a Jalali day is written {slashes}; it would be {day}"
        slashes = f"{written.year}/{written.month:02}/{written.day:02}"
        raise Misread("jalali_day", template, slashes=slashes, day=day.isoformat())
    return day
