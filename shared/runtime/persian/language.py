"""Choose between the two languages of problems, Persian and English."""

from __future__ import annotations

import re
from typing import Final

ENGLISH: Final = "en"
PERSIAN: Final = "fa"

_NAMES: Final = {"fas": PERSIAN, "per": PERSIAN, "pes": PERSIAN, "eng": ENGLISH}  # ISO 639-2 and -3
_RANGE: Final = re.compile(r"([a-z]{2,8}|\*)(?:[-_][a-z0-9*]{1,8})*", re.IGNORECASE)
_WEIGHT: Final = re.compile(r"\s*q\s*=\s*(0(?:\.[0-9]*)?|1(?:\.0*)?|\.[0-9]+)\s*", re.IGNORECASE)
_MOST_RANGES: Final = 50


def preferred(accept_language: str) -> str:
    """`fa` or `en` by an Accept-Language (RFC 9110, 12.5.4): by weight, then the first one.

    Only the language of a range counts, so `fa-IR` and `fa-AF` are Persian. English is also the
    result for `*`, for other languages only, and for a header that cannot be read.
    """
    weights: dict[str, float] = {}
    for range_ in accept_language.split(",")[:_MOST_RANGES]:
        name, _, parameters = range_.partition(";")
        found = _RANGE.fullmatch(name.strip())
        weight = _weight(parameters)
        if found is None or weight is None:
            continue
        language = found[1].lower()
        language = _NAMES.get(language, language)
        weights[language] = max(weight, weights.get(language, 0.0))
    rest = weights.get("*", 0.0)
    persian, english = weights.get(PERSIAN, 0.0), weights.get(ENGLISH, rest)
    if PERSIAN not in weights or persian == 0:
        return ENGLISH
    if persian != english:
        return PERSIAN if persian > english else ENGLISH
    return PERSIAN if ENGLISH not in weights or _is_first(PERSIAN, weights) else ENGLISH


def _weight(parameters: str) -> float | None:
    if not parameters.strip():
        return 1.0
    found = _WEIGHT.fullmatch(parameters)
    return None if found is None else float(found[1])


def _is_first(language: str, weights: dict[str, float]) -> bool:
    order = list(weights)
    return order.index(language) < order.index(ENGLISH)
