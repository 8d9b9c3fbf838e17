"""The page about valid input."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.followups.domain import bulk
from shared.contracts.events import base
from tools import inputs


def test_the_files_in_the_repository_are_up_to_date() -> None:
    assert not inputs.is_stale(inputs.PAGE), "run python -m tools.inputs"


def test_the_page_shows_the_limits_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"| title | 1 to {base.LONGEST_TITLE} |" in inputs.page()
    monkeypatch.setattr(bulk, "MOST_ROWS", 12_345)
    assert "12,345 rows" in inputs.page()
    assert inputs.is_stale(inputs.PAGE)


def test_the_code_decides_the_results_of_examples() -> None:
    page = inputs.page()
    assert '| `"1405-10-30"` | 1405-10-30 is a Jalali day; it would be 2027-01-20 |' in page
    assert '| `"2027-01-20"` | taken |' in page
    assert "| `۱۴۰۲/۱۲/۲۱` | 2024-03-11 |" in page


def test_writing_updates_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "inputs.md"
    monkeypatch.setattr(inputs, "PAGE", page)
    assert inputs.is_stale(page)
    inputs.main()
    assert not inputs.is_stale(page)
    page.write_text(f"{inputs.page()}.", encoding="utf-8")
    assert inputs.is_stale(page)
