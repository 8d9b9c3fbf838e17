"""Aggregation expressions, as far as the delivery code writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from tests.simulation.mongo.values import order


def evaluate(expression: Any, document: Mapping[str, Any], now: datetime | None) -> Any:
    """The value of an expression for a document; None stands for what is missing too."""
    if isinstance(expression, str):
        if expression == "$$NOW":
            return now
        if expression.startswith("$$ROOT"):
            return document
        if expression.startswith("$"):
            return _field(document, expression[1:].split("."))
        return expression
    if isinstance(expression, list):
        return [evaluate(one, document, now) for one in expression]
    if not isinstance(expression, Mapping):
        return expression
    operators = [name for name in expression if name.startswith("$")]
    if not operators:
        return {name: evaluate(one, document, now) for name, one in expression.items()}
    (operator,) = operators
    argument = expression[operator]
    if operator == "$literal":
        return argument
    if operator == "$cond":
        if isinstance(argument, Mapping):
            argument = [argument["if"], argument["then"], argument["else"]]
        condition, yes, no = argument
        return evaluate(yes if evaluate(condition, document, now) else no, document, now)
    return _OPERATORS[operator](evaluate(argument, document, now))


def _field(value: Any, path: list[str]) -> Any:
    for name in path:
        if isinstance(value, list):
            return [_field(one, path[path.index(name) :]) for one in value]
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _plus(left: Any, right: Any) -> Any:
    if isinstance(left, datetime) and not isinstance(right, datetime):
        return left + timedelta(milliseconds=right)
    if isinstance(right, datetime):
        return right + timedelta(milliseconds=left)
    return left + right


def _compared(left: Any, right: Any) -> int:
    before, after = order(left), order(right)
    return int(before > after) - int(before < after)


def _added(values: list[Any]) -> Any:
    total = values[0]
    for one in values[1:]:
        total = None if total is None or one is None else _plus(total, one)
    return total


def _subtracted(values: list[Any]) -> Any:
    left, right = values
    if isinstance(left, datetime) and isinstance(right, datetime):
        return int((left - right).total_seconds() * 1000)
    return left - timedelta(milliseconds=right) if isinstance(left, datetime) else left - right


def _sized(value: Any) -> int:
    return len(value[0] if len(value) == 1 and isinstance(value[0], list) else value)


_OPERATORS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "$and": all,
    "$or": any,
    "$not": lambda value: not (value[0] if isinstance(value, list) else value),
    "$eq": lambda value: value[0] == value[1],
    "$ne": lambda value: value[0] != value[1],
    "$lt": lambda value: _compared(*value) < 0,
    "$lte": lambda value: _compared(*value) <= 0,
    "$gt": lambda value: _compared(*value) > 0,
    "$gte": lambda value: _compared(*value) >= 0,
    "$in": lambda value: value[0] in value[1],
    "$add": _added,
    "$subtract": _subtracted,
    "$multiply": lambda value: value[0] * value[1],
    "$max": lambda value: max((one for one in value if one is not None), default=None),
    "$min": lambda value: min((one for one in value if one is not None), default=None),
    "$ifNull": lambda value: next((one for one in value if one is not None), None),
    "$size": _sized,
}
