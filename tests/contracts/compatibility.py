"""Whether a version of an event changed only by optional fields.

Old messages are kept for ever and old readers go on reading, so both have to do with a change:
a narrower field refuses old messages, a wider one sends old readers what they refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

_ANNOTATIONS: Final = frozenset({"$schema", "$defs", "title", "description", "examples"})
_UPPER: Final = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems"})
_LOWER: Final = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems"})
_OLD_MESSAGES: Final = "old messages are refused"
_OLD_READERS: Final = "old readers refuse new messages"


@dataclass(frozen=True, slots=True)
class Break:
    """What breaks, where (the field's dotted name, empty for the data itself), and for whom."""

    field: str
    change: str
    for_whom: str

    def __str__(self) -> str:
        return f"{self.field or 'data'}: {self.change}: {self.for_whom}"


@dataclass(frozen=True, slots=True)
class _Node:
    """A part of a schema with its references resolved and `null` separated."""

    root: Schema
    keywords: Schema
    nullable: bool

    @classmethod
    def of(cls, root: Schema, schema: Schema) -> _Node:
        keywords, nullable = dict(schema), False
        choices = keywords.get("anyOf", [])
        if {"type": "null"} in choices:
            nullable = True
            others = [choice for choice in choices if choice != {"type": "null"}]
            del keywords["anyOf"]
            keywords |= others[0] if len(others) == 1 else {"anyOf": others}
        while "$ref" in keywords:
            name = keywords.pop("$ref").removeprefix("#/$defs/")
            keywords = {**root["$defs"][name], **keywords}
        return cls(root, keywords, nullable)

    def properties(self) -> Schema:
        found: Schema = self.keywords.get("properties", {})
        return found

    def required(self) -> frozenset[str]:
        return frozenset(self.keywords.get("required", ()))


def breaks(old: Schema, new: Schema) -> list[Break]:
    """Every change between two JSON Schemas of an event except added optional fields."""
    return list(_compare("", _Node.of(old, old), _Node.of(new, new)))


def added(old: Schema, new: Schema) -> list[str]:
    """The dotted names of the fields that only the new schema has."""
    return list(_added("", _Node.of(old, old), _Node.of(new, new)))


def _compare(field: str, old: _Node, new: _Node) -> Iterator[Break]:
    if old.nullable and not new.nullable:
        yield Break(field, "may no longer be null", _OLD_MESSAGES)
    if new.nullable and not old.nullable:
        yield Break(field, "may now be null", _OLD_READERS)
    for keyword in sorted({*old.keywords, *new.keywords} - _ANNOTATIONS):
        before, after = old.keywords.get(keyword), new.keywords.get(keyword)
        match keyword:
            case "properties":
                yield from _properties(field, old, new)
            case "required":
                yield from _required(field, old, new)
            case "items" if before is not None and after is not None:
                yield from _compare(
                    f"{field}[]", _Node.of(old.root, before), _Node.of(new.root, after)
                )
            case _ if before != after:
                yield from _keyword(field, keyword, before, after)


def _properties(field: str, old: _Node, new: _Node) -> Iterator[Break]:
    for name, schema in old.properties().items():
        if name not in new.properties():
            yield Break(_join(field, name), "is gone", "old readers miss it")
        else:
            yield from _compare(
                _join(field, name),
                _Node.of(old.root, schema),
                _Node.of(new.root, new.properties()[name]),
            )


def _required(field: str, old: _Node, new: _Node) -> Iterator[Break]:
    for name in sorted(new.required() - old.required()):
        yield Break(_join(field, name), "is now required", _OLD_MESSAGES)
    for name in sorted(old.required() - new.required()):
        if name in new.properties():
            yield Break(_join(field, name), "is no longer required", "old readers ask for it")


def _keyword(field: str, keyword: str, before: Any, after: Any) -> Iterator[Break]:
    difference = f"{keyword} {before!r} -> {after!r}"
    if keyword == "enum" and isinstance(before, list) and isinstance(after, list):
        if gone := [value for value in before if value not in after]:
            yield Break(field, f"no longer takes {gone}", _OLD_MESSAGES)
        if came := [value for value in after if value not in before]:
            yield Break(field, f"now takes {came}", _OLD_READERS)
    elif keyword in _UPPER | _LOWER:
        yield Break(field, difference, _limit(keyword, before, after))
    elif keyword == "default":
        yield Break(field, difference, "old messages without it change their meaning")
    else:
        yield Break(field, difference, "the field is another one")


def _limit(keyword: str, before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return _OLD_MESSAGES if before is None else _OLD_READERS
    narrower = after < before if keyword in _UPPER else after > before
    return _OLD_MESSAGES if narrower else _OLD_READERS


def _added(field: str, old: _Node, new: _Node) -> Iterator[str]:
    for name, schema in new.properties().items():
        if name not in old.properties():
            yield _join(field, name)
        else:
            yield from _added(
                _join(field, name),
                _Node.of(old.root, old.properties()[name]),
                _Node.of(new.root, schema),
            )
    if "items" in old.keywords and "items" in new.keywords:
        yield from _added(
            f"{field}[]",
            _Node.of(old.root, old.keywords["items"]),
            _Node.of(new.root, new.keywords["items"]),
        )


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name
