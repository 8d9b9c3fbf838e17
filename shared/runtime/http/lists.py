"""Lists return a page and an opaque cursor, which points after the page's last item.

A filter that is given several times means OR; dates have filters from and to; a sort is the name
of a field, with a minus if it descends.
"""

from __future__ import annotations

import base64
import binascii
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar

from fastapi import Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from shared.contracts.events.base import Day, Instant
from shared.runtime import list_queries
from shared.runtime.calendar import start_of_day
from shared.runtime.list_queries import Place, Sort, Value, ValueRange
from shared.runtime.problems import Problem, invalid_field
from shared.runtime.sentences import sentence
from shared.text import search_key

Item = TypeVar("Item")

DEFAULT_LIMIT = 100

_MOST_VALUES: Final = 100
_YEARS: Final = range(1900, 2200)
_DAY: Final = timedelta(days=1)
_RESOLUTION: Final = timedelta(milliseconds=1)  # of stored instants


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(None, description="Asks for the next page; null on the last.")


# -- types of parameters ------------------------------------------------------------------------


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


AnyFigures: Final = BeforeValidator(_number)
"""Accepts a whole number in digits of any script."""

Limit: TypeAlias = Annotated[
    int, AnyFigures, Query(ge=1, le=500, description="Most items on a page.")
]

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


def chosen(values: Mapping[str, Sequence[Value]]) -> dict[str, Collection[Value]]:
    """The filters that have values, each value once."""
    return {name: tuple(dict.fromkeys(given)) for name, given in values.items() if given}


def bounded(spans: Mapping[str, ValueRange | None]) -> dict[str, ValueRange]:
    """The ranges that are given."""
    return {name: span for name, span in spans.items() if span is not None}


# -- cursors ------------------------------------------------------------------------------------


class SortKeys:
    """The keys by which a list is sorted, and their cursor: a dependency of its route.

        BY_DUE = SortKeys(date, str)

        async def followups(after: Annotated[tuple[Any, ...] | None, Depends(BY_DUE)]): ...

    gives the route the keys of the last item that the caller has seen, or None at the start. The
    last key has to be unique. Types are those that JSON can express: str, int, float, bool, date,
    AwareDatetime, or a union with None.
    """

    def __init__(self, *kinds: Any) -> None:
        self._adapter: TypeAdapter[tuple[Any, ...]] = TypeAdapter(tuple[kinds])  # type: ignore[valid-type]  # known when the service starts

    async def __call__(
        self,
        cursor: Annotated[
            str | None, Query(max_length=2_000, description="`next_cursor` of the page before.")
        ] = None,
    ) -> tuple[Any, ...] | None:
        return None if cursor is None else self.read(cursor)

    def write(self, *keys: Any) -> str:
        """The cursor after an item with these keys."""
        text = self._adapter.dump_json(keys)
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode("ascii")

    def read(self, cursor: str) -> tuple[Any, ...]:
        """The keys in a cursor. Raises Problem 422 if it is not a cursor of this list."""
        try:
            return self._adapter.validate_json(_decoded(cursor), strict=True)
        except (UnicodeEncodeError, binascii.Error, ValidationError) as error:
            raise invalid_field("cursor", "not a cursor of this list") from error


def _decoded(cursor: str) -> bytes:
    padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)


# -- sorts --------------------------------------------------------------------------------------


def _in_range(day: date) -> date:
    if day.year not in _YEARS:
        raise PydanticCustomError("year", "beyond any date of a list")
    return day


DAY: Final = Annotated[date, AfterValidator(_in_range)]
INSTANT: Final = Annotated[AwareDatetime, AfterValidator(_in_range)]
DAYS_LATE: Final = Annotated[int, Field(ge=0, le=366 * len(_YEARS))]
"""Types of sort fields; if some items have no value, add None."""


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a requested page, and the place after which it begins."""

    name: str  # of the sort, as in the request
    sort: Sort
    after: Place | None = None
    as_of: date | None = None  # the day of the first page (Asia/Tehran), if the sort depends on it

    def query(
        self,
        limit: int,
        fields: Mapping[str, Collection[Value]],
        spans: Mapping[str, ValueRange] | None = None,
    ) -> list_queries.ListQuery:
        """A query for the page and one item more, which tells `Sorts.cut` if a page follows."""
        return list_queries.ListQuery(
            fields, self.after, limit + 1, spans or {}, self.sort, self.as_of
        )


class Sorts:
    """The sorts of a list, and their cursors: a dependency of its route.

        SORTS = Sorts("followups", "followup_id", {"due_on": DAY, "number": str | None})

        async def followups(order: Annotated[Order, Depends(SORTS)]): ...

    accepts `sort=due_on`, `sort=-due_on` and so on; the default is the id. A cursor is valid only
    for the list and the sort that it came from.
    """

    def __init__(self, name: str, id_: str, kinds: Mapping[str, Any]) -> None:
        self._sorts: dict[str, Sort] = {}
        self._cursors: dict[str, SortKeys] = {}
        for field, kind in {id_: None, **kinds}.items():
            for sort in (field, f"-{field}"):
                stored = "" if field == id_ else field
                self._sorts[sort] = Sort(stored, descending=sort.startswith("-"))
                origin = (Literal[name], Literal[sort])
                self._cursors[sort] = SortKeys(*origin, kind, str, DAY | None)
        self._name = name
        self.__signature__ = _signature(list(self._sorts), id_)

    async def __call__(self, sort: str, cursor: str | None) -> Order:
        """Read a request's parameters. Raises Problem 422 for a cursor of another list or sort."""
        if cursor is None:
            return Order(sort, self._sorts[sort])
        try:
            _, _, key, id_, as_of = self._cursors[sort].read(cursor)
        except Problem as refused:
            raise self._of_another_sort(cursor) or refused from None
        return Order(sort, self._sorts[sort], Place(id_, key), as_of)

    def cut(
        self,
        found: Sequence[Item],
        limit: int,
        order: Order,
        place: Callable[[Item], Place],
    ) -> tuple[Sequence[Item], str | None]:
        """Cut the one item more off a page, and make the cursor after it; None on the last page."""
        if len(found) <= limit:
            return found, None
        last = place(found[limit - 1])
        keys = (self._name, order.name, last.key, last.id, order.as_of)
        return found[:limit], self._cursors[order.name].write(*keys)

    def _of_another_sort(self, cursor: str) -> Problem | None:
        for sort, keys in self._cursors.items():
            with suppress(Problem):
                keys.read(cursor)
                template = "comes from sort={sort}, which has to stand by it"
                return invalid_field("cursor", sentence(template, sort=sort))
        return None


def _signature(sorts: Sequence[str], default: str) -> inspect.Signature:
    """The parameters that FastAPI reads: the names of the sorts are known only at the start."""
    description = (
        "Name of a field; with a minus it descends. Items with equal values are ordered by id, "
        "those without a value come last."
    )
    kinds = {
        "sort": Annotated[Literal[tuple(sorts)], Query(description=description)],
        "cursor": Annotated[
            str | None,
            Query(max_length=4_000, description="`next_cursor` of the page before, with its sort."),
        ],
    }
    defaults = {"sort": default, "cursor": None}
    by_name = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature(
        [
            inspect.Parameter(name, by_name, default=defaults[name], annotation=kind)
            for name, kind in kinds.items()
        ]
    )
