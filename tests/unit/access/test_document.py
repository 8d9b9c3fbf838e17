"""The table of rights in the documentation is the one in the data."""

from __future__ import annotations

from tools.access.document import PAGE, page


def test_the_page_has_the_present_rights() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python -m tools.access.document"
    assert "| `followups-‹deputy›` |" in text
