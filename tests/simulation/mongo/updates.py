"""What an update makes of a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tests.simulation.mongo.documents import Document, copied, matches, stored
from tests.simulation.mongo.expressions import evaluate
from tests.simulation.mongo.values import order


def updated(document: Document, update: Any, *, now: datetime, inserted: bool = False) -> Document:
    """A new document: the old one after an update, or a replacement that keeps its id."""
    if isinstance(update, Sequence):
        return _piped(document, update, now)
    if not any(name.startswith("$") for name in update):
        replacement: Document = stored(update)
        if "_id" in document:
            replacement = {"_id": document["_id"], **replacement}
        return replacement
    result: Document = copied(document)
    for operator, changes in update.items():
        for name, argument in changes.items():
            _change(result, name.split("."), operator, stored(argument), inserted, now)
    return result


def from_filter(wanted: Mapping[str, Any]) -> Document:
    """What an upsert begins with where nothing was found."""
    document: Document = {}
    for name, condition in wanted.items():
        if name.startswith("$"):
            continue
        if isinstance(condition, Mapping) and any(key.startswith("$") for key in condition):
            if "$eq" in condition:
                _set(document, name.split("."), stored(condition["$eq"]))
        else:
            _set(document, name.split("."), stored(condition))
    return document


def _piped(document: Document, stages: Sequence[Mapping[str, Any]], now: datetime) -> Document:
    result: Document = copied(document)
    for stage in stages:
        ((operator, argument),) = stage.items()
        if operator in {"$set", "$addFields"}:
            values = {name: stored(evaluate(one, result, now)) for name, one in argument.items()}
            for name, value in values.items():
                _set(result, name.split("."), value)
        elif operator == "$unset":
            for name in [argument] if isinstance(argument, str) else argument:
                _unset(result, name.split("."))
        else:
            raise NotImplementedError(operator)
    return result


def _change(
    document: Document, path: list[str], operator: str, argument: Any, inserted: bool, now: datetime
) -> None:
    old = _get(document, path)
    if operator == "$unset":
        _unset(document, path)
    elif operator == "$currentDate":
        _set(document, path, stored(now))
    elif operator == "$setOnInsert":
        if inserted:
            _set(document, path, argument)
    else:
        new = _NEW[operator](old, argument)
        if new is not old or operator == "$set":
            _set(document, path, new)


def _greater(old: Any, new: Any) -> Any:
    return new if old is None or order(new) > order(old) else old


def _less(old: Any, new: Any) -> Any:
    return new if old is None or order(new) < order(old) else old


_NEW: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "$set": lambda _, new: new,
    "$inc": lambda old, by: (old or 0) + by,
    "$max": _greater,
    "$min": _less,
    "$push": lambda old, new: [*(old or []), *_each(new)],
    "$addToSet": lambda old, new: [*(old or []), *(o for o in _each(new) if o not in (old or []))],
    "$pull": lambda old, gone: [one for one in old or [] if not _pulled(one, gone)],
    "$pullAll": lambda old, gone: [one for one in old or [] if one not in gone],
}
"""What a field becomes, of what it was and what the update says."""


def _each(argument: Any) -> Sequence[Any]:
    if isinstance(argument, dict) and "$each" in argument:
        each: Sequence[Any] = argument["$each"]
        return each
    return [argument]


def _pulled(element: Any, condition: Any) -> bool:
    if isinstance(condition, dict):
        if any(name.startswith("$") for name in condition):
            return matches({"x": element}, {"x": condition})
        return isinstance(element, dict) and matches(element, condition)
    return bool(element == condition)


def _get(document: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(document, dict) or name not in document:
            return None
        document = document[name]
    return document


def _set(document: Document, path: list[str], value: Any) -> None:
    for name in path[:-1]:
        inner = document.get(name)
        if not isinstance(inner, dict):
            inner = document[name] = {}
        document = inner
    document[path[-1]] = value


def _unset(document: Any, path: list[str]) -> None:
    for name in path[:-1]:
        document = document.get(name) if isinstance(document, dict) else None
    if isinstance(document, dict):
        document.pop(path[-1], None)
