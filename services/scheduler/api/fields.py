"""The kinds of fields that requests hold, where those of events are not enough.

FastAPI validates a body after JSON was read, where pydantic also takes numbers for dates.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated, Final, TypeAlias, TypeVar
from unicodedata import category

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.contracts.envelope import RFC3339
from shared.contracts.events.base import Day, Instant, Text

_YEARS: Final = range(1950, 2151)
_NOT_IN_EVENTS: Final = frozenset({"Cc", "Cn", "Cs"})
"""Unicode's categories of what CloudEvents 1.0 keeps out of `subject`."""

AnyDate = TypeVar("AnyDate", bound=date)


def _written(pattern: str, example: str) -> BeforeValidator:
    compiled = re.compile(pattern)

    def check(value: object) -> object:
        if not (isinstance(value, str) and compiled.search(value)):
            raise PydanticCustomError(
                "written", "must be text like {example}", {"example": example}
            )
        return value

    return BeforeValidator(check)


def _plannable(day: AnyDate) -> AnyDate:
    if day.year not in _YEARS:
        raise PydanticCustomError("year", "must be a year of the Gregorian calendar, 1950 to 2150")
    return day


def _to_the_millisecond(instant: datetime) -> datetime:
    return instant.replace(microsecond=instant.microsecond // 1_000 * 1_000)


def _addressable(id_: str) -> str:
    if "/" in id_ or id_ in {".", ".."}:
        raise PydanticCustomError("address", "must stand in an address: no slash, not dots alone")
    if any(category(character) in _NOT_IN_EVENTS for character in id_):
        raise PydanticCustomError("control", "must hold no control characters")
    return id_


_DAY: Final = _written("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2023-08-14")

DueDay: TypeAlias = Annotated[Day, _DAY]
"""A day in Asia/Tehran."""

StartDay: TypeAlias = Annotated[Day, _DAY, AfterValidator(_plannable)]
"""A day in Asia/Tehran from which dates are counted."""

Start: TypeAlias = Annotated[
    Instant,
    _written(RFC3339, "2023-08-14T09:00:00+03:30"),
    AfterValidator(_plannable),
    AfterValidator(_to_the_millisecond),
]
"""An instant with an offset, at which something begins or ends."""

_TIME: Final = "^([01][0-9]|2[0-3]):[0-5][0-9]$"

TimeOfDay: TypeAlias = Annotated[
    time, _written(_TIME, "09:00"), WithJsonSchema({"type": "string", "pattern": _TIME})
]
"""Hours and minutes in Asia/Tehran."""

NewId: TypeAlias = Annotated[
    str,
    StringConstraints(min_length=1, max_length=190, pattern=r"^[^\s\x00-\x1f|]+$"),
    AfterValidator(_addressable),
]
"""An id that whoever asks gives; shorter than an event's, so that ids can be made from it."""

SeasonName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")]
Reason: TypeAlias = Annotated[
    Text, StringConstraints(min_length=1, max_length=20_000, strip_whitespace=True)
]
