"""What a list answers, found by looking at every item: what pages of the fakes are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from shared.runtime.list_queries import ListQuery, Place, ValueRange, Within, arranged, is_behind

T = TypeVar("T")


def page(
    items: Iterable[T],
    query: ListQuery,
    id_: Callable[[T], str],
    fields: Callable[[T], Mapping[str, Any]],
) -> list[T]:
    """The page, by the values of each item's fields; one of many values is enough."""

    def place(item: T) -> Place:
        return Place(id_(item), fields(item)[query.sort.field] if query.sort.field else None)

    def is_wanted(item: T) -> bool:
        found = fields(item)
        return is_chosen(found, query.fields, query.spans) and is_visible(found, query.within)

    found = [item for item in items if is_wanted(item)]
    behind = [item for item in found if is_behind(place(item), query.after, query.sort)]
    return list(arranged(behind, query.sort, place))[: query.limit]


def is_chosen(
    found: Mapping[str, Any],
    fields: Mapping[str, Collection[Any]],
    spans: Mapping[str, ValueRange] | None = None,
) -> bool:
    """Whether these values are asked for."""
    return all(_has_one(found[name], wanted) for name, wanted in fields.items()) and all(
        _lies_in(found[name], span) for name, span in (spans or {}).items()
    )


def is_visible(found: Mapping[str, Any], within: Within | None) -> bool:
    """Whether a reader may see an item with these values."""
    return within is None or any(
        _has_one(found[name], wanted) for name, wanted in within.any_of.items()
    )


def _has_one(value: Any, wanted: Collection[Any]) -> bool:
    there = value if isinstance(value, tuple) else (value,)
    return any(one in wanted for one in there)


def _lies_in(value: Any, span: ValueRange) -> bool:
    first, last = (_as_stored(bound) for bound in (span.first, span.last))
    return (
        value is not None and (first is None or value >= first) and (last is None or value <= last)
    )


def _as_stored(bound: Any) -> Any:
    """An instant to the millisecond."""
    if not isinstance(bound, datetime):
        return bound
    return bound.replace(microsecond=bound.microsecond // 1_000 * 1_000)
