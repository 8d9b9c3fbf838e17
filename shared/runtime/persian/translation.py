"""Translate a sentence to Persian: its words from catalogues, its values isolated.

Without isolation, a Latin name in a Persian sentence would change the order of the text around it
(Unicode's bidirectional algorithm, UAX 9). So each value is between FIRST STRONG ISOLATE and POP
DIRECTIONAL ISOLATE.
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
_ROWS: Final = "rows"  # of a sheet, whose numbers start at 1 already
_LONGEST_VALUE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Persian translations."""

    sentences: Mapping[str, str] = field(default_factory=dict)  # by their English templates
    words: Mapping[str, str] = field(default_factory=dict)  # values that are words: states, steps
    fields: Mapping[str, str] = field(default_factory=dict)  # Persian names of fields


def isolated(value: str) -> str:
    """A value isolated from the text around it, without direction controls of its own."""
    kept = _CONTROLS.sub("", value)
    short = kept if len(kept) <= _LONGEST_VALUE else f"{kept[:_LONGEST_VALUE]}…"
    return f"\u2068{short}\u2069"


class Persian:
    """Translates to Persian by its catalogues; a later one takes precedence."""

    def __init__(self, *catalogues: Catalogue) -> None:
        self._sentences = {k: v for c in catalogues for k, v in c.sentences.items()}
        self._words = {k: v for c in catalogues for k, v in c.words.items()}
        self._fields = {k: v for c in catalogues for k, v in c.fields.items()}

    def has(self, template: str) -> bool:
        """Whether a catalogue has a sentence."""
        return template in self._sentences

    def template(self, template: str) -> str:
        """The Persian template of a sentence. Raises KeyError if there is none."""
        return self._sentences[template]

    def sentence(self, text: str) -> str | None:
        """A sentence in Persian; None if no catalogue has it."""
        template, values = (
            (text.template, text.values) if isinstance(text, Sentence) else (text, {})
        )
        by_values = f"{template}({','.join(sorted(values))})"
        found = self._sentences.get(by_values) or self._sentences.get(template)
        if found is None:
            return None
        try:
            return found.format(**{name: self.value(value) for name, value in values.items()})
        except (KeyError, IndexError, ValueError):  # the sentence needs a value that is missing
            return None

    def value(self, value: object) -> str:
        """A value as a Persian sentence shows it."""
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
        """Whether a field has a Persian name."""
        return name in self._fields

    def label(self, field_name: str) -> str:
        """The Persian name of a field, by its dotted name: `مصوبه‌ها شمارهٔ ۱، مهلت`."""
        parts: list[str] = []
        first = 1
        for step in field_name.split("."):
            if step.isdecimal() and step.isascii():
                number = persian_digits(int(step) + first) if len(step) < 10 else isolated(step)
                parts.append(f"{parts.pop()} شمارهٔ {number}" if parts else f"شمارهٔ {number}")
            else:
                first = 0 if step == _ROWS else 1
                parts.append(self._fields.get(step) or self._words.get(step) or isolated(step))
        return _COMMA.join(parts)
