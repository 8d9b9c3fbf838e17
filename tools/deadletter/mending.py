"""Mends a message: other fields, or another body; always a new id, and a trace to the original."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from shared.contracts.envelope import Unreadable, read
from shared.contracts.events import Invalid, UnknownType, parse
from shared.contracts.topics import LARGEST_RECORD
from shared.messaging.core.model import Origin
from tools.deadletter.body import broken_at, is_structured, plain, pretty
from tools.deadletter.book import Mended
from tools.deadletter.letters import Headers, written

FROM: Final = "mended_from"
BY: Final = "mended_by"
BECAUSE: Final = "mended_because"
LONGEST_REASON: Final = (
    1_000  # characters of who and why: the headers must fit into what is set aside
)
_LONGEST_DIFFERENCE: Final = 100_000  # characters
_ATTRIBUTE: Final = re.compile(r"(?:ce_)?(specversion|id|source|type|subject|time|dataschema)")


class NotMendable(Exception):
    """The change cannot be made, or what it makes is still no message that a service reads."""


def set_fields(before: Mended, fields: Sequence[str]) -> Mended:
    """Set `field=value` each: `due_on`, `attendees.0.name`, or an attribute such as `ce_type`.

    A value that is JSON is read as JSON, unless the field holds text so far. Raises NotMendable.
    """
    after = before
    for field in fields:
        name, equals, text = field.partition("=")
        if not equals or not name:
            raise NotMendable(f"{field!r} is no field=value")
        attribute = _ATTRIBUTE.fullmatch(name) if name.startswith("ce_") else None
        if attribute is not None:
            after = _set_attribute(after, attribute.group(1), text)
        elif name.lower() == "content-type":
            after = Mended(after.value, _with_header(after.headers, name, text))
        else:
            after = _set_field(after, name.split("."), text)
    return after


def set_body(before: Mended, body: bytes) -> Mended:
    """Put another value in the place of the old one."""
    return Mended(body, before.headers)


def signed(mended: Mended, origin: Origin, new_id: str, who: str, why: str) -> Mended:
    """The message as it is sent: with a new id, its origin, who mended it and why.

    Raises NotMendable if a service could not read it.
    """
    try:
        named = _set_attribute(mended, "id", new_id)
    except NotMendable:
        named = mended  # a body in structured mode that is still broken: said below
    headers = named.headers
    for name, text in ((FROM, written(origin)), (BY, who), (BECAUSE, why)):
        headers = _with_header(headers, name, text)
    after = Mended(named.value, headers)
    _check(after)
    return after


def difference(before: Mended, after: Mended) -> str:
    """A unified difference of headers and body, both as people read them."""
    lines = "\n".join(
        difflib.unified_diff(_lines(before), _lines(after), "before", "mended", lineterm="", n=2)
    )
    if len(lines) > _LONGEST_DIFFERENCE:
        return f"{lines[:_LONGEST_DIFFERENCE]}\n… cut at {_LONGEST_DIFFERENCE} characters"
    return lines


def _check(mended: Mended) -> None:
    value = mended.value
    if value is not None and len(value) > LARGEST_RECORD:
        raise NotMendable(f"{len(value)} bytes, at most {LARGEST_RECORD} go through Kafka")
    if value is not None and (broken := broken_at(value)) is not None:
        raise NotMendable(f"the body is no JSON: {broken[1]} at byte {broken[0]}; give it whole")
    try:
        parse(read([(name, raw or b"") for name, raw in mended.headers], value))
    except Unreadable as error:
        raise NotMendable(f"still {error.reason}: {error.detail}") from None
    except UnknownType as error:
        raise NotMendable(f"still unknown-type: {error}") from None
    except Invalid as error:
        raise NotMendable(f"still invalid: {error.detail}") from None


def _set_attribute(before: Mended, name: str, text: str) -> Mended:
    if not is_structured(before.headers, before.value):
        return Mended(before.value, _with_header(before.headers, f"ce_{name}", text))
    document = _document(before.value)
    document[name] = text
    return Mended(_dumped(document), before.headers)


def _set_field(before: Mended, path: Sequence[str], text: str) -> Mended:
    document = _document(before.value)
    holder: Any = document
    if is_structured(before.headers, before.value):
        if document.get("data_base64") is not None:
            raise NotMendable("the data is base64: give the body whole, with data instead")
        holder = document.setdefault("data", {})
    for step in path[:-1]:
        holder = _inside(holder, step)
    _put(holder, path[-1], text)
    return Mended(_dumped(document), before.headers)


def _inside(holder: Any, step: str) -> Any:
    try:
        return holder[int(step)] if isinstance(holder, list) else holder[step]
    except (KeyError, IndexError, ValueError, TypeError):
        raise NotMendable(f"there is no {step} to go into") from None


def _put(holder: Any, name: str, text: str) -> None:
    key: Any = name
    if isinstance(holder, list):
        key = int(name) if name.isascii() and name.isdigit() else -1
        if not 0 <= key < len(holder):
            raise NotMendable(f"there is no {name} in a list of {len(holder)}")
    elif not isinstance(holder, dict):
        raise NotMendable(f"{name} would go into something that has no fields")
    held = holder[key] if isinstance(holder, list) else holder.get(key)
    holder[key] = _value(text, held)


def _value(text: str, held: Any) -> Any:
    """Text for a field that holds text, unless it is quoted; else JSON if it is JSON."""
    if isinstance(held, str) and text != "null" and not text.startswith('"'):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _document(value: bytes | None) -> dict[str, Any]:
    broken = None if value is None else broken_at(value)
    if value is None or broken is not None:
        raise NotMendable("the body is no JSON, so no field can be set: give it whole")
    document = json.loads(value)
    if not isinstance(document, dict):
        raise NotMendable("the body is no JSON object, so no field can be set: give it whole")
    return document


def _dumped(document: dict[str, Any]) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate stays an escape


def _with_header(headers: Headers, name: str, text: str) -> Headers:
    """One header in the place of all of that name."""
    kept = [(n, raw) for n, raw in headers if n.lower() != name.lower()]
    return (*kept, (name, text.encode()))


def _lines(mended: Mended) -> list[str]:
    headers = [
        plain(f"{name}: {(raw or b'').decode(errors='backslashreplace')}")
        for name, raw in sorted(mended.headers, key=lambda header: header[0])
    ]
    return [*headers, "", *map(plain, pretty(mended.value).splitlines())]
