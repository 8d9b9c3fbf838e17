"""What people and programs get to see: tables on a terminal, else lines, or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.deadletter.body import Line, body_lines, header_lines, plain
from tools.deadletter.book import Deed, Mended, Page
from tools.deadletter.grouping import Entry, Group, age
from tools.deadletter.letters import Headers, Letter, written
from tools.deadletter.replaying import Replayed

_WRONG: Final = "   ⟵ "
_LONGEST_CELL: Final = 120


def write(text: str) -> None:
    """One line to standard output; what has no encoding is escaped."""
    sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "backslashreplace"))
    sys.stdout.flush()


def write_json(document: Any) -> None:
    """One JSON document; Persian stays readable."""
    write(json.dumps(document, ensure_ascii=False, indent=2))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal, lines with tabs elsewhere."""
    if not sys.stdout.isatty():
        write("\t".join(columns))
        for row in rows:
            write("\t".join(plain(cell).replace("\n", " ") for cell in row))
        return
    shown = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(plain(cell)) for cell in row))
    Console().print(shown)


def show_groups(formed: Sequence[Group], by: str, now: datetime) -> None:
    """The groups, each with its states and ages."""
    rows = [
        (
            group.name,
            str(group.count),
            ", ".join(f"{count} {state}" for state, count in group.states.items()),
            age(group.oldest, now),
            age(group.newest, now),
        )
        for group in formed
    ]
    table("Dead letters", (by, "letters", "state", "oldest", "newest"), rows)


def show_entries(found: Sequence[Entry], now: datetime) -> None:
    """The letters, one a line."""
    rows = [
        (
            written(entry.notes.origin),
            entry.notes.reason,
            age(entry.notes.failed_at, now),
            str(entry.notes.attempts),
            entry.page.status.value,
            entry.notes.error[:_LONGEST_CELL],
        )
        for entry in found
    ]
    table("Letters", ("origin", "reason", "age", "attempts", "state", "error"), rows)


def show_letter(letter: Letter, page: Page) -> None:
    """A letter whole: what is noted, the message with its error marked, what became of it."""
    notes = letter.notes
    write(f"{written(notes.origin)}  {page.status.value}  (revision {page.revision})")
    write(plain(f"{notes.reason}: {notes.error}"))
    key = (letter.key or b"").decode(errors="backslashreplace")
    write(plain(f"attempts {notes.attempts}, failed at {_utc(notes.failed_at)}, key {key}"))
    _message("headers", header_lines(letter.headers, notes.reason, notes.error))
    _message("body", body_lines(letter.headers, letter.value))
    if page.told:
        write(plain(f"\nrefused again: {page.told}"))
    for deed in page.deeds:
        write(plain(f"\n{_deed(deed)}"))
        if deed.difference:
            write(deed.difference)


def letter_document(letter: Letter, page: Page) -> dict[str, Any]:
    """A letter for programs."""
    return {
        **entry_document(Entry(letter.notes, page)),
        "key": _text(letter.key),
        "headers": _headers(letter.headers),
        "value": _text(letter.value),
        "wrong": [
            line.wrong
            for line in (
                *header_lines(letter.headers, letter.notes.reason, letter.notes.error),
                *body_lines(letter.headers, letter.value),
            )
            if line.wrong
        ],
        "mended": None if page.mended is None else _mended(page.mended),
        "deeds": [
            {
                "what": deed.what,
                "by": deed.by,
                "at": _utc(deed.at),
                "why": deed.why,
                "difference": deed.difference,
            }
            for deed in page.deeds
        ],
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    """A line of the list for programs."""
    notes, page = entry.notes, entry.page
    return {
        "origin": written(notes.origin),
        "reason": notes.reason,
        "error": notes.error,
        "attempts": notes.attempts,
        "failed_at": _utc(notes.failed_at),
        "written": notes.written,
        "state": page.status.value,
        "revision": page.revision,
        "told": page.told,
    }


def group_document(group: Group) -> dict[str, Any]:
    """A group for programs."""
    return {
        "name": group.name,
        "count": group.count,
        "states": dict(group.states),
        "oldest": _utc(group.oldest),
        "newest": _utc(group.newest),
    }


def replayed_document(replayed: Replayed) -> dict[str, Any]:
    """What became of a replayed letter, for programs."""
    return {
        "origin": written(replayed.origin),
        "became": replayed.status.short,
        "told": replayed.told,
        "again": replayed.again,
        "wrong": replayed.wrong,
    }


def _message(title: str, lines: Iterable[Line]) -> None:
    write(f"\n{title}")
    for line in lines:
        write(f"  {line.text}{_WRONG + plain(line.wrong) if line.wrong else ''}")


def _deed(deed: Deed) -> str:
    return f"{deed.what} by {deed.by} at {_utc(deed.at)}" + (f": {deed.why}" if deed.why else "")


def _mended(mended: Mended) -> dict[str, Any]:
    return {"headers": _headers(mended.headers), "value": _text(mended.value)}


def _headers(headers: Headers) -> list[list[str | None]]:
    return [[name, _text(raw)] for name, raw in headers]


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="backslashreplace")


def _utc(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
