"""A message as people read it: JSON in lines, with a mark at the error."""

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
from tools.deadletter.letters import Headers

Path: TypeAlias = tuple[str | int, ...]

HERE: Final = "⟦HERE⟧"
_AROUND: Final = 400  # characters shown on each side of a broken place
# Controls that a terminal obeys, and what turns the direction of a text; U+200C stays for Persian.
_OBEYED: Final = re.compile(
    "[\\x00-\\x09\\x0b-\\x1f\\x7f-\\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_LINE_AND_COLUMN: Final = re.compile(r"line (\d+) column (\d+)")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a message, and what is wrong in it."""

    text: str
    wrong: str = ""


def plain(text: str) -> str:
    """The text without characters that a terminal would obey; they show as escapes."""
    return _OBEYED.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def is_structured(headers: Headers, value: bytes | None) -> bool:
    """Whether the attributes stand in the value (CloudEvents' structured mode)."""
    return envelope.is_structured([(name, raw or b"") for name, raw in headers], value)


def header_lines(headers: Headers, reason: str, error: str) -> list[Line]:
    """The headers, the one at fault marked."""
    fault = error if reason in {"missing-attribute", "invalid-attribute"} else ""
    named = fault.removeprefix("ce_").partition(" ")[0]
    lines = []
    for name, raw in headers:
        text = (raw or b"").decode(errors="backslashreplace")
        wrong = fault if named and name.lower().removeprefix("ce_") == named else ""
        lines.append(Line(plain(f"{name}: {text}"), wrong))
    if fault and not any(line.wrong for line in lines):
        lines.append(Line("", f"{reason}: {fault}"))
    return lines


def body_lines(headers: Headers, value: bytes | None) -> list[Line]:
    """The value: in lines if it is JSON, else the surroundings of the broken place."""
    if value is None:
        return [Line("(no value)", "null-value")]
    broken = broken_at(value)
    if broken is not None:
        return _surroundings(value, *broken)
    lines = list(_pretty(json.loads(value), (), "", ""))
    wrongs: dict[int, list[str]] = {}
    for path, fault in faults(headers, value).items():
        at = _nearest([line_path for _, line_path in lines], path)
        wrongs.setdefault(at, []).append(f"{'.'.join(map(str, path)) or 'data'}: {fault}")
    return [Line(plain(text), "; ".join(wrongs.get(n, ()))) for n, (text, _) in enumerate(lines)]


def broken_at(value: bytes) -> tuple[int, str] | None:
    """The index of the byte at which a value stops being JSON, and why; None if it is JSON.

    It decides as the services do: by pydantic's reading of RFC 8259.
    """
    if value.startswith(BYTE_ORDER_MARK):
        broken = broken_at(value.removeprefix(BYTE_ORDER_MARK))
        return None if broken is None else (len(BYTE_ORDER_MARK) + broken[0], broken[1])
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
        return _index(value, str(error)), str(error)
    return None


def faults(headers: Headers, value: bytes) -> Mapping[Path, str]:
    """The fields that the type of the event does not take, by their path in the value."""
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
        before: Path = ("data",) if is_structured(headers, value) else ()
        return {(*before, *fault["loc"]): fault["msg"] for fault in error.errors()}
    return {}


def pretty(value: bytes | None) -> str:
    """The value as text to compare and to edit: in lines if it is JSON."""
    if value is None:
        return ""
    if broken_at(value) is not None:
        return value.decode(errors="backslashreplace")
    text = json.dumps(json.loads(value), ensure_ascii=False, indent=2)
    return text.encode("utf-8", "backslashreplace").decode() + "\n"


def _index(value: bytes, message: str) -> int:
    match = _LINE_AND_COLUMN.search(message)
    if match is None:
        return 0
    line, column = int(match.group(1)), int(match.group(2))
    start = sum(len(before) + 1 for before in value.split(b"\n")[: line - 1])
    return min(start + max(0, column - 1), len(value))


def _surroundings(value: bytes, at: int, message: str) -> list[Line]:
    before = value[:at].decode(errors="backslashreplace")[-_AROUND:]
    after = value[at:].decode(errors="backslashreplace")[:_AROUND]
    line, column = value[:at].count(b"\n") + 1, len(before.rpartition("\n")[2]) + 1
    texts = f"{before}{HERE}{after}".split("\n")
    place = f"{message}: line {line}, column {column} (byte {at})"
    return [Line(plain(text), place if HERE in text else "") for text in texts]


def _pretty(value: Any, path: Path, indent: str, comma: str) -> Iterator[tuple[str, Path]]:
    """Lines of JSON, each with the path of what begins or ends in it."""
    named = bool(path) and isinstance(path[-1], str)
    label = f"{indent}{json.dumps(path[-1], ensure_ascii=False)}: " if named else indent
    if not isinstance(value, dict | list) or not value:
        yield f"{label}{json.dumps(value, ensure_ascii=False)}{comma}", path
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    yield f"{label}{opening}", path
    for number, (key, item) in enumerate(items, 1):
        yield from _pretty(item, (*path, key), indent + "  ", "," if number < len(value) else "")
    yield f"{indent}{closing}{comma}", path


def _nearest(paths: list[Path], wanted: Path) -> int:
    """The line of a path; if it is missing, the line of what would hold it."""
    for length in range(len(wanted), -1, -1):
        if wanted[:length] in paths:
            return paths.index(wanted[:length])
    return 0
