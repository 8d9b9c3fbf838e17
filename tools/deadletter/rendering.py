"""Renders a message for people: JSON in lines, with each error marked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pydantic import ValidationError
from pydantic_core import from_json

from shared.contracts import envelope
from shared.contracts.envelope import BYTE_ORDER_MARK, Unreadable, read, require_json
from shared.contracts.events import EVENTS
from tools.deadletter.dead_letters import Headers

Path: TypeAlias = tuple[str | int, ...]

ERROR_MARK: Final = "⟦HERE⟧"
_AROUND: Final = 400  # characters shown before and after an error of JSON
# Control characters that a terminal obeys, and those that change the direction of text. U+200C
# stays, because Persian needs it.
_CONTROLS: Final = re.compile(
    "[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LINE_AND_COLUMN: Final = re.compile(r"line (\d+) column (\d+)")


@dataclass(frozen=True, slots=True)
class RenderedLine:
    """A line of a message, and the error in it, if any."""

    text: str
    error: str = ""


def escape_controls(text: str) -> str:
    """Return the text with escapes for the characters that a terminal would obey."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def is_structured(headers: Headers, value: bytes | None) -> bool:
    """Return whether the attributes are in the value (CloudEvents' structured mode)."""
    return envelope.is_structured([(name, raw or b"") for name, raw in headers], value)


def header_lines(headers: Headers, reason: str, error: str) -> list[RenderedLine]:
    """Return the headers; the one that caused the error is marked.

    `reason` and `error` are those of the dead letter.
    """
    fault = error if reason in {"missing-attribute", "invalid-attribute"} else ""
    named = fault.removeprefix("ce_").partition(" ")[0]
    lines = []
    for name, raw in headers:
        text = (raw or b"").decode(errors="backslashreplace")
        is_invalid = named and name.lower().removeprefix("ce_") == named
        lines.append(RenderedLine(escape_controls(f"{name}: {text}"), fault if is_invalid else ""))
    if fault and not any(line.error for line in lines):
        lines.append(RenderedLine("", f"{reason}: {fault}"))
    return lines


def body_lines(headers: Headers, value: bytes | None) -> list[RenderedLine]:
    """Return the value: all of it if it is JSON, else the text around the error."""
    if value is None:
        return [RenderedLine("(no value)", "null-value")]
    json_error = find_json_error(value)
    if json_error is not None:
        return _lines_around(value, *json_error)
    lines = list(_json_lines(json.loads(value), (), "", ""))
    errors: dict[int, list[str]] = {}
    for path, fault in invalid_fields(headers, value).items():
        at = _nearest([line_path for _, line_path in lines], path)
        errors.setdefault(at, []).append(f"{'.'.join(map(str, path)) or 'data'}: {fault}")
    return [
        RenderedLine(escape_controls(text), "; ".join(errors.get(n, ())))
        for n, (text, _) in enumerate(lines)
    ]


def find_json_error(value: bytes) -> tuple[int, str] | None:
    """Return the index of the first byte that is not JSON, and why; None if all of it is JSON.

    It uses the parser of the services: pydantic's, which follows RFC 8259.
    """
    if value.startswith(BYTE_ORDER_MARK):
        json_error = find_json_error(value.removeprefix(BYTE_ORDER_MARK))
        return None if json_error is None else (len(BYTE_ORDER_MARK) + json_error[0], json_error[1])
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        return error.start, "not UTF-8"
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return len(text[: error.pos].encode()), error.msg
    except RecursionError:
        return 0, "nested too deep"
    try:
        from_json(value, allow_inf_nan=False)
    except ValueError as error:
        return _byte_index(value, str(error)), str(error)
    return None


def invalid_fields(headers: Headers, value: bytes) -> Mapping[Path, str]:
    """Return the errors of the fields that the event's type refuses, by their path in the value."""
    try:
        event = read([(name, raw or b"") for name, raw in headers], value)
    except Unreadable:
        return {}
    model = EVENTS.get(event.type)
    if model is None:
        return {}
    try:
        model.model_validate_json(require_json(event.data))
    except Unreadable:
        return {}
    except ValidationError as error:
        prefix: Path = ("data",) if is_structured(headers, value) else ()
        return {(*prefix, *fault["loc"]): fault["msg"] for fault in error.errors()}
    return {}


def pretty_json(value: bytes | None) -> str:
    """Return the value as text to compare and to edit: in lines if it is JSON."""
    if value is None:
        return ""
    if find_json_error(value) is not None:
        return value.decode(errors="backslashreplace")
    text = json.dumps(json.loads(value), ensure_ascii=False, indent=2)
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def _byte_index(value: bytes, message: str) -> int:
    match = _LINE_AND_COLUMN.search(message)
    if match is None:
        return 0
    line, column = int(match.group(1)), int(match.group(2))
    start = sum(len(before) + 1 for before in value.split(b"\n")[: line - 1])
    return min(start + max(0, column - 1), len(value))


def _lines_around(value: bytes, at: int, message: str) -> list[RenderedLine]:
    before = value[:at].decode(errors="backslashreplace")[-_AROUND:]
    after = value[at:].decode(errors="backslashreplace")[:_AROUND]
    line, column = value[:at].count(b"\n") + 1, len(before.rpartition("\n")[2]) + 1
    texts = f"{before}{ERROR_MARK}{after}".split("\n")
    error = f"{message}: line {line}, column {column} (byte {at})"
    return [
        RenderedLine(escape_controls(text), error if ERROR_MARK in text else "") for text in texts
    ]


def _json_lines(value: Any, path: Path, indent: str, comma: str) -> Iterator[tuple[str, Path]]:
    """Yield lines of JSON, each with the path of the value that begins or ends in it."""
    named = bool(path) and isinstance(path[-1], str)
    label = f"{indent}{json.dumps(path[-1], ensure_ascii=False)}: " if named else indent
    if not isinstance(value, dict | list) or not value:
        yield f"{label}{json.dumps(value, ensure_ascii=False)}{comma}", path
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield f"{label}{opening}", path
    for number, (key, item) in enumerate(items, 1):
        yield from _json_lines(
            item, (*path, key), indent + "  ", "," if number < len(value) else ""
        )
    yield f"{indent}{closing}{comma}", path


def _nearest(paths: list[Path], path: Path) -> int:
    """Return the index of a path; if it is missing, of the object or list that would hold it."""
    for length in range(len(path), -1, -1):
        if path[:length] in paths:
            return paths.index(path[:length])
    return 0
