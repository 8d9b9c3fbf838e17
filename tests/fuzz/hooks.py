"""What Schemathesis loads into its process: values that are there, and how a sheet is sent."""

from __future__ import annotations

import json
import os
from typing import Any, Final
from zlib import crc32

import schemathesis

from tests.fuzz.campaign import KNOWN

_SHEET: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_known: Final[dict[str, list[Any]]] = json.loads(os.environ.get(KNOWN, "{}"))


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Of a body that fits its schema let most fields name what is there."""
    if case.meta and case.meta.generation.mode.is_positive:
        _name_what_is_there(case.body)


def _name_what_is_there(part: Any) -> None:
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for one in inner:
        _name_what_is_there(one)
    if isinstance(part, dict):
        for name in _known.keys() & part.keys():
            chance = crc32(f"{name}{part[name]!r}".encode("utf-8", "replace"))
            if chance % 4:  # the same for the same body, so that a failure comes again
                part[name] = _known[name][chance // 4 % len(_known[name])]


@schemathesis.serializer(_SHEET)
def _as_sheet(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()
