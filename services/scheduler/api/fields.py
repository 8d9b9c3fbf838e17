"""The kinds of fields that requests hold, where those of events are not enough."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated, Final, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.contracts.events.base import Day, Instant

_YEARS: Final = range(1950, 2151)

AnyDate = TypeVar("AnyDate", bound=date)


def _time_of_day(value: object) -> object:
    """Left alone, pydantic takes a number for seconds since midnight."""
    if not (isinstance(value, str) and re.fullmatch(_TIME, value)):
        raise PydanticCustomError("written", "must be text like {example}", {"example": "09:00"})
    return value


def _plannable(day: AnyDate) -> AnyDate:
    if day.year not in _YEARS:
        raise PydanticCustomError("year", "must be a year of the Gregorian calendar, 1950 to 2150")
    return day


def _to_the_millisecond(instant: datetime) -> datetime:
    return instant.replace(microsecond=instant.microsecond // 1_000 * 1_000)


StartDay: TypeAlias = Annotated[Day, AfterValidator(_plannable)]
"""A day in Asia/Tehran from which dates are counted."""

Start: TypeAlias = Annotated[
    Instant, AfterValidator(_plannable), AfterValidator(_to_the_millisecond)
]
"""An instant with an offset, at which something begins or ends."""

_TIME: Final = "^([01][0-9]|2[0-3]):[0-5][0-9]$"

TimeOfDay: TypeAlias = Annotated[
    time,
    BeforeValidator(_time_of_day),
    WithJsonSchema({"type": "string", "pattern": _TIME}),
]
"""Hours and minutes in Asia/Tehran."""

SeasonName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")]
