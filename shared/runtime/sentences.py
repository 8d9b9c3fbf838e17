"""Sentences for people: English text, with the parts that a Persian translation needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self


class Sentence(str):
    """A sentence: a string of its English text, with its template and the values in it."""

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, object]

    @classmethod
    def of(cls, text: str, template: str, values: Mapping[str, object]) -> Self:
        """A sentence with a given English text; `template` is the key of the Persian one."""
        sentence = cls(text)
        sentence.template, sentence.values = template, values
        return sentence

    def __str__(self) -> str:
        return self  # so str() of an exception keeps the template and the values


class OneOf(tuple[str, ...]):
    """Several values of which one is allowed."""

    __slots__ = ()


def sentence(template: str, **values: object) -> Sentence:
    """A sentence from an English template of `str.format` and its values.

    Pass days and numbers as such: each language writes them in its own way. The values of a tuple
    or list are separated by commas.
    """
    text = template.format(**{n: _english(v) for n, v in values.items()}) if values else template
    return Sentence.of(text, template, values)


def _english(value: object) -> str:
    if isinstance(value, OneOf):
        return " or ".join(value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
