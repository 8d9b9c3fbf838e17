"""Rows of a sheet: what is read, and what is decided."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.followups.adapters.bulk_sheet import TITLES, Cell, Odd, columns_of, read_row
from services.followups.domain import bulk
from services.followups.domain.bulk import LONGEST_NOTE, BadSheet, Column, Edit, StaleRow
from services.followups.domain.facts import Completed, Progressed
from services.followups.domain.refusals import NotNow
from shared.runtime.refusals import NotAllowed
from shared.text import persian_digits
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    CIVIL,
    COMPLETED,
    COORDINATION,
    LATER,
    PROGRESSED,
    SOCIAL,
    after,
    followup,
)

AT_WORK = after(ACKNOWLEDGED, PROGRESSED)  # at 60 %
ID = AT_WORK.followup_id


def row(**cells: Cell) -> Edit:
    usual: dict[Column, Cell] = {Column.FOLLOWUP_ID: ID, Column.VERSION: 3}
    return read_row(7, {**usual, **{Column(name): cell for name, cell in cells.items()}})


def faults(**cells: Cell) -> list[tuple[int, Column | None, str]]:
    with pytest.raises(BadSheet) as refused:
        row(**cells)
    return [(fault.row, fault.column, fault.slug) for fault in refused.value.faults]


def edit(**changes: Any) -> Edit:
    return Edit(**{"row": 7, "followup_id": ID, "version": AT_WORK.version, **changes})


# -- reading ------------------------------------------------------------------------------------


def test_an_untouched_row_is_empty() -> None:
    for blank in (None, "", "  "):
        assert row(progress=blank, note=blank, done=blank).is_empty
    assert not row(progress=0).is_empty


@pytest.mark.parametrize(
    ("cell", "progress"),
    [
        *((0, 0), (100, 100), (40.0, 40), ("40", 40), ("۴۰", 40), ("٤٠", 40), (" ۴۰ ٪", 40)),
        *(("40%", 40), ("۴۰ درصد", 40), (None, None)),
    ],
)
def test_progress_is_read_in_figures_of_any_script(cell: Cell, progress: int | None) -> None:
    assert row(progress=cell).progress == progress


@pytest.mark.parametrize(
    "cell",
    [-1, 101, 0.4, 40.5, "101", "-1", "چهل", "4 0", "1e1", True, "40.0", float("nan"), 1e300, "+1"],
)
def test_a_wrong_progress_is_a_fault(cell: Cell) -> None:
    assert faults(progress=cell) == [(7, Column.PROGRESS, "bad-progress")]


@pytest.mark.parametrize(
    ("cell", "claims"),
    [("بله", True), (" بله ", True), ("خیر", False), ("خير", False), (None, False), ("", False)],
)
def test_a_claim_is_a_yes(cell: Cell, claims: bool) -> None:
    assert row(done=cell).claims is claims


@pytest.mark.parametrize(
    ("cells", "column", "slug"),
    [
        ({"done": "شاید"}, "done", "bad-answer"),
        ({"done": True}, "done", "bad-answer"),
        ({"note": "x" * (LONGEST_NOTE + 1)}, "note", "bad-note"),
        ({"note": 1.5}, "note", "bad-note"),
        ({"followup_id": None}, "followup_id", "bad-id"),
        ({"followup_id": "x" * 201}, "followup_id", "bad-id"),
        ({"version": None}, "version", "bad-version"),
        ({"version": 0}, "version", "bad-version"),
        ({"version": "یک"}, "version", "bad-version"),
        ({"version": "3%"}, "version", "bad-version"),
        ({"note": Odd.FORMULA}, "note", "formula"),
        ({"title": Odd.FORMULA}, "title", "formula"),
        ({"progress": Odd.BROKEN}, "progress", "broken-cell"),
        ({"progress": Odd.TIME}, "progress", "broken-cell"),
    ],
)
def test_a_fault_names_row_and_column(cells: dict[str, Cell], column: str, slug: str) -> None:
    assert faults(**cells) == [(7, Column(column), slug)]


def test_all_faults_of_a_row_are_named() -> None:
    assert len(faults(version=None, progress=101, done="شاید")) == 3


def test_a_note_is_kept_as_it_was_written() -> None:
    assert row(note=" با همکاری استانداری؛ می‌شود\n").note == "با همکاری استانداری؛ می‌شود"
    assert row(note=1402).note == "1402"


TITLE_ROW = list(TITLES.values())


def test_titles_may_be_in_any_order_and_in_arabic_letters() -> None:
    assert columns_of(1, [*TITLE_ROW[::-1], None]) == [*list(TITLES)[::-1], None]
    arabic = [title.replace("ی", "ي").replace("ک", "ك") for title in TITLE_ROW]
    assert columns_of(1, arabic) == list(TITLES)


@pytest.mark.parametrize(
    ("titles", "slugs"),
    [
        ([], {"missing-column"}),
        (TITLE_ROW[:-1], {"missing-column"}),
        (["شناسه", *TITLE_ROW[1:]], {"missing-column", "unknown-column"}),
        ([*TITLE_ROW, "توضیح"], {"unknown-column"}),
        ([*TITLE_ROW, "یادداشت"], {"double-column"}),
        ([Odd.FORMULA, *TITLE_ROW[1:]], {"missing-column", "unknown-column"}),
        ([1, *TITLE_ROW], {"unknown-column"}),
    ],
)
def test_titles_that_are_missing_renamed_or_double_are_named(
    titles: list[Cell], slugs: set[str]
) -> None:
    with pytest.raises(BadSheet) as refused:
        columns_of(3, titles)
    assert {fault.slug for fault in refused.value.faults} == slugs
    assert {fault.row for fault in refused.value.faults} == {3}


def test_rows_of_one_follow_up_are_named() -> None:
    edits = [edit(row=2), edit(row=3, followup_id="other"), edit(row=5), edit(row=9)]
    assert [(f.row, f.column, f.slug) for f in bulk.doubles(edits)] == [
        (5, Column.FOLLOWUP_ID, "double-row"),
        (9, Column.FOLLOWUP_ID, "double-row"),
    ]


# -- deciding -----------------------------------------------------------------------------------


def test_known_values_change_nothing_however_old_the_sheet() -> None:
    assert bulk.decide(AT_WORK, edit(progress=60, version=1), SOCIAL, LATER) == []
    assert bulk.decide(AT_WORK, edit(version=1), SOCIAL, LATER) == []


def test_a_note_alone_is_a_report_with_the_present_progress() -> None:
    assert bulk.decide(AT_WORK, edit(progress=70, note="خوب"), CIVIL, LATER) == [
        Progressed(LATER, "d.karimi", 70, "خوب")
    ]
    assert bulk.decide(AT_WORK, edit(note="خوب"), CIVIL, LATER) == [
        Progressed(LATER, "d.karimi", 60, "خوب")
    ]


def test_the_note_belongs_to_the_claim_and_not_to_the_report_before_it() -> None:
    claim = Completed(LATER, "d.karimi", "با عکس")
    assert bulk.decide(AT_WORK, edit(claims=True, note="با عکس"), CIVIL, LATER) == [claim]
    assert bulk.decide(AT_WORK, edit(claims=True, progress=95, note="با عکس"), CIVIL, LATER) == [
        Progressed(LATER, "d.karimi", 95, None),
        claim,
    ]


@pytest.mark.parametrize(
    ("case", "expected", "column"),
    [
        ((AT_WORK, edit(progress=70, version=2), CIVIL), StaleRow, Column.VERSION),
        ((AT_WORK, edit(progress=70, version=4), CIVIL), StaleRow, Column.VERSION),
        ((AT_WORK, edit(progress=70), COORDINATION), NotAllowed, Column.PROGRESS),
        ((AT_WORK, edit(note="x"), SOCIAL), NotAllowed, Column.FOLLOWUP_ID),
        ((followup(), edit(progress=70, version=1), CIVIL), NotNow, Column.PROGRESS),
        ((after(COMPLETED), edit(claims=True, version=2), CIVIL), NotNow, Column.DONE),
    ],
)
def test_a_refusal_names_its_column(case: Any, expected: Any, column: Column) -> None:
    before, row_edit, by = case
    with pytest.raises(expected) as refused:
        bulk.decide(before, row_edit, by, LATER)
    assert bulk.column_of(refused.value, row_edit) is column


def test_the_refusal_of_a_stale_row_says_what_is_there_now() -> None:
    with pytest.raises(StaleRow, match="version 3 now, in-progress, 60 %"):
        bulk.decide(AT_WORK, edit(progress=70, version=2), CIVIL, LATER)


@given(st.integers(0, 100), st.sampled_from(["{}", "{}%", " {} ", "{}٪"]))
def test_every_figure_is_read_as_it_was_written(figure: int, form: str) -> None:
    for written in (str(figure), persian_digits(figure)):
        assert row(progress=form.format(written)).progress == figure
