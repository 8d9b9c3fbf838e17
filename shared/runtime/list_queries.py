"""A query for one page of a list: filters, order, start. Knows no transport and no driver."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, TypeAlias, TypeVar

Value: TypeAlias = str | int | date | datetime

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ValueRange:
    """From one value of a field to another, both included; None means no bound on that side.

    An item without a value is in no range. Instants are aware.
    """

    first: Value | None = None
    last: Value | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    """The field by which a list is sorted; without one, the items' ids.

    Items with equal values are ordered by id, ascending in either direction. Items without a value
    come last.
    """

    field: str = ""
    descending: bool = False


BY_ID: Final = Sort()


@dataclass(frozen=True, slots=True)
class Place:
    """The position of an item in a list: its value of the sort field, and its id."""

    id: str
    key: Any = None  # None in a list by id, and for an item without a value


@dataclass(frozen=True, slots=True)
class Within:
    """The part of a list that a reader may see.

    An item belongs to it if at least one of these fields has one of its values; without any field,
    nothing does. Some fields depend on the day (Asia/Tehran).
    """

    any_of: Mapping[str, Collection[Value]]
    today: date | None = None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A query for one page of a list."""

    fields: Mapping[str, Collection[Value]]  # each of these fields has one of its values
    after: Place | None  # the page begins after it
    limit: int
    spans: Mapping[str, ValueRange] = field(default_factory=dict)
    sort: Sort = BY_ID
    as_of: date | None = None  # Asia/Tehran; the day for which days overdue are counted
    within: Within | None = None  # None: the reader may see all of it


def arranged(items: Iterable[Item], sort: Sort, place: Callable[[Item], Place]) -> Sequence[Item]:
    """The items in the order of a sort."""
    by_id = sorted(items, key=lambda item: place(item).id)
    if not sort.field:
        return by_id[::-1] if sort.descending else by_id
    with_key = [item for item in by_id if place(item).key is not None]
    with_key.sort(key=lambda item: place(item).key, reverse=sort.descending)  # equals stay by id
    return [*with_key, *(item for item in by_id if place(item).key is None)]


def is_behind(place: Place, after: Place | None, sort: Sort) -> bool:
    """Whether a place comes after another in the order of a sort; every place comes after None."""
    if after is None:
        return True
    if place.key == after.key:
        is_by_id_down = not sort.field and sort.descending
        return place.id < after.id if is_by_id_down else place.id > after.id
    if place.key is None or after.key is None:
        return place.key is None
    return bool(place.key < after.key if sort.descending else place.key > after.key)
