"""The audit trail as JSON Lines and CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime

from shared.messaging.ledger.chain import authority_document
from tests.unit.audit.trails import AT, AUTHORITY, WHO, trail
from tools.audit.exporting import COLUMNS, Format, Row, Writer, row_of, rows_of_read
from tools.audit.trail import Selection


def _written(rows: list[Row], format_: Format) -> str:
    out = io.StringIO(newline="")
    writer = Writer(out, format_)
    for row in rows:
        writer.write(row)
    return out.getvalue()


def test_an_event_says_who_what_when_from_where_and_by_what() -> None:
    (entry,) = trail(1)
    line = json.loads(_written([row_of(entry)], "jsonl"))
    assert tuple(line) == COLUMNS
    assert (line["by"], line["roles"], line["token"]) == ("c.ahmadi", "coordination", "t-1")
    assert (line["client"], line["address"]) == ("board", "10.0.0.7")
    assert (line["at"], line["version"]) == ("2026-11-30T12:00:00.000+00:00", 1)
    assert json.loads(line["data"]) == {"progress": 1}
    assert bytes.fromhex(line["hash"]) == entry.hash


def test_both_formats_say_the_same() -> None:
    rows = [row_of(entry) for entry in trail(3)]
    lines = [json.loads(line) for line in _written(rows, "jsonl").splitlines()]
    table = list(csv.DictReader(io.StringIO(_written(rows, "csv"))))
    assert table == [{name: str(value) for name, value in line.items()} for line in lines]


def test_no_line_of_a_table_is_a_formula() -> None:
    (entry,) = trail(1)
    row = row_of(replace(entry, who=replace(WHO, by="=HYPERLINK()")))
    (line,) = csv.DictReader(io.StringIO(_written([row], "csv")))
    assert line["by"] == "'=HYPERLINK()"


def test_a_read_is_a_line_for_each_report() -> None:
    read = {
        "_id": 1,
        "at": AT,
        "by": "c.ahmadi",
        "roles": ["coordination"],
        "authority": authority_document(AUTHORITY),
        "texts": True,
        "reports": ["r-1", "r-2"],
        "axes": ["security"],
    }
    rows = list(rows_of_read("reports", read))
    assert [row["aggregate"] for row in rows] == ["r-1", "r-2"]
    assert {row["what"] for row in rows} == {"read texts"}
    assert {row["token"] for row in rows} == {"t-1"}
    assert tuple(rows[0]) == COLUMNS


def test_a_selection_is_a_filter_of_both() -> None:
    since, until = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    whole = Selection("f", "c.ahmadi", since, until)
    common = {"by": "c.ahmadi", "at": {"$gte": since, "$lt": until}}
    assert whole.of_commits() == {**common, "events.aggregate_id": "f"}
    assert whole.of_reads() == {**common, "reports": "f"}
    assert Selection().of_commits() == {}
