"""How a sentence is told in Persian: its words from catalogues, its values isolated.

A Latin name in a Persian sentence would else draw its neighbours to its own side (Unicode's
bidirectional algorithm, UAX 9), so each stands between FIRST STRONG ISOLATE and POP DIRECTIONAL
ISOLATE.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from shared.runtime.calendar import jalali_date_short, jalali_datetime_short
from shared.runtime.sentences import OneOf, Sentence
from shared.text import persian_digits

_CONTROLS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_COMMA: Final = "، "
_OR: Final = " یا "
_ROWS: Final = "rows"  # of a sheet, which counts from 1 itself
_LONGEST_VALUE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What somebody says in Persian."""

    sentences: Mapping[str, str] = field(default_factory=dict)  # by their English templates
    words: Mapping[str, str] = field(default_factory=dict)  # values that are words: states, steps
    fields: Mapping[str, str] = field(default_factory=dict)  # what people call a field


def isolated(value: str) -> str:
    """A value between sentences of the other direction, without controls of its own."""
    kept = _CONTROLS.sub("", value)
    short = kept if len(kept) <= _LONGEST_VALUE else f"{kept[:_LONGEST_VALUE]}…"
    return f"\u2068{short}\u2069"


class Persian:
    """Tells in Persian what its catalogues have, the later ones before the former."""

    def __init__(self, *catalogues: Catalogue) -> None:
        self._sentences = {k: v for c in catalogues for k, v in c.sentences.items()}
        self._words = {k: v for c in catalogues for k, v in c.words.items()}
        self._fields = {k: v for c in catalogues for k, v in c.fields.items()}

    def has(self, template: str) -> bool:
        """Whether there are words for a sentence."""
        return template in self._sentences

    def template(self, template: str) -> str:
        """The Persian template of a sentence. Raises KeyError where there is none."""
        return self._sentences[template]

    def sentence(self, text: str) -> str | None:
        """A sentence in Persian; None where no catalogue has it."""
        template, values = (
            (text.template, text.values) if isinstance(text, Sentence) else (text, {})
        )
        by_values = f"{template}({','.join(sorted(values))})"
        found = self._sentences.get(by_values) or self._sentences.get(template)
        if found is None:
            return None
        try:
            return found.format(**{name: self.value(value) for name, value in values.items()})
        except (KeyError, IndexError, ValueError):  # a value that the sentence needs is not there
            return None

    def value(self, value: object) -> str:
        """A value as it stands in a sentence."""
        match value:
            case Sentence():
                return self.sentence(value) or isolated(value)
            case str():
                known = self._words.get(str(value)) or self._sentences.get(str(value))
                return known if known is not None and "{" not in known else isolated(str(value))
            case bool() | None:
                return isolated(str(value).lower())
            case int():
                return persian_digits(value)
            case float():
                return persian_digits(f"{value:g}").replace(".", "٫")
            case datetime() if value.tzinfo is not None:
                return f"{jalali_datetime_short(value)} ({isolated(value.isoformat())})"
            case date():
                return f"{jalali_date_short(value)} ({isolated(value.isoformat())})"
            case OneOf():
                return _OR.join(map(self.value, value))
            case list() | tuple():
                return _COMMA.join(map(self.value, value)) or "هیچ"
            case _:
                return isolated(str(value))

    def has_field(self, name: str) -> bool:
        """Whether people have a word for a field."""
        return name in self._fields

    def label(self, field_name: str) -> str:
        """What people call a field, by its dotted name: `مصوبه‌ها شمارهٔ ۱، مهلت`."""
        parts: list[str] = []
        first = 1
        for step in field_name.split("."):
            if step.isdecimal() and step.isascii():
                place = persian_digits(int(step) + first) if len(step) < 10 else isolated(step)
                parts.append(f"{parts.pop()} شمارهٔ {place}" if parts else f"شمارهٔ {place}")
            else:
                first = 0 if step == _ROWS else 1
                parts.append(self._fields.get(step) or self._words.get(step) or isolated(step))
        return _COMMA.join(parts)
