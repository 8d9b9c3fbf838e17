"""Writes what a text, a day, a number, a file name and a sheet may contain: docs/inputs.md.

./peygir inputs            write docs/inputs.md
./peygir inputs --check    exit code 1 if it is not what would be written

The limits are read from the code, and the code decides about the examples.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import TypeAdapter, ValidationError

from services.followups.adapters.bulk_sheet import TITLES
from services.followups.domain import bulk, evidence
from services.followups.settings import FollowupsSettings
from shared.contracts.days import JALALI_YEARS, YEARS
from shared.contracts.events import base
from shared.runtime.official_holidays import BadHolidaysFile, read_overrides
from shared.text import FILLERS, TAKEN_OUT

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "inputs.md"

_INTRODUCTION: Final = """\
# What may be sent

Made by `./peygir inputs` from the code. It applies to events, bodies and parameters of requests,
spreadsheets, headers and settings.
"""

_TEXTS: Final = """
## Texts

A text is kept as it was written. Arabic ي and ك, vowel marks, tatweel and digits of any script
stay, and match their Persian forms in search. ZWNJ stays between letters. Invisible differences
are removed: the characters of the second table are taken out, white space is removed from both
ends, and the rest is composed (Unicode's NFC). So a text that is sent again is the same text. A
tab becomes a space, and in a text of one line a line break does too.

A text shows something if it has a letter, a digit or a sign. White space, combining marks without
a base, variation selectors, characters that are not assigned or of private use, and fillers
({fillers}) show nothing.
"""

_IDS: Final = """
An id is never changed. It is refused if it holds white space, a vertical line, a character of
this table, a mark of direction, a filler or a variation selector; the answer names the character.
A setting with such a character stops the service at its start, with one line that names the
variable. `X-Peygir-User` is 1 to 100 ASCII letters, digits and `. _ @ : + -`.
"""

_DAYS: Final = """
## Days and instants

A day is text such as `2024-03-11`, an instant text of RFC 3339 with an offset, both of the
Gregorian calendar and of the years {first} to {last}. Numbers, booleans and texts of digits are
neither, in every route and every event. Other ways of writing are not guessed: they are refused
with the day that they would mean. Years from {jalali_first} to {jalali_last} are Jalali ones.
"""

_HOLIDAYS: Final = """
The file of `PEYGIR_HOLIDAYS_FILE` is written by people and may hold Jalali days too: with
slashes, in digits of any script. Jalali days with dashes are refused, because TOML's own dates
have dashes and are Gregorian. Anything else stops the service at its start, with one line that
names the day.
"""

_NUMBERS: Final = """
## Numbers

A number is a JSON number, not text and not a boolean. A whole number has no fraction, not even
`.0`, and is at most {largest}, so that it is the same in every language (RFC 8259, section 6). A
share of a work is a whole number from 0 to 100. In settings, numbers are written in ASCII digits.
"""

_FILES: Final = """
## File names

| | |
| --- | --- |
| characters | 1 to {longest}, not only dots and spaces |
| kept | as it was written, without the folders before it (`/` and `\\`) |
| taken out | invisible characters, also marks of direction: they show `txt.exe` as `exe.txt` |
| cut off | dots and blanks at the end |
| changed | the name of a Windows device (`con.pdf`) gets `_` before it |
| refused | control characters, line breaks, letters that were lost on the way (`????.pdf`) |
"""

_SHEETS: Final = """
## Spreadsheets

| | |
| --- | --- |
| form | `.xlsx`, at most {bytes:,} bytes (`PEYGIR_SHEET_LIMIT_BYTES`) and {rows:,} rows |
| read | {columns}; a note has at most {note:,} characters |
| a share | 45, `۴۵`, `45 %`, `٪۴۵`, and 0.45 in a cell of percent format, are 45 |
| cells refused | formulas, errors, days and merged cells in the columns that are read |
| sheets refused | if columns are missing or double |
| files refused | every other kind; the answer names it and says what to do |
"""

_KINDS: Final[Sequence[tuple[str, Any, int, str]]] = (
    ("title", base.Title, base.LONGEST_TITLE, "one line"),
    (
        "name of a person, a body, a place; number of a letter",
        base.Name,
        base.LONGEST_NAME,
        "one line",
    ),
    ("text, note, summary, reason", base.Text, base.LONGEST_TEXT, "several lines"),
    ("comment, required reason", base.Saying, base.LONGEST_TEXT, "several lines"),
    ("short note", base.Brief, base.LONGEST_BRIEF, "several lines"),
    ("short required reason", base.BriefSaying, base.LONGEST_BRIEF, "several lines"),
    ("id", base.Id, base.LONGEST_ID, "no white space"),
)
_DAYS_GIVEN: Final = (
    "2027-01-20", 1803686400, "1803686400", True, "1405-10-30", "۱۴۰۵/۱۰/۳۰", "1404-12-30",
    "1405-07-31", "۲۰۲۷-۰۱-۲۰", "2027/01/20", "2023-02-29", "20-01-2027",
)  # fmt: skip
_INSTANTS_GIVEN: Final = (
    "2027-01-20T09:00:00+03:30", 1803686400, "1405-10-30T09:00:00+03:30", "۱۴۰۵/۱۰/۳۰ ۰۹:۰۰",
    "2027-01-20T09:00:00", "2027-01-20",
)  # fmt: skip
_HOLIDAYS_GIVEN: Final = (
    "2024-03-11", "1402/12/21", "۱۴۰۲/۱۲/۲۱", "1405/2/1", "1405-02-10", "1404/12/30", "2026/04/30",
)  # fmt: skip


def page() -> str:
    """The whole page."""
    return "\n".join(_lines()) + "\n"


def is_stale(path: Path) -> bool:
    """Whether the page at that path is not what would be written."""
    return not path.exists() or path.read_text(encoding="utf-8") != page()


def _lines() -> Iterator[str]:
    yield _INTRODUCTION.rstrip()
    yield _TEXTS.format(fillers=", ".join(_code_point(c) for c in FILLERS))
    yield from _table(("text", "characters", "lines", "may show nothing"), _kinds())
    yield ""
    yield from _table(("taken out of every text", "characters"), _taken_out())
    yield _IDS.rstrip()
    yield _DAYS.format(
        first=YEARS[0], last=YEARS[-1], jalali_first=JALALI_YEARS[0], jalali_last=JALALI_YEARS[-1]
    )
    yield from _table(("sent for a day", "answer"), _answers(base.Day, _DAYS_GIVEN))
    yield ""
    yield from _table(("sent for an instant", "answer"), _answers(base.Instant, _INSTANTS_GIVEN))
    yield _HOLIDAYS
    yield from _table(("written as a holiday", "taken for"), _holidays())
    yield _NUMBERS.format(largest=f"{base.LARGEST_NUMBER:,}").rstrip()
    yield _FILES.format(longest=evidence.LONGEST_NAME).rstrip()
    columns = [TITLES[column] for column in bulk.Column if column in bulk.EDITABLE]
    yield _SHEETS.format(
        bytes=FollowupsSettings.model_fields["sheet_limit_bytes"].default,
        rows=bulk.MOST_ROWS,
        columns="، ".join(columns),
        note=bulk.LONGEST_NOTE,
    ).rstrip()


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"| {' | '.join('---' for _ in heads)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _kinds() -> Iterator[Sequence[str]]:
    for what, kind, longest, lines in _KINDS:
        blank = "yes, and is empty" if _is_taken(kind, "\u200b") else "no"
        shortest = "at most" if blank != "no" else "1 to"
        yield what, f"{shortest} {longest:,}", lines, blank


def _is_taken(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return False
    return True


def _taken_out() -> Iterator[Sequence[str]]:
    for what, characters in TAKEN_OUT.items():
        yield what, _ranges(characters)


def _ranges(characters: str) -> str:
    """A class of `re` in words; of the noncharacters of all planes, the first stand for all."""
    ranges = []
    at = 0
    while at < len(characters):
        first = last = characters[at]
        if characters[at + 1 : at + 2] == "-":
            last, at = characters[at + 2], at + 2
        at += 1
        ranges.append(_code_point(first) + ("" if first == last else f"–{_code_point(last)}"))
    return ", ".join(ranges[:8]) + (", …" if len(ranges) > 8 else "")


def _code_point(character: str) -> str:
    return f"U+{ord(character):04X}"


def _answers(kind: Any, given: Iterable[object]) -> Iterator[Sequence[str]]:
    for value in given:
        try:
            TypeAdapter(kind).validate_python(value)
            answer = "taken"
        except ValidationError as error:
            answer = error.errors()[0]["msg"]
        yield f"`{_json(value)}`", answer


def _json(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


def _holidays() -> Iterator[Sequence[str]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "holidays.json"
        for day in _HOLIDAYS_GIVEN:
            path.write_text(f'{{"added": ["{day}"]}}', encoding="utf-8")
            try:
                (taken,) = read_overrides(path).added
                answer = taken.isoformat()
            except BadHolidaysFile as error:
                answer = str(error).rpartition("': ")[2]
            yield f"`{day}`", answer


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if the page is stale.")
    ] = False,
) -> None:
    """Write docs/inputs.md."""
    if check:
        if is_stale(PAGE):
            typer.echo("docs/inputs.md is stale; run ./peygir inputs", err=True)
        raise typer.Exit(is_stale(PAGE))
    PAGE.write_text(page(), encoding="utf-8")
    print("docs/inputs.md")


if __name__ == "__main__":
    app()
