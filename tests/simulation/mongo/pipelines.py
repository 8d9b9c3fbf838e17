"""The stages of an aggregation, as far as the delivery code writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulation.mongo.documents import Document, matches, projected, sorted_by
from tests.simulation.mongo.expressions import evaluate
from tests.simulation.mongo.operations import Work


def staged(operator: str, argument: Any, documents: list[Document], work: Work) -> list[Document]:
    match operator:
        case "$group":
            return _grouped(argument, documents)
        case "$limit":
            return documents[:argument]
        case "$sort":
            return sorted_by(documents, list(argument.items()))
        case "$match":
            return [one for one in documents if matches(one, argument, work.server.now())]
        case "$count":
            return [{argument: len(documents)}] if documents else []
        case "$unwind":
            name = (argument if isinstance(argument, str) else argument["path"])[1:]
            return [{**one, name: inner} for one in documents for inner in one.get(name, ())]
        case "$project":
            return [_computed(one, argument) for one in documents]
        case _:
            raise NotImplementedError(operator)


def _computed(document: Document, shape: Mapping[str, Any]) -> Document:
    plain = all(type(wanted) in (int, bool) for wanted in shape.values())
    if plain:
        return projected(document, shape)
    result = {} if shape.get("_id") == 0 else {"_id": document.get("_id")}
    for name, wanted in shape.items():
        if name == "_id" and wanted == 0:
            continue
        value = f"${name}" if type(wanted) in (int, bool) else wanted
        result[name] = evaluate(value, document, None)
    return result


def _grouped(argument: Mapping[str, Any], documents: list[Document]) -> list[Document]:
    groups: dict[Any, tuple[Any, list[Document]]] = {}
    for document in documents:
        key = evaluate(argument["_id"], document, None)
        groups.setdefault(repr(key), (key, []))[1].append(document)
    rows = []
    for key, members in groups.values():
        row: Document = {"_id": key}
        for name, accumulator in argument.items():
            if name == "_id":
                continue
            ((operator, expression),) = accumulator.items()
            values = [evaluate(expression, member, None) for member in members]
            known = [value for value in values if value is not None]
            match operator:
                case "$sum":
                    row[name] = sum(known)
                case "$min":
                    row[name] = min(known, default=None)
                case "$max":
                    row[name] = max(known, default=None)
                case "$first":
                    row[name] = values[0]
                case "$push":
                    row[name] = values
                case _:
                    raise NotImplementedError(operator)
        rows.append(row)
    return rows
