"""What a cell may contain, whichever program wrote it, and how other contents are refused."""

from __future__ import annotations

from datetime import date

import pytest

from services.followups.adapters.cell_values import day_of, kind_of
from services.followups.domain.bulk import BadSheet, Column, Edit
from tests.sheets.raw import (
    DAY,
    DAY_AND_TIME,
    PERCENT,
    RIAL,
    TIME,
    Cells,
    inline,
    number,
    packed,
    parts,
    row,
    rows,
)
from tests.unit.followups.sheets import edits_here, refused

PROGRESS, NOTE, DONE = Column.PROGRESS, Column.NOTE, Column.DONE


def edit_of(cells: Cells, **others: str) -> Edit:
    """The edit that is read from a row with these cells."""
    (edit,) = edits_here(packed(parts(rows(cells), **others)))  # type: ignore[arg-type]
    return edit


def refusal_of(cells: Cells, properties: str = "") -> str:
    """The slug and the message of the only fault."""
    with pytest.raises(BadSheet) as bad:
        edits_here(packed(parts(rows(cells), properties=properties)))
    (fault,) = bad.value.faults
    assert (fault.row, fault.column) == (2, next(iter(cells)))
    return f"{fault.slug}: {fault.message}"


def marked(text: str) -> str:
    """A text between invisible marks, as right-to-left programs write it."""
    return f"\u200f\u202b{text}\u202c\u200f"


# -- progress -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "progress"),
    [
        *((number(40), 40), (number("40.0"), 40), (number("4E1"), 40), (number(" 40 "), 40)),
        *((number("1E2"), 100), (number("1e+2"), 100), (number(0), 0), (number("-0"), 0)),
        *((number("30.000000000000004"), 30), (number("28.999999999999996"), 29)),
        *((number(1), 1), (number(40, RIAL), 40), (number("40", style=99), 40)),
        *((number("0.5", PERCENT), 50), (number(1, PERCENT), 100), (number(0, PERCENT), 0)),
        *((number("0.28999999999999998", PERCENT), 29), (number("0.07", PERCENT), 7)),
        *((number("5.5E-1", PERCENT), 55), (number("0.01", PERCENT), 1)),
        *((inline("۴۰"), 40), (inline("٤٠"), 40), (inline("۴۰٪"), 40), (inline("٪۴۰"), 40)),
        *((inline("40 %"), 40), (inline("%40"), 40), (inline("۴۰ درصد"), 40)),
        *((inline(marked("۴۰٪")), 40), (inline(marked("40")), 40), (inline("\xa0۴۰\xa0٪"), 40)),
        *((inline("\u200e40\u200e%"), 40), (inline("040"), 40), (inline("４０％"), 40)),
        *((('t="str"', "<v>40</v>"), 40), (('t="n"', "<v>40</v>"), 40)),
        *((inline(""), None), (inline(marked(" ")), None), (('s="1"', ""), None)),
        *((('t="s"', "<v/>"), None), (('t="inlineStr"', ""), None)),
    ],
)
def test_progress_is_read_as_it_is_shown(cell: tuple[str, str], progress: int | None) -> None:
    assert edit_of({PROGRESS: cell}).progress == progress


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        *((number("1.0000000002"), "1.0000000002"), (number("33.333"), "33.333")),
        *((number(-1), "-1"), (number(101), "101"), (number("0.5"), "0.5")),
        *((number("1E+30"), "1e+30"), (number("99.9999999999"), "99.9999999999")),
        *((number("0.333", PERCENT), "33.3 %"), (number(50, PERCENT), "5000 %")),
        *((number("-0.5", PERCENT), "-50 %"), (number("1.01", PERCENT), "101 %")),
        *((inline("30.0"), "«30.0»"), (inline("1e2"), "«1e2»"), (inline("-5"), "«-5»")),
        *((inline("۳۰٫۵"), "«۳۰٫۵»"), (inline("101"), "«101»"), (inline("چهل"), "«چهل»")),
        *((inline("10 000"), "«10 000»"), (inline("%40%"), "«%40%»"), (inline("+5"), "«+5»")),
        (('t="b"', "<v>1</v>"), "TRUE"),
        (inline("۱۴۰۲/۱۲/۲۱"), "the day 2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
        (inline(marked("1402-12-21")), "the day 2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
        (inline("2024-03-11"), "the day 2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
        (inline("۱۴۰۲/۱۲/۳۰"), "«۱۴۰۲/۱۲/۳۰»"),  # there is no such day
        (inline("x" * 100), f"«{'x' * 40}…»"),
    ],
)
def test_what_is_not_a_percentage_is_refused_and_shown(cell: tuple[str, str], shown: str) -> None:
    refusal = refusal_of({PROGRESS: cell})
    assert refusal.startswith("bad-progress: «پیشرفت تازه (درصد)» is a whole number from 0 to 100")
    assert shown in refusal


# -- days ---------------------------------------------------------------------------------------

SINCE_1904 = '<workbookPr date1904="1"/>'


@pytest.mark.parametrize(
    ("cell", "properties", "day"),
    [
        (number(45362, DAY), "", "2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
        (number("45362.75", DAY_AND_TIME), "", "2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
        (number(43900, DAY), SINCE_1904, "2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
        (number(43900, DAY), '<workbookPr date1904="true"/>', "2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
        (number(45362, DAY), '<workbookPr date1904="0"/>', "2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
        (('t="d" s="2"', "<v>2024-03-11</v>"), "", "2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
        (('t="d"', "<v>2024-03-11T09:30:00.000Z</v>"), "", "2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
        # 1402-12-21, typed into LibreOffice
        (number(-181526, DAY), "", "2024-03-11 (۱۴۰۲/۱۲/۲۱)"),
    ],
)
@pytest.mark.parametrize("column", [PROGRESS, NOTE, DONE])
def test_a_day_in_another_column_is_shown_in_both_calendars(
    column: Column, cell: tuple[str, str], properties: str, day: str
) -> None:
    refusal = refusal_of({column: cell}, properties)
    assert refusal.startswith("broken-cell: ")
    assert f"the day {day}; format the cell as text" in refusal


def test_days_in_columns_that_are_not_read_do_no_harm() -> None:
    cells = {
        Column.DUE_ON: number(45362, DAY),
        Column.ORIGINAL_DUE_ON: number("0.5", TIME),
        Column.LEVEL: number("0.5", PERCENT),
        PROGRESS: number(40),
    }
    assert edit_of(cells).progress == 40


def test_a_time_is_not_a_percentage() -> None:
    assert "a time" in refusal_of({PROGRESS: number("0.4375", TIME)})
    assert "a time" in refusal_of({NOTE: number("0.25", DAY_AND_TIME)})


def test_serial_numbers_are_days_of_their_system() -> None:
    """The 29th of February 1900 never existed."""

    def day(serial: float, *, starts_1904: bool = False) -> object:
        return day_of(serial, starts_1904=starts_1904)

    assert day(1) == {"day": "1900-01-01"}
    assert day(59) == {"day": "1900-02-28"}
    assert day(60) == {"odd": "broken"}
    assert day(61) == {"day": "1900-03-01"}
    assert day(0.5) == {"odd": "time"}
    assert day(2_958_465) == {"day": date.max.isoformat()}
    assert day(1e15) == day(2_958_466) == {"odd": "broken"}
    assert day(0, starts_1904=True) == {"day": "1904-01-01"}
    assert day(-115_858) == {"day": "1582-10-15"}
    assert day(-115_859) == {"day": "1582-10-04"}
    assert day(-181_526) == {"day": "1402-12-21"}
    assert day(-1e7) == {"odd": "broken"}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *(("General", "number"), ("#,##0.00", "number"), ("0.00E+00", "number"), ("@", "number")),
        *(("0%", "share"), ("0.0%;[Red]-0.0%", "share"), ("# ?/?", "number")),
        *(('0"%"', "number"), (r"0\%", "number"), ("0٪", "number"), ("0_%", "number")),
        *(("yyyy/mm/dd", "day"), ("[$-fa-IR,96]d mmmm yyyy;@", "day"), ("mmm", "day")),
        *(("h:mm", "time"), ("[h]:mm:ss", "time"), ("mm:ss.0", "time"), ("[s]", "time")),
        *(('#,##0 "day"', "number"), ("[Red]0", "number"), ("[$ریال-429]\\ #,##0", "number")),
        *(("dd/mm/yyyy\\ h:mm", "day"), ("", "number"), ('0"', "number")),
    ],
)
def test_a_number_format_says_what_a_number_means(code: str, kind: str) -> None:
    assert kind_of(code) == kind


# -- texts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inner", "note"),
    [
        ("<is><t>یک</t></is>", "یک"),
        ("<is><r><t>یک</t></r><r><rPr><b/></rPr><t xml:space='preserve'> دو</t></r></is>", "یک دو"),
        ("<is><t>یک</t><r><t> دو</t></r></is>", "یک دو"),
        ("<is><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></is>", "東京"),
        ("<is><t>&#1740;&#x6A9;</t></is>", "یک"),
        ("<is><t><![CDATA[a<b]]></t></is>", "a<b"),
        ("<is><t>سطر یک\nسطر دو</t></is>", "سطر یک\nسطر دو"),
        ("<is><t>یک_x000D_\nدو</t></is>", "یک\nدو"),
        ("<is><t>_x005F_x000D_</t></is>", "_x000D_"),
        ("<is><t>_xD83D__xDE00_</t></is>", "😀"),
        ("<is><t>_xD83D_</t></is>", "\ufffd"),
        ("<is><t>_x12_ _x00ZZ_</t></is>", "_x12_ _x00ZZ_"),
        ("<is></is><v>یک</v>", "یک"),
    ],
)
def test_a_text_is_read_however_it_is_written(inner: str, note: str) -> None:
    assert edit_of({NOTE: ('t="inlineStr"', inner)}).note == note
    shared = inner.replace("is>", "si>")
    if not shared.endswith("</v>"):
        assert edit_of({NOTE: ('t="s"', "<v>0</v>")}, strings=shared).note == note


def test_empty_texts_keep_their_places() -> None:
    strings = "<si/><si><t/></si><si><t>سه</t></si>"
    assert edit_of({NOTE: ('t="s"', "<v>2</v>")}, strings=strings).note == "سه"
    assert edit_of({NOTE: ('t="s"', "<v>0</v>")}, strings=strings).note is None


def test_a_whole_number_is_a_note_and_other_numbers_are_not() -> None:
    assert edit_of({NOTE: number(1402)}).note == "1402"
    for cell, shown in ((number("1.5"), "1.5"), (number("0.5", PERCENT), "50 %")):
        assert f"not {shown}" in refusal_of({NOTE: cell})


def test_invisible_marks_do_no_harm() -> None:
    cells = {
        Column.FOLLOWUP_ID: inline(marked(" f-1 ")),
        Column.VERSION: inline(marked("۳")),
        DONE: inline(marked("بله")),
    }
    assert edit_of(cells) == Edit(2, "f-1", 3, claims=True)


# -- other contents -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inner",
    ["<f>30+10</f><v>40</v>", "<f>30+10</f>", "<f t='shared' si='0'/><v>40</v>", "<f/><v></v>"],
)
def test_a_formula_is_refused_with_advice(inner: str) -> None:
    assert "formula: " in refusal_of({PROGRESS: ("", inner)})
    assert "paste its value" in refusal_of({NOTE: ('t="str"', inner)})


@pytest.mark.parametrize(
    "cell",
    [
        *(('t="e"', "<v>#REF!</v>"), ('t="e"', "<v>#N/A</v>"), ('t="x"', "<v>1</v>")),
        *(("", "<v>0,5</v>"), ("", "<v>1_0</v>"), ("", "<v>nan</v>"), ("", "<v>1e999</v>")),
        *(("", "<v>۴۰</v>"), ('t="d"', "<v>today</v>"), ('s="2"', "<v>60</v>")),
    ],
)
def test_an_error_is_refused(cell: tuple[str, str]) -> None:
    for column in (PROGRESS, NOTE, DONE):
        assert "broken-cell: " in refusal_of({column: cell})


def test_truth_values_are_not_an_answer() -> None:
    assert "«بله», «خیر» or empty, and not TRUE" in refusal_of({DONE: ('t="b"', "<v>1</v>")})
    assert "not FALSE" in refusal_of({DONE: ('t="b"', "<v>0</v>")})


def test_merged_cells_are_refused_if_something_is_written_in_them() -> None:
    other = row(3, {Column.FOLLOWUP_ID: inline("f-2"), Column.VERSION: number(1)})

    def merged(reference: str, **cells: tuple[str, str]) -> bytes:
        data = rows({Column(name): cell for name, cell in cells.items()}) + other
        after = f'<mergeCells count="1"><mergeCell ref="{reference}"/></mergeCells>'
        return packed(parts(data, after=after))

    forty = number(40)
    assert refused(merged("M2:M3", progress=forty)) == [(2, PROGRESS, "merged-cells")]
    assert refused(merged("L2:N1048576", progress=forty)) == [
        (2, PROGRESS, "merged-cells"),
        (2, NOTE, "merged-cells"),
    ]
    for harmless in ("M2:N2", "E2:E3", "P2:P9", "M1:M1", "M9:N12", "M2"):
        first, second = edits_here(merged(harmless, progress=forty))
        assert (first.progress, second.progress) == (40, None)
    assert all(edit.is_empty for edit in edits_here(merged("M2:M3")))


def test_added_columns_are_refused_and_those_without_a_title_do_no_harm() -> None:
    def added(*cells: str) -> bytes:
        end = "".join((*cells, "</row>"))
        return packed(parts(rows({PROGRESS: number(40)}).replace("</row>", end, 1)))

    mine, other = (
        f'<c r="{letter}1" t="inlineStr"><is><t>{title}</t></is></c>'
        for letter, title in (("P", "نظر من"), ("R", "جمع"))
    )
    with pytest.raises(BadSheet) as bad:
        edits_here(added(mine, other))
    assert [fault.slug for fault in bad.value.faults] == ["unknown-column"] * 2
    assert "column 18 has the title «جمع»" in bad.value.faults[1].message
    helper = '<c r="Q2"><f>M2*2</f><v>80</v></c></row>'
    untitled = rows({PROGRESS: number(40)}).removesuffix("</row>") + helper
    assert [edit.progress for edit in edits_here(packed(parts(untitled)))] == [40]
