"""A page of a list: which items, in which order, from where on. Knows no transport, no driver."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, TypeAlias, TypeVar

Value: TypeAlias = str | int | date | datetime

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ValueRange:
    """From one value of a field to another, both included; None: without end on that side.

    What has no value there lies in no span. An instant is aware.
    """

    first: Value | None = None
    last: Value | None = None


@dataclass(frozen=True, slots=True)
class Sort:
    """By which field a list is sorted; without one, by the items' ids.

    What has the same value there follows by id, ascending in either direction, and what has none
    comes last.
    """

    field: str = ""
    descending: bool = False


BY_ID: Final = Sort()


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands in a list: its value of the field of the sort, and its id."""

    id: str
    key: Any = None  # None by id, and where an item has no value


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A page of a list."""

    fields: Mapping[str, Collection[Value]]  # one of these values in each of these fields
    after: Place | None  # the page begins behind it
    limit: int
    spans: Mapping[str, ValueRange] = field(default_factory=dict)
    sort: Sort = BY_ID
    as_of: date | None = None  # Asia/Tehran; the day on which it is seen how late something is


def arranged(items: Iterable[Item], sort: Sort, place: Callable[[Item], Place]) -> Sequence[Item]:
    """The items in the order of a sort."""
    by_id = sorted(items, key=lambda item: place(item).id)
    if not sort.field:
        return by_id[::-1] if sort.descending else by_id
    there = [item for item in by_id if place(item).key is not None]
    there.sort(key=lambda item: place(item).key, reverse=sort.descending)  # equals stay by id
    return [*there, *(item for item in by_id if place(item).key is None)]


def is_behind(place: Place, after: Place | None, sort: Sort) -> bool:
    """Whether a place comes after another in the order of a sort; all come after None."""
    if after is None:
        return True
    if place.key == after.key:
        is_by_id_down = not sort.field and sort.descending
        return place.id < after.id if is_by_id_down else place.id > after.id
    if place.key is None or after.key is None:
        return place.key is None
    return bool(place.key < after.key if sort.descending else place.key > after.key)
