"""Scorecards as files: Persian, right to left, and never a formula."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from services.followups.adapters import chart, csv_file, xlsx_file
from services.followups.adapters.csv_file import harmless
from services.followups.domain.scorecard_table import ScorecardTable, scorecard_table
from services.followups.domain.scores import By
from shared.contracts.reference import AXIS_TITLES_FA
from shared.runtime.safe_text import isolated
from shared.text import persian_digits
from tests.pictures import SCORECARD
from tests.unit.followups.examples import unhurried
from tests.unit.followups.scoreboards import season

ON = date(2024, 3, 11)
SVG = "{http://www.w3.org/2000/svg}"
MARKS = "\u202b\u202c"


def rows_of_csv(board_: ScorecardTable) -> list[list[str]]:
    text = csv_file.write(board_).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline="")))


def rows_of_xlsx(board_: ScorecardTable) -> Sequence[Sequence[object]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(xlsx_file.write(board_)))
    return book.get_sheet_by_index(0).to_python(skip_empty_area=False)


def texts(svg: ET.Element) -> list[str]:
    return [(text.text or "").strip(MARKS) for text in svg.iter(f"{SVG}text")]


def of(*ids: str) -> ScorecardTable:
    """Return a table with one follow-up for each of these axes."""
    counts = {id_: {"state:opened": 1, "age:2024-03-01": 1} for id_ in ids}
    return scorecard_table(By.AXIS, ON, [("civil", counts)])


# -- CSV ----------------------------------------------------------------------------------------


def test_csv_begins_with_the_byte_order_mark_that_excel_needs() -> None:
    content = csv_file.write(season())
    assert content.startswith("\ufeffمعاونت,شناسه,کل,باز,".encode())
    assert content.endswith(b"\r\n")


def test_csv_has_one_line_per_scorecard_and_a_total() -> None:
    head, *rows = rows_of_csv(season())
    assert {len(row) for row in rows} == {len(head)}
    assert rows[4][:3] == ["معاونت عمرانی", "civil", str(season().rows[4].card.total)]
    assert rows[-1][:3] == ["جمع", "", str(season().total.total)]
    share = head.index("سهم تأییدشده")
    assert float(rows[-1][share]) == season().total.verified_share


def test_a_share_of_nothing_is_an_empty_cell() -> None:
    head, *rows = rows_of_csv(scorecard_table(By.AXIS, ON, [("civil", {})]))
    for name in ("سهم تأییدشده", "سهم به‌موقع از تأییدشده", "میانه‌ی عمر بازها (روز)"):
        assert {row[head.index(name)] for row in rows} == {""}


FORMULAS = [
    *("=1+1", "+1", "-1", "@SUM(A1)", "\t1", "\r1", "\n1", "  =1"),
    *("＝1", "＋1", "－1", "＠x"),
]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_looks_like_a_formula_is_escaped(text: str) -> None:
    assert harmless(text) == f"'{text}"
    cells = [row[1] for row in rows_of_csv(of(text))]
    assert f"'{text}" in cells
    assert text not in cells


@pytest.mark.parametrize("text", ["معاونت عمرانی", "a-b", "", "سهم (روز)", "کهگیلویه و بویراحمد"])
def test_ordinary_text_stays(text: str) -> None:
    assert harmless(text) == text


@unhurried
@given(st.text("=+-@\"',;\n\r\t آ۱x", min_size=1, max_size=8))
def test_csv_reads_back_any_id(id_: str) -> None:
    found = [row[1] for row in rows_of_csv(of(id_))]
    assert harmless(id_) in found


# -- XLSX ---------------------------------------------------------------------------------------


def test_a_workbook_is_right_to_left_with_a_jalali_date_above() -> None:
    content = xlsx_file.write(season())
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
    assert 'rightToLeft="1"' in sheet
    assert "<f>" not in sheet
    rows = rows_of_xlsx(season())
    assert rows[0][0] == ("کارنامه‌ی پیگیری مصوبات به تفکیک معاونت – پایان روز دوشنبه ۲۱ اسفند ۱۴۰۲")
    assert content == xlsx_file.write(season()), "no clock is in it"


def test_numbers_of_a_workbook_are_numbers_and_say_what_csv_says() -> None:
    _title, _empty, head, *rows = rows_of_xlsx(season())
    plain_head, *plain = rows_of_csv(season())
    assert head == plain_head
    assert len(rows) == len(plain)
    for row, texts_ in zip(rows, plain, strict=True):
        assert row[:2] == texts_[:2]
        for value, text in zip(row[2:], texts_[2:], strict=True):
            if text:
                assert isinstance(value, int | float)
                assert value == float(text)
            else:
                assert value == ""


@pytest.mark.parametrize("text", [*FORMULAS[:4], "https://example.org"])
def test_texts_of_a_workbook_are_never_formulas_or_links(text: str) -> None:
    content = xlsx_file.write(of(text))
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        sheet = parts.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    assert text in [row[1] for row in rows_of_xlsx(of(text))]


# -- SVG ----------------------------------------------------------------------------------------


def test_a_chart_has_a_title_and_a_description_and_loads_nothing() -> None:
    content = chart.write(season())
    svg = ET.fromstring(content)
    title, desc = svg.find(f"{SVG}title"), svg.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert (title.text or "").endswith("دوشنبه ۲۱ اسفند ۱۴۰۲")
    assert f"کل {persian_digits(season().total.total)}" in (desc.text or "")
    assert svg.get("aria-labelledby") == "title desc"
    assert content.count(b"http") == 1, "the namespace alone"
    assert b"<script" not in content


def test_each_bar_is_as_long_as_its_total_and_begins_on_the_right() -> None:
    svg = ET.fromstring(chart.write(season()))
    bars = svg.findall(f"{SVG}g")
    assert len(bars) == len(season().rows)
    pixels = set()
    for bar, row in zip(bars, season().rows, strict=True):
        rects = bar.findall(f"{SVG}rect")
        right = max(float(r.attrib["x"]) + float(r.attrib["width"]) for r in rects)
        assert right == pytest.approx(680, abs=0.1)
        pixels.add(round(sum(float(r.attrib["width"]) for r in rects) / row.card.total, 2))
        shown = bar.findtext(f"{SVG}title") or ""
        assert shown.startswith(f"{isolated(row.title_fa)}: کل {persian_digits(row.card.total)}؛")
        assert f"تأییدشده {persian_digits(row.card.verified)}، " in shown
        assert {isolated(row.title_fa), persian_digits(row.card.total)} <= set(texts(bar))
    assert len(pixels) == 1, "one scale for all"


@pytest.mark.parametrize("by", By)
def test_a_chart_of_nothing_is_a_chart(by: By) -> None:
    svg = ET.fromstring(chart.write(scorecard_table(by, ON, [("civil", {})])))
    assert persian_digits(0) in texts(svg)


def test_no_bar_is_longer_than_the_chart_and_ticks_are_few() -> None:
    for total in (1, 6, 7, 99, 1_000, 999_999):
        counts = {"": {"state:verified": total}}
        svg = ET.fromstring(chart.write(scorecard_table(By.DEPUTY, ON, [("civil", counts)])))
        (bar,) = svg.findall(f"{SVG}g")
        (rect,) = bar.findall(f"{SVG}rect")
        assert 70 <= float(rect.attrib["x"]) < 680
        assert 2 <= len(svg.findall(f"{SVG}line")) <= 7


@unhurried
@example("crisis")
@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1))
def test_any_name_is_text_in_the_chart(id_: str) -> None:
    bars = ET.fromstring(chart.write(of(id_))).findall(f"{SVG}g")
    start = f"{isolated(AXIS_TITLES_FA.get(id_, id_))}: "
    assert any((bar.findtext(f"{SVG}title") or "").startswith(start) for bar in bars)


def test_every_file_says_what_is_left_out() -> None:
    whole = season()
    partial = replace(whole, partial=("social", "own"))
    said = "ناقص است: پایگاه داده‌ی این‌ها پاسخ نداد و در اعداد نیست: معاونت اجتماعی و فرهنگی، own"
    assert rows_of_csv(partial)[-1] == [said]
    assert rows_of_xlsx(partial)[-1][0] == said
    assert said in texts(ET.fromstring(chart.write(partial)))
    for without in (csv_file.write(whole), chart.write(whole)):
        assert "ناقص" not in without.decode("utf-8-sig")
    assert "ناقص" not in str(rows_of_xlsx(whole))


def test_the_picture_of_the_docs_is_what_the_code_draws() -> None:
    assert SCORECARD.read_bytes() == chart.write(season()), "python -m tests.pictures"
