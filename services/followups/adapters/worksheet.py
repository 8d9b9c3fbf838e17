"""Collects the rows of a worksheet while its XML is parsed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from services.followups.adapters.cell_values import (
    BROKEN,
    FORMULA,
    Kind,
    Value,
    iso_day_value,
    number_value,
)
from services.followups.adapters.escapes import unescaped
from services.followups.adapters.opc_package import Attributes, UnreadableFile
from services.followups.adapters.spreadsheetml import TAGS, is_true

LAST_ROW: Final = 1_048_576
LAST_COLUMN: Final = 16_384
_WIDEST: Final = 100  # columns that are read

_REFERENCE: Final = re.compile("([A-Z]{1,3})([0-9]{1,7})", re.IGNORECASE)

SparseRow: TypeAlias = tuple[int, dict[int, Value]]
"""The number of a row, from 1, and its values by column, from 0."""


@dataclass(frozen=True, slots=True)
class Merged:
    """Merged cells: a program shows them as one, and all but the first are empty. From 1."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


class RowCollector:
    """Handles the elements of a worksheet, and keeps its rows until they are taken.

    Formatted empty cells, of which there may be millions, leave nothing in memory.
    """

    def __init__(self, strings: Sequence[str], kinds: Sequence[Kind], *, starts_1904: bool) -> None:
        """`strings` are the shared texts, `kinds` what a number means, by the style of its cell."""
        self.width = _WIDEST  # columns beyond it are ignored
        self.merged: list[Merged] = []
        self._strings, self._kinds, self._starts_1904 = strings, kinds, starts_1904
        self._rows: list[SparseRow] = []
        self._row = 0
        self._values: dict[int, Value] = {}
        self._reference: str | None = None  # of the last cell in this row that has one,
        self._cells_since = 0  # and how many cells without one follow it
        self._cell: Attributes = {}
        self._is_formula = self._in_phonetic = False
        self._value: list[str] = []  # of <v>
        self._inline: list[str] = []  # of <is>
        self._text: list[str] | None = None  # the one of these two that is being read

    def take(self) -> list[SparseRow]:
        """Return the rows since the last call, without the empty ones."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, attributes: Attributes) -> None:
        """Handle the start of an element. Raises UnreadableFile."""
        match TAGS.get(name):
            case "c":
                self._cell = attributes
                if (reference := attributes.get("r")) is None:
                    self._cells_since += 1
                else:
                    self._reference, self._cells_since = reference, 0
            case "v":
                self._text = self._value
            case "t":
                self._text = None if self._in_phonetic else self._inline
            case "f":
                self._is_formula = True
            case "row":
                self._begin_row(attributes.get("r"))
            case "rPh":
                self._in_phonetic = True
            case "mergeCell":
                self._merge(attributes.get("ref", ""))

    def end(self, name: str) -> None:
        """Handle the end of an element. Raises UnreadableFile."""
        match TAGS.get(name):
            case "c":
                if self._value or self._inline or self._is_formula:
                    self._end_cell()
            case "v" | "t":
                self._text = None
            case "row":
                if self._values:
                    self._rows.append((self._row, self._values))
                    self._values = {}
            case "rPh":
                self._in_phonetic = False

    def text(self, chunk: str) -> None:
        """Handle a part of a text."""
        if self._text is not None:
            self._text.append(chunk)

    def _begin_row(self, number: str | None) -> None:
        row = self._row + 1 if number is None else int(number)
        if not self._row < row <= LAST_ROW:
            raise UnreadableFile(
                f"it is broken: row {row} comes after row {self._row}, and {LAST_ROW} is the last "
                "row of a sheet; open it in a spreadsheet program and save it again"
            )
        self._row, self._reference, self._cells_since = row, None, 0

    def _end_cell(self) -> None:
        value = FORMULA if self._is_formula else self._cell_value()
        self._is_formula = False
        self._value.clear()
        self._inline.clear()
        column = self._column()
        if column >= self.width or value is None or value == "":
            return
        if column in self._values:
            raise UnreadableFile(f"it is broken: row {self._row} has a cell twice")
        self._values[column] = value

    def _column(self) -> int:
        if self._reference is None:
            return self._cells_since - 1
        row, column = _row_and_column(self._reference)
        if row != self._row:
            raise UnreadableFile(f"it is broken: {self._reference} stands in row {self._row}")
        return column - 1 + self._cells_since

    def _kind(self) -> Kind:
        style = self._cell.get("s")
        place = 0 if style is None else int(style)
        return self._kinds[place] if 0 <= place < len(self._kinds) else "number"

    def _cell_value(self) -> Value:
        value = "".join(self._value)
        match self._cell.get("t", "n"):
            case "s":
                return self._strings[int(value)] if value else None
            case "inlineStr":
                return unescaped("".join(self._inline) or value)
            case "str":
                return unescaped(value)
            case "n":
                if not (number := value.strip()):
                    return None
                return number_value(number, self._kind(), starts_1904=self._starts_1904)
            case "b":
                return None if not value else is_true(value.strip())
            case "d":
                return iso_day_value(value.strip())
            case _:
                return BROKEN

    def _merge(self, range_: str) -> None:
        first, _, last = range_.partition(":")
        first_row, first_column = _row_and_column(first)
        last_row, last_column = _row_and_column(last or first)
        self.merged.append(Merged(first_row, last_row, first_column, last_column))


def _row_and_column(reference: str) -> tuple[int, int]:
    """Row and column of `B7`, counted from 1."""
    found = _REFERENCE.fullmatch(reference)
    column = 0
    for letter in found[1].upper() if found else "":
        column = 26 * column + ord(letter) - 64
    if found is None or not 1 <= column <= LAST_COLUMN or not 1 <= int(found[2]) <= LAST_ROW:
        raise UnreadableFile(f"it is broken: no cell can be called {reference[:20]}")
    return int(found[2]), column
