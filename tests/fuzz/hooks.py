"""Hooks that Schemathesis loads: use existing values in bodies, and send a sheet."""

from __future__ import annotations

import json
import os
from typing import Any, Final
from zlib import crc32

import schemathesis

from shared.runtime.access import Action, Who, reach
from shared.runtime.http.access import ACTION_EXTENSION
from tests.access.policy.world import principal
from tests.fuzz.campaign import KNOWN, WHO

_SHEET: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_known: Final[dict[str, list[Any]]] = json.loads(os.environ.get(KNOWN, "{}"))
_who: Final = os.environ.get(WHO, "")


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Use existing values in most fields of a body that is valid by its schema."""
    if case.meta and case.meta.generation.mode.is_positive:
        _use_existing_values(case.body)


@schemathesis.hook
def after_call(_context: Any, case: Any, response: Any) -> None:
    """Without a right nothing succeeds: the answer is 401, 403, or a refusal of what was sent."""
    named = case.operation.definition.raw.get(ACTION_EXTENSION)
    if not _who or named is None or case.method == "OPTIONS":  # that tells the methods alone
        return
    allowed = reach(principal(Who(_who)), Action(named))
    assert allowed or response.status_code >= 400, (
        f"{_who} has no right to {named}, and {case.method} {case.path} answers "
        f"{response.status_code}"
    )


def _use_existing_values(part: Any) -> None:
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for value in inner:
        _use_existing_values(value)
    if isinstance(part, dict):
        for name in _known.keys() & part.keys():
            chance = crc32(f"{name}{part[name]!r}".encode("utf-8", "replace"))
            if chance % 4:  # equal for equal bodies, so that a failure is repeated
                part[name] = _known[name][chance // 4 % len(_known[name])]


@schemathesis.serializer(_SHEET)
def _as_sheet(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else repr(value).encode()
