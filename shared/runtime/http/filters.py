"""Filters of lists: a filter that is given several times means OR; dates have from and to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from fastapi import Query
from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from shared.contracts.events.base import Day, Instant
from shared.runtime.calendar import start_of_day
from shared.runtime.list_queries import Value, ValueRange
from shared.runtime.problems import invalid_field
from shared.runtime.sentences import sentence
from shared.text import search_key

_MOST_VALUES: Final = 100
_DAY: Final = timedelta(days=1)
_RESOLUTION: Final = timedelta(milliseconds=1)  # of stored instants


# -- types of parameters ------------------------------------------------------------------------


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


AnyFigures: Final = BeforeValidator(_number)
"""Accepts a whole number in digits of any script."""

Word: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")]
"""A value to look for; an empty one is a mistake of the caller."""


def _key(text: str) -> str:
    key = search_key(text)
    if not key:
        raise PydanticCustomError("no_word", "must hold a letter or a digit")
    return key


SearchKey: TypeAlias = Annotated[Word, AfterValidator(_key)]
"""Words to look for, converted to their `search_key`, so that spelling variants match."""


def any_of(description: str) -> Any:
    """A filter with several values, of which an item has to have one."""
    whole = f"{description} Given several times: any of them."
    return Query(max_length=_MOST_VALUES, description=whole)


_DAYS: Final[TypeAdapter[date]] = TypeAdapter(Day)
_INSTANTS: Final[TypeAdapter[datetime]] = TypeAdapter(Instant)


def _bound(text: object) -> date | datetime:
    try:
        return _DAYS.validate_python(text)
    except ValidationError as error:
        message = error.errors()[0]["msg"]
    try:
        return _INSTANTS.validate_python(text)
    except ValidationError:
        hint = "or an RFC 3339 time with an offset, its + written as %2B"
        raise PydanticCustomError(
            "bound", "{wrong}, {hint}", {"wrong": message, "hint": hint}
        ) from None


Bound: TypeAlias = Annotated[
    date | datetime,
    PlainValidator(_bound),
    WithJsonSchema({"type": "string", "examples": ["2024-03-11", "2024-03-11T09:00:00+03:30"]}),
]
"""A whole day in Asia/Tehran, or an instant."""


AnySpelling: TypeAlias = Annotated[
    tuple[SearchKey, ...],
    any_of("The whole name; variants of Arabic and Persian letters, spaces and digits are equal."),
]
"""A filter for names in any spelling."""


def since_day(what: str) -> Any:
    """The parameter for the first day of a range."""
    return Query(description=f"{what} on this day (Asia/Tehran) or later.")


def until_day(what: str) -> Any:
    """The parameter for the last day of a range."""
    return Query(description=f"{what} on this day (Asia/Tehran) or earlier.")


def since(what: str) -> Any:
    """The parameter for the first day or instant of a range."""
    return Query(description=f"{what} at this instant, on this day in Asia/Tehran, or later.")


def until(what: str) -> Any:
    """The parameter for the last day or instant of a range."""
    return Query(description=f"{what} at this instant, on this day in Asia/Tehran, or earlier.")


def day_span(name: str, first: date | None, last: date | None) -> ValueRange | None:
    """The range of days of `<name>_from` and `<name>_to`; None if neither is given.

    Raises Problem 422 if the first is after the last.
    """
    return _span(name, first, last)


def instant_span(name: str, first: date | None, last: date | None) -> ValueRange | None:
    """The range of instants of `<name>_from` and `<name>_to`; a day means all of it in Tehran.

    None if neither is given. Raises Problem 422 if the first is after the last.
    """
    begin = first if first is None or isinstance(first, datetime) else start_of_day(first)
    if last is None or isinstance(last, datetime):
        return _span(name, begin, last)
    return _span(name, begin, start_of_day(last + _DAY) - _RESOLUTION)


def _span(name: str, first: date | None, last: date | None) -> ValueRange | None:
    if first is not None and last is not None and first > last:
        raise invalid_field(f"{name}_from", sentence("is after {name}", name=f"{name}_to"))
    return None if first is None and last is None else ValueRange(first, last)


# -- the filters of one list --------------------------------------------------------------------


@dataclass(frozen=True)
class ListFilters:
    """The filters of a list, as query parameters. A list's own class adds its fields.

    A tuple holds the values of the stored field of its name. `<name>_from` and `<name>_to` bound
    the stored instant `<name>_at`, or the day `<name>_on` if `DAYS` has the name.
    """

    DAYS: ClassVar[frozenset[str]] = frozenset()

    def fields(self) -> dict[str, Collection[Value]]:
        """The values to match, by stored field. Raises Problem 422 if filters contradict."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: tuple(dict.fromkeys(map(_plain, values)))
            for name, values in given.items()
            if isinstance(values, tuple) and values
        }

    def spans(self) -> dict[str, ValueRange]:
        """The ranges to match, by stored field. Raises Problem 422 if one is backwards."""
        spans = {}
        for field in fields(self):
            name = field.name.removesuffix("_from")
            if name == field.name:
                continue
            first, last = getattr(self, field.name), getattr(self, f"{name}_to")
            is_day = name in self.DAYS
            span = (day_span if is_day else instant_span)(name, first, last)
            if span is not None:
                spans[f"{name}_on" if is_day else f"{name}_at"] = span
        return spans


def _plain(value: Value) -> Value:
    return value.value if isinstance(value, Enum) else value
