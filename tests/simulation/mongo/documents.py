"""Documents: how they are kept, found and told by an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from bson import ObjectId

from tests.simulation.mongo.expressions import evaluate
from tests.simulation.mongo.values import MISSING, order

Document: TypeAlias = dict[str, Any]

_ATOMS = frozenset({str, int, bool, float, type(None), bytes, ObjectId})


def stored(value: Any) -> Any:
    """A copy of a value as BSON would keep it: lists for tuples, instants to the millisecond."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict:
        return {name: stored(inner) for name, inner in value.items()}
    if kind is list or kind is tuple:
        return [stored(inner) for inner in value]
    if isinstance(value, datetime):
        aware = value.astimezone(UTC) if value.tzinfo is not UTC else value
        rest = aware.microsecond % 1000
        return aware - timedelta(microseconds=rest) if rest else aware
    if isinstance(value, Mapping):
        return {str(name): stored(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [stored(inner) for inner in value]
    if isinstance(value, str | int | float | bytes):
        return value
    raise TypeError(f"BSON takes no {kind.__name__}: {value!r}")


def copied(value: Any) -> Any:
    """A copy of a stored value, for whoever may change it."""
    if type(value) is dict:
        return {name: copied(inner) for name, inner in value.items()}
    if type(value) is list:
        return [copied(inner) for inner in value]
    return value


def values_at(document: Any, path: Sequence[str]) -> Iterator[Any]:
    """Every value at a path, through the arrays on its way; `MISSING` where there is none."""
    if not path:
        yield document
    elif isinstance(document, dict):
        if path[0] in document:
            yield from values_at(document[path[0]], path[1:])
        else:
            yield MISSING
    elif isinstance(document, list):
        found = False
        for element in document:
            if isinstance(element, dict):
                found = True
                yield from values_at(element, path)
        if not found:
            yield MISSING
    else:
        yield MISSING


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "date": lambda value: isinstance(value, datetime),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "bool": lambda value: isinstance(value, bool),
}


def _compares(operator: str, value: Any, wanted: Any) -> bool:
    left, right = order(value), order(wanted)
    if value is MISSING or left[0] != right[0]:
        return False  # only values of one type are compared
    match operator:
        case "$lt":
            return left < right
        case "$lte":
            return left <= right
        case "$gt":
            return left > right
        case _:
            return left >= right


def _equal(value: Any, wanted: Any) -> bool:
    if wanted is None:
        return value is None or value is MISSING
    if value is MISSING or isinstance(value, bool) is not isinstance(wanted, bool):
        return False
    return bool(value == wanted)


def _holds(document: Document, path: Sequence[str], operator: str, wanted: Any) -> bool:
    found = list(values_at(document, path))
    flat = [*found, *(inner for value in found if isinstance(value, list) for inner in value)]
    match operator:
        case "$eq":
            return any(_equal(value, wanted) for value in flat)
        case "$ne":
            return not any(_equal(value, wanted) for value in flat)
        case "$in":
            return any(_equal(value, one) for value in flat for one in wanted)
        case "$nin":
            return not any(_equal(value, one) for value in flat for one in wanted)
        case "$lt" | "$lte" | "$gt" | "$gte":
            return any(_compares(operator, value, wanted) for value in flat)
        case "$exists":
            return any(value is not MISSING for value in found) is bool(wanted)
        case "$type":
            kinds = [wanted] if isinstance(wanted, str) else wanted
            return any(_TYPES[kind](value) for value in flat for kind in kinds)
        case "$size":
            return any(isinstance(value, list) and len(value) == wanted for value in found)
        case "$not":
            return not _meets(document, path, wanted)
        case "$elemMatch":
            lists = (value for value in found if isinstance(value, list))
            return any(
                matches(element, wanted)
                for elements in lists
                for element in elements
                if isinstance(element, dict)
            )
        case _:
            raise NotImplementedError(operator)


def _meets(document: Document, path: Sequence[str], condition: Any) -> bool:
    if isinstance(condition, Mapping) and any(name.startswith("$") for name in condition):
        return all(_holds(document, path, name, wanted) for name, wanted in condition.items())
    return _holds(document, path, "$eq", condition)


def matches(document: Document, wanted: Mapping[str, Any], now: datetime | None = None) -> bool:
    """Whether a document is one of those that a filter wants."""
    for name, condition in wanted.items():
        if name == "_id" and type(condition) is str:  # by far the most frequent
            if document.get("_id") != condition:
                return False
        elif name == "$or":
            if not any(matches(document, one, now) for one in condition):
                return False
        elif name == "$and":
            if not all(matches(document, one, now) for one in condition):
                return False
        elif name == "$nor":
            if any(matches(document, one, now) for one in condition):
                return False
        elif name == "$expr":
            if not evaluate(condition, document, now):
                return False
        elif not _meets(document, name.split("."), condition):
            return False
    return True


def sort_key(document: Document, keys: Sequence[tuple[str, int]]) -> Any:
    """By what a document is sorted; for mixed directions, see `sorted_by`."""
    return tuple(order(next(values_at(document, name.split(".")))) for name, _ in keys)


def sorted_by(documents: list[Document], keys: Sequence[tuple[str, int]]) -> list[Document]:
    """Documents in an order; those that are equal in it stay as they stood."""
    for name, direction in reversed(keys):
        path = name.split(".")
        documents = sorted(
            documents,
            key=lambda one: order(_sorting(list(values_at(one, path)), direction)),
            reverse=direction < 0,
        )
    return documents


def _sorting(values: list[Any], direction: int) -> Any:
    flat = [inner for v in values for inner in (v if isinstance(v, list) and v else [v])]
    return (min if direction > 0 else max)(flat, key=order)


def index_keys(document: Document, fields: Sequence[str]) -> set[Any]:
    """The keys that an index over these fields has for a document."""
    first = fields[0].split(".")[0]
    inner = [field.split(".")[1:] for field in fields]
    elements = document.get(first)
    if len(fields) > 1 and isinstance(elements, list) and all(inner):
        return {
            tuple(order(next(values_at(element, path))) for path in inner) for element in elements
        }
    keys: list[tuple[Any, ...]] = [()]
    for field in fields:
        found = list(values_at(document, field.split(".")))
        flat = [one for value in found for one in (value if isinstance(value, list) else [value])]
        keys = [(*key, order(one)) for key in keys for one in flat]
    return set(keys)


def projected(document: Document, projection: Any) -> Document:
    """A copy of what is wanted of a document."""
    if not projection:
        return copied(document)  # type: ignore[no-any-return]  # of a dict comes a dict
    if not isinstance(projection, Mapping):
        projection = dict.fromkeys(projection, 1)
    keeps_id = bool(projection.get("_id", 1))
    others = {name: wanted for name, wanted in projection.items() if name != "_id"}
    if (others and not any(others.values())) or not others:
        hidden = {name for name, wanted in projection.items() if not wanted}
        if not others and keeps_id:
            hidden = set(document) - {"_id"}
        return {name: copied(value) for name, value in document.items() if name not in hidden}
    result: Document = {}
    if keeps_id and "_id" in document:
        result["_id"] = document["_id"]
    for name in others:
        _take(document, result, name.split("."))
    return result


def _take(source: Any, target: Document, path: Sequence[str]) -> None:
    if not isinstance(source, dict) or path[0] not in source:
        return
    value = source[path[0]]
    if len(path) == 1:
        target[path[0]] = copied(value)
    elif isinstance(value, dict):
        _take(value, target.setdefault(path[0], {}), path[1:])
    elif isinstance(value, list):
        elements = target.setdefault(path[0], [{} for one in value if isinstance(one, dict)])
        for element, inner in zip((o for o in value if isinstance(o, dict)), elements, strict=True):
            _take(element, inner, path[1:])
