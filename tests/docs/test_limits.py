"""The limits that the page about HTTP shows are the defaults of the settings."""

from __future__ import annotations

import re
from typing import Final

import pytest

from deploy.local.layout import PROJECT
from shared.runtime.settings import PREFIX, CommonSettings

_TEXT: Final = (PROJECT / "docs" / "http.md").read_text(encoding="utf-8")
_TABLE: Final = _TEXT.partition("## Limits")[2].partition("\n## ")[0]
_ROW: Final = re.compile(
    r"^\| (?P<limit>[^|]+) \| (?P<shown>[^|]+) \| (?P<settings>[^|]*) \|", re.MULTILINE
)
_ROWS: Final = [
    (row["shown"], re.findall(rf"`{PREFIX}(\w+)`", row["settings"]))
    for row in _ROW.finditer(_TABLE)
]


@pytest.mark.parametrize(("shown", "settings"), [row for row in _ROWS if row[1]])
def test_a_default_is_what_the_page_shows(shown: str, settings: list[str]) -> None:
    numbers = {float(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", shown)}
    defaults = [CommonSettings.model_fields[name.lower()].default for name in settings]
    assert set(defaults) <= numbers


def test_every_limit_is_on_the_page() -> None:
    shown = {name for _, settings in _ROWS for name in settings}
    assert len(shown) == 14
    limits = {
        name.upper()
        for name in CommonSettings.model_fields
        if re.search(r"_most$|^(target|header|body)_limit|^(header|body|answer)_seconds$", name)
    }
    assert limits <= shown
