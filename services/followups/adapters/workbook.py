"""Reads the cells of a workbook (ECMA-376 part 1, chapter 18; ISO 29500 strict).

Only what decides the values of cells is read: the names of sheets, shared texts, number formats
and the cells. Colours, defined names, charts and properties are ignored, however a program wrote
them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from services.followups.adapters.cell_values import BUILT_IN_KINDS, Kind, Value, kind_of
from services.followups.adapters.escapes import unescaped
from services.followups.adapters.opc_package import (
    Attributes,
    Package,
    UnreadableFile,
    parse,
    parse_in_chunks,
)
from services.followups.adapters.spreadsheetml import TAGS, is_true, relationship_id
from services.followups.adapters.worksheet import Merged, RowCollector
from shared.text import search_key

Row: TypeAlias = tuple[int, list[Value]]
"""The number of a row, from 1, and its values."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet of cells."""

    name: str
    part: str
    is_hidden: bool


class Workbook:
    """An open workbook."""

    def __init__(self, package: Package) -> None:
        """Read what its sheets share.

        Raises UnreadableFile, and the other errors of `opc_package.parse_in_chunks`.
        """
        self._package = package
        root = _first_target(package, "", "officeDocument") or "xl/workbook.xml"
        if root not in package:
            raise UnreadableFile("it is no workbook; send the spreadsheet as .xlsx")
        self._starts_1904 = False
        self.sheets = self._read_sheets(root)
        if not self.sheets:
            raise UnreadableFile("it has no sheet of cells")
        strings = _first_target(package, root, "sharedStrings")
        styles = _first_target(package, root, "styles")
        self._strings = [] if strings is None else _shared_strings(package, strings)
        self._kinds = [] if styles is None else _kinds_by_style(package, styles)

    def sheet_of(self, titles: Collection[str]) -> Sheet:
        """The sheet whose first row has most of these titles; visible sheets come first.

        Raises UnreadableFile if several visible sheets have all of them.
        """
        keys = {search_key(title) for title in titles}
        visible_first = sorted(self.sheets, key=lambda sheet: sheet.is_hidden)
        matches = {sheet: len(keys & self._first_row(sheet)) for sheet in visible_first}
        complete = [s.name for s in visible_first if matches[s] == len(keys) and not s.is_hidden]
        if len(complete) > 1:
            names = ", ".join(f"«{name}»" for name in complete)
            raise UnreadableFile(
                f"the sheets {names} all have the titles; leave the one that counts"
            )
        return max(visible_first, key=matches.__getitem__)

    def rows(self, sheet: Sheet) -> Iterator[Row | Merged]:
        """The rows that are not empty, each as long as the first one; then the merged cells."""
        collector = RowCollector(self._strings, self._kinds, starts_1904=self._starts_1904)
        width: int | None = None
        part = self._package.open(sheet.part)
        for _ in parse_in_chunks(part, collector.start, collector.end, collector.text):
            for number, values in collector.take():
                if width is None:
                    collector.width = width = max(values) + 1
                yield number, [values.get(column) for column in range(width)]
        yield from collector.merged

    def _read_sheets(self, root: str) -> list[Sheet]:
        relationships = self._package.relationships(root)
        found: list[Sheet] = []

        def start(name: str, attributes: Attributes) -> None:
            match TAGS.get(name):
                case "workbookPr":
                    self._starts_1904 = is_true(attributes.get("date1904"))
                case "sheet":
                    relationship = relationships.get(relationship_id(attributes))
                    # Other kinds of sheets have no cells.
                    if relationship is not None and relationship.kind == "worksheet":
                        hidden = attributes.get("state", "visible") != "visible"
                        sheet = Sheet(attributes.get("name", ""), relationship.target, hidden)
                        found.append(sheet)

        parse(self._package.open(root), start)
        return found

    def _first_row(self, sheet: Sheet) -> set[str]:
        row = next(self.rows(sheet), None)
        values = [] if row is None or isinstance(row, Merged) else row[1]
        return {search_key(value) for value in values if isinstance(value, str)}


def _first_target(package: Package, name: str, kind: str) -> str | None:
    relationships = package.relationships(name).values()
    return next((r.target for r in relationships if r.kind == kind), None)


def _shared_strings(package: Package, name: str) -> list[str]:
    strings: list[str] = []
    runs: list[str] = []
    in_text = in_phonetic = False

    def start(name: str, _: Attributes) -> None:
        nonlocal in_text, in_phonetic
        match TAGS.get(name):
            case "t":
                in_text = not in_phonetic
            case "rPh":
                in_phonetic = True
            case "si":
                runs.clear()

    def end(name: str) -> None:
        nonlocal in_text, in_phonetic
        match TAGS.get(name):
            case "t":
                in_text = False
            case "rPh":
                in_phonetic = False
            case "si":
                strings.append(unescaped("".join(runs)))

    def text(chunk: str) -> None:
        if in_text:
            runs.append(chunk)

    parse(package.open(name), start, end, text)
    return strings


def _kinds_by_style(package: Package, name: str) -> list[Kind]:
    """What a number means, by the style of its cell."""
    custom: dict[int, Kind] = {}
    format_ids: list[int] = []
    in_cell_formats = False

    def start(name: str, attributes: Attributes) -> None:
        nonlocal in_cell_formats
        match TAGS.get(name):
            case "numFmt":
                code = attributes.get("formatCode", "")
                custom[_whole_number(attributes.get("numFmtId"))] = kind_of(code)
            case "cellXfs":
                in_cell_formats = True
            case "xf" if in_cell_formats:
                format_ids.append(_whole_number(attributes.get("numFmtId")))

    def end(name: str) -> None:
        nonlocal in_cell_formats
        if TAGS.get(name) == "cellXfs":
            in_cell_formats = False

    parse(package.open(name), start, end)
    return [custom.get(id_) or BUILT_IN_KINDS.get(id_, "number") for id_ in format_ids]


def _whole_number(value: str | None) -> int:
    return int(value) if value is not None and value.isdecimal() else 0
