"""The journal gives back what was written, and a line that was cut off stands in nobody's way."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.erase.examples import FILE, TEXTS, erasures, of
from tools.erase.erasures import Erasure, erasure_of, fields_of, line_of
from tools.erase.journal import BadJournal, appending, read


def write(file: Path, *some: Erasure) -> None:
    with appending(file) as note:
        for one in some:
            note(one)


@given(st.lists(erasures, max_size=4))
def test_what_was_written_is_read(some: list[Erasure]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "journal"
        write(file, *some)
        assert list(read(file)) == some


@given(erasures)
def test_a_document_is_read_back(erasure: Erasure) -> None:
    assert erasure_of(erasure.id, fields_of(erasure)) == erasure


def test_a_line_says_what_is_erased_in_names_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    write(file, of(TEXTS))
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "id": "x-1",
        "at": "2026-11-30T19:00:00.123+00:00",
        "who": "c.ahmadi",
        "why": "به درخواست استان",
        "what": "report",
        "session_id": "1402-IR-09",
        "report_id": "r-1",
        "revision": 2,
    }
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kept", range(len(line_of(of(FILE)).encode())))
def test_a_line_that_was_cut_off_was_never_carried_out(tmp_path: Path, kept: int) -> None:
    file = tmp_path / "journal"
    write(file, of(TEXTS))
    with file.open("ab") as out:
        out.write(line_of(of(FILE)).encode()[:kept])
    assert read(file) == [of(TEXTS)]
    write(file, of(FILE, "x-2"))
    assert read(file) == [of(TEXTS), of(FILE, "x-2")]


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        "{}",
        '{"id": "x", "at": "yesterday"}',
        line_of(of(TEXTS)).replace('"report"', '"mail"').strip(),
        line_of(of(TEXTS)).replace("2026", "today").strip(),
    ],
)
def test_a_line_that_is_no_erasure_is_named_and_nothing_is_read(tmp_path: Path, line: str) -> None:
    file = tmp_path / "journal"
    file.write_text(f"{line_of(of(FILE))}{line}\n", encoding="utf-8")
    with pytest.raises(BadJournal, match="line 2: no erasure"):
        read(file)


def test_a_journal_is_written_by_one_process_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    with appending(file), pytest.raises(BadJournal, match="another process"):
        write(file, of(TEXTS))


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadJournal, match="cannot be read"):
        read(tmp_path / "nothing")
    with pytest.raises(BadJournal, match="cannot be written"):
        write(tmp_path / "no folder" / "journal", of(TEXTS))
