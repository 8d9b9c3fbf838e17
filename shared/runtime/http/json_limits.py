"""How deep, how long and how full a JSON body may be."""

from __future__ import annotations

from collections.abc import Iterable

from shared.runtime.http.limits import RequestLimits
from shared.runtime.problems import FieldError, Problem
from shared.runtime.sentences import sentence


def require_simple(document: object, limits: RequestLimits) -> None:
    """Raise Problem 422 `too-complex` for a document beyond the limits; stops at the first one.

    The limits hold whatever a route makes of the document: a deep or endless one would occupy the
    process before any field of it is refused.
    """
    values = 0
    level, depth = [document], 0
    while level:
        values += len(level)
        if values > limits.json_values:
            raise _too_complex(
                sentence("A body may have {most} values; send it in parts", most=limits.json_values)
            )
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner.extend(value.values())
                _require_short(value, limits)
            elif isinstance(value, list):
                inner.extend(value)
            elif isinstance(value, str):
                _require_short((value,), limits)
        depth += any(isinstance(value, dict | list) for value in level)
        if depth > limits.json_depth:
            raise too_deep(limits)
        level = inner


def too_deep(limits: RequestLimits) -> Problem:
    """422 for lists and objects inside too many others."""
    template = "Lists and objects may be inside each other {most} times"
    return _too_complex(sentence(template, most=limits.json_depth))


def _require_short(texts: Iterable[str], limits: RequestLimits) -> None:
    if any(len(text) > limits.json_characters for text in texts):
        template = "A text of a body may have {most} characters"
        raise _too_complex(sentence(template, most=limits.json_characters))


def _too_complex(why: str) -> Problem:
    error = FieldError("body", why, pointer="")
    return Problem(422, "too-complex", "The body is too complex", why, errors=[error])
