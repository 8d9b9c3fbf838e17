"""How values are ordered, over all their types."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from bson import ObjectId

MISSING: Final[Any] = object()
"""What stands where a document has no such field."""

_RANK = {type(None): 0, int: 1, float: 1, str: 2, dict: 3, list: 4, bytes: 5, ObjectId: 6, bool: 7}


def order(value: Any) -> tuple[int, Any]:
    """A key by which BSON's values are sorted."""
    if value is MISSING:
        return (-1, 0)
    if isinstance(value, datetime):
        return (8, value)
    rank = _RANK.get(type(value), 9)
    if rank == 3:
        return (rank, tuple((name, order(inner)) for name, inner in value.items()))
    if rank == 4:
        return (rank, tuple(order(inner) for inner in value))
    return (rank, 0 if value is None else value)
