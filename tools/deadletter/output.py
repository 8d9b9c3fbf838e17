"""Prints results for people, as tables or lines, and for programs, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tools.deadletter.dead_letters import Headers, StoredDeadLetter, format_origin
from tools.deadletter.grouping import LetterGroup, TriagedLetter, age
from tools.deadletter.rendering import RenderedLine, body_lines, escape_controls, header_lines
from tools.deadletter.replayer import ReplayResult
from tools.deadletter.triage import MessageContent, OperatorAction, Triage

_ERROR_ARROW: Final = "   ⟵ "
_LONGEST_CELL: Final = 120


def write(text: str) -> None:
    """Write one line to standard output; lone surrogates are escaped."""
    sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "backslashreplace"))
    sys.stdout.flush()


def write_json(document: Any) -> None:
    """Write one JSON document; Persian stays readable."""
    write(json.dumps(document, ensure_ascii=False, indent=2))


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on a terminal, else lines with tabs."""
    if not sys.stdout.isatty():
        write("\t".join(columns))
        for row in rows:
            write("\t".join(escape_controls(cell).replace("\n", " ") for cell in row))
        return
    printed = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        printed.add_column(column, overflow="fold")
    for row in rows:
        printed.add_row(*(Text(escape_controls(cell)) for cell in row))
    Console().print(printed)


def print_groups(groups: Sequence[LetterGroup], by: str, now: datetime) -> None:
    """Print one row per group, with its states and ages."""
    rows = [
        (
            group.name,
            str(group.count),
            ", ".join(f"{count} {state}" for state, count in group.states.items()),
            age(group.oldest, now),
            age(group.newest, now),
        )
        for group in groups
    ]
    print_table("Dead letters", (by, "letters", "state", "oldest", "newest"), rows)


def print_letters(letters: Sequence[TriagedLetter], now: datetime) -> None:
    """Print one row per dead letter."""
    rows = [
        (
            format_origin(triaged.notes.origin),
            triaged.notes.reason,
            age(triaged.notes.failed_at, now),
            str(triaged.notes.attempts),
            triaged.triage.status.value,
            triaged.notes.error[:_LONGEST_CELL],
        )
        for triaged in letters
    ]
    print_table("Letters", ("origin", "reason", "age", "attempts", "state", "error"), rows)


def print_letter(letter: StoredDeadLetter, triage: Triage) -> None:
    """Print a whole dead letter: its notes, its message with the error marked, the actions."""
    notes = letter.notes
    write(f"{format_origin(notes.origin)}  {triage.status.value}  (revision {triage.revision})")
    write(escape_controls(f"{notes.reason}: {notes.error}"))
    key = (letter.key or b"").decode(errors="backslashreplace")
    write(
        escape_controls(f"attempts {notes.attempts}, failed at {_utc(notes.failed_at)}, key {key}")
    )
    _print_lines("headers", header_lines(letter.headers, notes.reason, notes.error))
    _print_lines("body", body_lines(letter.headers, letter.value))
    if triage.refusal:
        write(escape_controls(f"\nrefused again: {triage.refusal}"))
    for action in triage.actions:
        write(escape_controls(f"\n{_action_line(action)}"))
        if action.diff:
            write(action.diff)


def letter_document(letter: StoredDeadLetter, triage: Triage) -> dict[str, Any]:
    """Return a whole dead letter for JSON."""
    return {
        **summary_document(TriagedLetter(letter.notes, triage)),
        "key": _text(letter.key),
        "headers": _headers(letter.headers),
        "value": _text(letter.value),
        "wrong": [
            line.error
            for line in (
                *header_lines(letter.headers, letter.notes.reason, letter.notes.error),
                *body_lines(letter.headers, letter.value),
            )
            if line.error
        ],
        "mended": None
        if triage.mended_message is None
        else _message_document(triage.mended_message),
        "deeds": [
            {
                "what": action.kind,
                "by": action.by,
                "at": _utc(action.at),
                "why": action.why,
                "difference": action.diff,
            }
            for action in triage.actions
        ],
    }


def summary_document(triaged: TriagedLetter) -> dict[str, Any]:
    """Return a dead letter without its message for JSON."""
    notes, triage = triaged.notes, triaged.triage
    return {
        "origin": format_origin(notes.origin),
        "reason": notes.reason,
        "error": notes.error,
        "attempts": notes.attempts,
        "failed_at": _utc(notes.failed_at),
        "written": notes.times_written,
        "state": triage.status.value,
        "revision": triage.revision,
        "told": triage.refusal,
    }


def group_document(group: LetterGroup) -> dict[str, Any]:
    """Return a group for JSON."""
    return {
        "name": group.name,
        "count": group.count,
        "states": dict(group.states),
        "oldest": _utc(group.oldest),
        "newest": _utc(group.newest),
    }


def result_document(result: ReplayResult) -> dict[str, Any]:
    """Return the result of a replay for JSON."""
    return {
        "origin": format_origin(result.origin),
        "became": result.status.short,
        "told": result.detail,
        "again": result.again,
        "wrong": result.error,
    }


def _print_lines(title: str, lines: Iterable[RenderedLine]) -> None:
    write(f"\n{title}")
    for line in lines:
        write(f"  {line.text}{_ERROR_ARROW + escape_controls(line.error) if line.error else ''}")


def _action_line(action: OperatorAction) -> str:
    return f"{action.kind} by {action.by} at {_utc(action.at)}" + (
        f": {action.why}" if action.why else ""
    )


def _message_document(message: MessageContent) -> dict[str, Any]:
    return {"headers": _headers(message.headers), "value": _text(message.value)}


def _headers(headers: Headers) -> list[list[str | None]]:
    return [[name, _text(raw)] for name, raw in headers]


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="backslashreplace")


def _utc(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")
