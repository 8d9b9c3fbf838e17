"""Sentences for people: English as they stand, with what it takes to tell them in Persian."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self


class Sentence(str):
    """A sentence, which is its English text, with its template and the values in it."""

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, object]

    @classmethod
    def of(cls, text: str, template: str, values: Mapping[str, object]) -> Self:
        """A sentence whose English text is another's; `template` finds its Persian one."""
        sentence = cls(text)
        sentence.template, sentence.values = template, values
        return sentence

    def __str__(self) -> str:
        return self  # an exception that is made of a sentence tells it whole


class OneOf(tuple[str, ...]):
    """Several values of which one is wanted."""

    __slots__ = ()


def sentence(template: str, **values: object) -> Sentence:
    """A sentence of an English template, as `str.format` has it, and values.

    Days and numbers may be given as they are: each language writes them in its own way. Several
    values in a tuple or list are separated by commas.
    """
    text = template.format(**{n: _english(v) for n, v in values.items()}) if values else template
    return Sentence.of(text, template, values)


def _english(value: object) -> str:
    if isinstance(value, OneOf):
        return " or ".join(value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
