"""Each decision says when it was accepted, and the list of decisions says the same."""

from __future__ import annotations

import re
from typing import Final

from deploy.local.layout import PROJECT

_FOLDER: Final = PROJECT / "docs" / "adr"
_RECORD: Final = re.compile(
    r"# (?P<number>\d+)\. (?P<title>.+)\n\n"
    r"\*\*Status\.\*\* (?P<word>Proposed|Accepted|Replaced) on (?P<day>\d{4}-\d{2}-\d{2})\b"
)


def test_the_list_has_every_decision_with_its_title_and_day() -> None:
    rows = []
    for path in sorted(_FOLDER.glob("[0-9]*.md")):
        record = _RECORD.match(path.read_text(encoding="utf-8"))
        assert record is not None, f"{path.name} has no number, title and status"
        assert path.name.startswith(f"{int(record['number']):04}-")
        rows.append(f"| [{record['number']}]({path.name}) | {record['title']} | {record['day']} |")

    text = (_FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[.+$", text, re.MULTILINE) == rows
