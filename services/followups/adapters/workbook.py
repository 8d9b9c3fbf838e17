"""What stands in the cells of a workbook (ECMA-376 part 1, chapter 18; ISO 29500 strict).

Only what says what a cell holds is read: names of sheets, shared texts, number formats and the
cells. Colours, names, charts and properties are passed over, however odd a program wrote them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, TypeAlias

from services.followups.adapters.escapes import unescaped
from services.followups.adapters.package import Attributes, Package, Refused, pieces, read
from shared.text import search_key

LAST_ROW: Final = 1_048_576
LAST_COLUMN: Final = 16_384
_WIDEST: Final = 100  # columns that are looked at

_MAIN: Final = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main ",
    "http://purl.oclc.org/ooxml/spreadsheetml/main ",
    "",  # some programs leave it out
)
_ID: Final = (
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships id",
    "http://purl.oclc.org/ooxml/officeDocument/relationships id",
)
_TAGS: Final = {
    f"{namespace}{tag}": tag
    for namespace in _MAIN
    for tag in (
        *("workbookPr", "sheet", "numFmt", "cellXfs", "xf", "si", "is", "t", "rPh"),
        *("row", "c", "v", "f", "mergeCell"),
    )
}

Kind: TypeAlias = Literal["number", "share", "day", "time"]
Value: TypeAlias = str | int | float | bool | dict[str, Any] | None
Row: TypeAlias = tuple[int, list[Value]]

BROKEN: Final[Value] = {"odd": "broken"}
FORMULA: Final[Value] = {"odd": "formula"}
TIME: Final[Value] = {"odd": "time"}


@dataclass(frozen=True, slots=True)
class Merged:
    """Cells that a program shows as one; all but the first are empty. Counted from 1."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of cells."""

    name: str
    part: str
    is_hidden: bool


class Workbook:
    """A workbook that is open."""

    def __init__(self, package: Package) -> None:
        """Read what its sheets share. Raises Refused, and whatever `package.pieces` does."""
        self._package = package
        root = _only(package, "", "officeDocument") or "xl/workbook.xml"
        if root not in package:
            raise Refused("it is no workbook; send the spreadsheet as .xlsx")
        self._starts_1904 = False
        self.sheets = self._read_sheets(root)
        if not self.sheets:
            raise Refused("it has no sheet of cells")
        strings, styles = (_only(package, root, kind) for kind in ("sharedStrings", "styles"))
        self._strings = [] if strings is None else _texts(package, strings)
        self._kinds = [] if styles is None else _kinds(package, styles)

    def sheet_of(self, titles: Collection[str]) -> Sheet:
        """The sheet whose first row has most of these titles: one that is shown before others.

        Raises Refused where several that are shown have all of them.
        """
        keys = {search_key(title) for title in titles}
        shown_first = sorted(self.sheets, key=lambda sheet: sheet.is_hidden)
        has = {sheet: len(keys & self._first_row(sheet)) for sheet in shown_first}
        whole = [s.name for s in shown_first if has[s] == len(keys) and not s.is_hidden]
        if len(whole) > 1:
            names = ", ".join(f"«{name}»" for name in whole)
            raise Refused(f"the sheets {names} all have the titles; leave the one that counts")
        return max(shown_first, key=has.__getitem__)

    def rows(self, sheet: Sheet) -> Iterator[Row | Merged]:
        """The rows that are not empty, all of one length, and then the cells that are merged.

        As many columns as the first row has. Values are as they are stored: a number that is shown
        as a percentage is `{"share": …}`, a day `{"day": "2024-03-11"}`, what is neither text nor
        number `{"odd": "formula" | "broken" | "time"}`.
        """
        cells = _Cells(self._strings, self._kinds, starts_1904=self._starts_1904)
        width: int | None = None
        heard = pieces(self._package.open(sheet.part), cells.start, cells.end, cells.text)
        for _ in heard:
            for number, values in cells.take():
                if width is None:
                    cells.width = width = max(values) + 1
                yield number, [values.get(place) for place in range(width)]
        yield from cells.merged

    def _read_sheets(self, root: str) -> list[Sheet]:
        leads = self._package.relationships(root)
        found: list[Sheet] = []

        def start(name: str, attributes: Attributes) -> None:
            match _TAGS.get(name):
                case "workbookPr":
                    self._starts_1904 = _is_true(attributes.get("date1904"))
                case "sheet":
                    id_ = next((attributes[id_] for id_ in _ID if id_ in attributes), "")
                    lead = leads.get(id_)
                    if lead is not None and lead.kind == "worksheet":  # others have no cells
                        hidden = attributes.get("state", "visible") != "visible"
                        found.append(Sheet(attributes.get("name", ""), lead.target, hidden))

        read(self._package.open(root), start)
        return found

    def _first_row(self, sheet: Sheet) -> set[str]:
        row = next(self.rows(sheet), None)
        values = [] if row is None or isinstance(row, Merged) else row[1]
        return {search_key(value) for value in values if isinstance(value, str)}


def _only(package: Package, name: str, kind: str) -> str | None:
    leads = package.relationships(name).values()
    return next((lead.target for lead in leads if lead.kind == kind), None)


def _is_true(value: str | None) -> bool:
    return value in {"1", "true", "on"}


# -- texts --------------------------------------------------------------------------------------


def _texts(package: Package, name: str) -> list[str]:
    texts: list[str] = []
    runs: list[str] = []
    in_text = in_phonetic = False

    def start(name: str, _: Attributes) -> None:
        nonlocal in_text, in_phonetic
        match _TAGS.get(name):
            case "t":
                in_text = not in_phonetic
            case "rPh":
                in_phonetic = True
            case "si":
                runs.clear()

    def end(name: str) -> None:
        nonlocal in_text, in_phonetic
        match _TAGS.get(name):
            case "t":
                in_text = False
            case "rPh":
                in_phonetic = False
            case "si":
                texts.append(unescaped("".join(runs)))

    def text(piece: str) -> None:
        if in_text:
            runs.append(piece)

    read(package.open(name), start, end, text)
    return texts


# -- number formats -----------------------------------------------------------------------------

_BUILT_IN: Final[Mapping[int, Kind]] = {  # ECMA-376 part 1, 18.8.30; East Asian ones included
    **dict.fromkeys((9, 10), "share"),
    **dict.fromkeys((*range(14, 18), 22, *range(27, 37), *range(50, 59)), "day"),
    **dict.fromkeys((*range(18, 22), *range(45, 48)), "time"),
}
_ELAPSED: Final = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_LITERAL: Final = re.compile(r'"[^"]*"?|\\.|_.|\*.|\[[^\]]*\]|General|E[+-]', re.IGNORECASE)


def kind_of(code: str) -> Kind:
    """What numbers are that are shown by a format: `0.0%` a share, `yyyy/mm/dd` a day."""
    plain = _LITERAL.sub("", _ELAPSED.sub(r"\1", code)).lower()
    if "%" in plain:
        return "share"
    if "d" in plain or "y" in plain:
        return "day"
    if "h" in plain or "s" in plain:
        return "time"
    return "day" if "m" in plain else "number"


def _kinds(package: Package, name: str) -> list[Kind]:
    """What numbers are, by the style of their cell."""
    own: dict[int, Kind] = {}
    ids: list[int] = []
    in_cells = False

    def start(name: str, attributes: Attributes) -> None:
        nonlocal in_cells
        match _TAGS.get(name):
            case "numFmt":
                own[_whole(attributes.get("numFmtId"))] = kind_of(attributes.get("formatCode", ""))
            case "cellXfs":
                in_cells = True
            case "xf" if in_cells:
                ids.append(_whole(attributes.get("numFmtId")))

    def end(name: str) -> None:
        nonlocal in_cells
        if _TAGS.get(name) == "cellXfs":
            in_cells = False

    read(package.open(name), start, end)
    return [own.get(id_) or _BUILT_IN.get(id_, "number") for id_ in ids]


def _whole(value: str | None) -> int:
    return int(value) if value is not None and value.isdecimal() else 0


# -- cells --------------------------------------------------------------------------------------

_REFERENCE: Final = re.compile("([A-Z]{1,3})([0-9]{1,7})", re.IGNORECASE)
_WHOLE: Final = re.compile("-?[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([Ee][+-]?[0-9]+)?")
_FIRST_GREGORIAN: Final = date(1582, 10, 15)
_ISO_DAY: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T.*)?")


class _Cells:
    """Hears of a sheet's elements, and keeps the rows until they are taken.

    There may be millions of cells that are formatted and empty: nothing is made of those.
    """

    def __init__(self, strings: Sequence[str], kinds: Sequence[Kind], *, starts_1904: bool) -> None:
        self.width = _WIDEST  # columns beyond it are passed over
        self.merged: list[Merged] = []
        self._strings, self._kinds, self._starts_1904 = strings, kinds, starts_1904
        self._rows: list[tuple[int, dict[int, Value]]] = []
        self._row = 0
        self._cells: dict[int, Value] = {}
        self._last: str | None = None  # the last cell of the row that says where it stands,
        self._since = 0  # and how many that do not came after it
        self._cell: Attributes = {}
        self._is_formula = self._in_phonetic = False
        self._value: list[str] = []  # of <v>
        self._inline: list[str] = []  # of <is>
        self._into: list[str] | None = None

    def take(self) -> list[tuple[int, dict[int, Value]]]:
        """The rows since it was last asked; those that are empty are left out."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, attributes: Attributes) -> None:
        match _TAGS.get(name):
            case "c":
                self._cell = attributes
                if (reference := attributes.get("r")) is None:
                    self._since += 1
                else:
                    self._last, self._since = reference, 0
            case "v":
                self._into = self._value
            case "t":
                self._into = None if self._in_phonetic else self._inline
            case "f":
                self._is_formula = True
            case "row":
                self._begin_row(attributes.get("r"))
            case "rPh":
                self._in_phonetic = True
            case "mergeCell":
                self._merge(attributes.get("ref", ""))

    def end(self, name: str) -> None:
        match _TAGS.get(name):
            case "c":
                if self._value or self._inline or self._is_formula:
                    self._end_cell()
            case "v" | "t":
                self._into = None
            case "row":
                if self._cells:
                    self._rows.append((self._row, self._cells))
                    self._cells = {}
            case "rPh":
                self._in_phonetic = False

    def text(self, piece: str) -> None:
        if self._into is not None:
            self._into.append(piece)

    def _begin_row(self, told: str | None) -> None:
        row = self._row + 1 if told is None else int(told)
        if not self._row < row <= LAST_ROW:
            raise Refused(
                f"it is broken: row {row} comes after row {self._row}, and {LAST_ROW} is the last "
                "that can be; open it in a spreadsheet program and save it again"
            )
        self._row, self._last, self._since = row, None, 0

    def _end_cell(self) -> None:
        value = FORMULA if self._is_formula else self._read()
        self._is_formula = False
        self._value.clear()
        self._inline.clear()
        place = self._place()
        if place >= self.width or value is None or value == "":
            return
        if place in self._cells:
            raise Refused(f"it is broken: row {self._row} has a cell twice")
        self._cells[place] = value

    def _place(self) -> int:
        if self._last is None:
            return self._since - 1
        row, column = _reference(self._last)
        if row != self._row:
            raise Refused(f"it is broken: {self._last} stands in row {self._row}")
        return column - 1 + self._since

    def _kind(self) -> Kind:
        style = self._cell.get("s")
        place = 0 if style is None else int(style)
        return self._kinds[place] if 0 <= place < len(self._kinds) else "number"

    def _read(self) -> Value:
        value = "".join(self._value)
        match self._cell.get("t", "n"):
            case "s":
                return self._strings[int(value)] if value else None
            case "inlineStr":
                return unescaped("".join(self._inline) or value)
            case "str":
                return unescaped(value)
            case "n":
                return self._number(value.strip())
            case "b":
                return None if not value else _is_true(value.strip())
            case "d":
                found = _ISO_DAY.fullmatch(value.strip())
                return BROKEN if found is None else _day(date.fromisoformat(found[1]))
            case _:
                return BROKEN

    def _number(self, value: str) -> Value:
        if not value:
            return None
        if (kind := self._kind()) == "number" and _WHOLE.fullmatch(value):
            return int(value)
        if not _NUMBER.fullmatch(value) or not math.isfinite(number := float(value)):
            return BROKEN
        match kind:
            case "share":
                return {"share": number}
            case "day":
                return day_of(number, starts_1904=self._starts_1904)
            case "time":
                return TIME
            case _:
                return number

    def _merge(self, told: str) -> None:
        first, _, last = told.partition(":")
        (first_row, first_column), (last_row, last_column) = map(_reference, (first, last or first))
        self.merged.append(Merged(first_row, last_row, first_column, last_column))


def _reference(told: str) -> tuple[int, int]:
    """Row and column of `B7`, counted from 1."""
    found = _REFERENCE.fullmatch(told)
    column = 0
    for letter in found[1].upper() if found else "":
        column = 26 * column + ord(letter) - 64
    if found is None or not 1 <= column <= LAST_COLUMN or not 1 <= int(found[2]) <= LAST_ROW:
        raise Refused(f"it is broken: there can be no cell {told[:20]}")
    return int(found[2]), column


def day_of(serial: float, *, starts_1904: bool) -> Value:
    """The day of a serial number; of one below 1, which is a time of day, none.

    The system of 1900 has a 29 February 1900 that never was: serials up to it count from a day
    later. Of days before 1582 LibreOffice alone writes numbers: of the Julian calendar, for what
    was mostly meant as a Jalali day.
    """
    number = math.floor(serial)
    if number == 0 and not starts_1904:
        return TIME
    if number == 60 and not starts_1904:
        return BROKEN
    begin = date(1904, 1, 1) if starts_1904 else date(1899, 12, 31 if 1 <= number < 60 else 30)
    try:
        day = begin + timedelta(days=number)
        return _day(day if day >= _FIRST_GREGORIAN else _julian(day))
    except (OverflowError, ValueError):
        return BROKEN


def _julian(day: date) -> date:
    """The same day as the Julian calendar counted it. Raises ValueError where Python's has none."""
    days = day.toordinal() + 1_753_507  # from 1 March 4801 BC on
    year, days = divmod(4 * days + 3, 1_461)
    month, days = divmod(5 * (days // 4) + 2, 153)
    return date(year - 4_800 + month // 10, (month + 2) % 12 + 1, days // 5 + 1)


def _day(day: date) -> Value:
    return {"day": day.isoformat()}
