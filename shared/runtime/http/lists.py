"""Lists answer a page and an opaque cursor, which points behind the page's last item."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from shared.runtime.problems import invalid_field

Item = TypeVar("Item")

Limit: TypeAlias = Annotated[int, Query(ge=1, le=500, description="Longest page wanted.")]
DEFAULT_LIMIT = 100


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next_cursor: str | None = Field(None, description="Asks for the next page; null on the last.")


def fitting(
    item: Item | None, key: str, after: tuple[Any, ...] | None, fields: Mapping[str, object]
) -> list[Item]:
    """What a list answers to whoever asks for one id: the item of that id, where it stands behind
    the cursor and its fields are as wanted; else nothing.

    `key` is the field by which the list is sorted. A field of many values fits where the wanted
    one is among them.
    """
    if item is None or (after is not None and getattr(item, key) <= after[0]):
        return []
    return [item] if all(_fits(getattr(item, name), v) for name, v in fields.items()) else []


def _fits(value: object, wanted: object) -> bool:
    return wanted in value if isinstance(value, tuple) else value == wanted


class SortKeys:
    """The keys that a list is sorted by, and their cursor: a dependency of its route.

        BY_DUE = SortKeys(date, str)

        async def followups(after: Annotated[tuple[Any, ...] | None, Depends(BY_DUE)]): ...

    gives the route the keys of the last item that its caller has seen, or None at the start. A
    list's last key has to be unique. Kinds are those that JSON can tell: str, int, float, bool,
    date, AwareDatetime, or a union with None.
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
        """The cursor behind an item with these keys."""
        text = self._adapter.dump_json(keys)
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode("ascii")

    def read(self, cursor: str) -> tuple[Any, ...]:
        """The keys that a cursor holds. Raises Problem 422 where it is none of this list."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            text = base64.b64decode(padded, altchars=b"-_", validate=True)
            return self._adapter.validate_json(text, strict=True)
        except (UnicodeEncodeError, binascii.Error, ValidationError) as error:
            raise invalid_field("cursor", "not a cursor of this list") from error
