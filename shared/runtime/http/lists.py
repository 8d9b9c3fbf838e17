"""Lists return a page and an opaque cursor, which points after the page's last item.

A sort is the name of a field, with a minus if it descends; `filters` narrows a list.
"""

from __future__ import annotations

import base64
import binascii
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar

from fastapi import Query
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from shared.runtime import list_queries
from shared.runtime.http.filters import AnyFigures
from shared.runtime.list_queries import Place, Sort, Value, ValueRange
from shared.runtime.problems import Problem, invalid_field
from shared.runtime.sentences import sentence

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


Limit: TypeAlias = Annotated[
    int, AnyFigures, Query(ge=1, le=500, description="Most items on a page.")
]


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
class SortField(Generic[Item]):
    """A field by which a list can be sorted."""

    kind: Any  # a type as for `SortKeys`
    key: Callable[[Item, date | None], object]  # of an item, as of the day of the first page


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
        within: list_queries.Within | None = None,
    ) -> list_queries.ListQuery:
        """A query for the page and one item more, which tells `Sorts.cut` if a page follows.

        `within`: what the caller may see; None if that is everything.
        """
        return list_queries.ListQuery(
            fields, self.after, limit + 1, spans or {}, self.sort, self.as_of, within
        )


class Sorts(Generic[Item]):
    """The sorts of a list, and their cursors: a dependency of its route.

        SORTS = Sorts[Resolution](
            "resolutions",
            "resolution_id",
            lambda resolution: resolution.resolution_id,
            {"due_on": SortField(DAY, lambda resolution, _: resolution.terms.due_on)},
        )

        async def resolutions(order: Annotated[Order, Depends(SORTS)]): ...

    accepts `sort=due_on`, `sort=-due_on` and so on; the default is the id. A cursor is valid only
    for the list and the sort that it came from.
    """

    def __init__(
        self,
        name: str,
        id_: str,
        id_of: Callable[[Item], str],
        fields: Mapping[str, SortField[Item]] = MappingProxyType({}),
    ) -> None:
        """`name` is that of the list, `id_` that of the field with the id of an item."""
        self._sorts: dict[str, Sort] = {}
        self._cursors: dict[str, SortKeys] = {}
        self._id_of = id_of
        self._fields = fields
        kinds = {field: by.kind for field, by in fields.items()}
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

    def place(self, item: Item, order: Order) -> Place:
        """The position of an item in a list of this order."""
        by = self._fields.get(order.sort.field)
        return Place(self._id_of(item), None if by is None else by.key(item, order.as_of))

    def cut(
        self,
        found: Sequence[Item],
        limit: int,
        order: Order,
    ) -> tuple[Sequence[Item], str | None]:
        """Cut the one item more off a page, and make the cursor after it; None on the last page."""
        if len(found) <= limit:
            return found, None
        last = self.place(found[limit - 1], order)
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
