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
    body = case.body
    if not (isinstance(body, dict) and case.meta and case.meta.generation.mode.is_positive):
        return
    chance = crc32(repr(sorted(body)).encode())
    for number, name in enumerate(sorted(_known.keys() & body.keys())):
        values = _known[name]
        if (chance >> number) % 4:
            body[name] = values[(chance >> number) // 4 % len(values)]


@schemathesis.serializer(_SHEET)
def _as_sheet(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()
