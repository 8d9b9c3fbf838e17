"""Mends a message: sets fields or replaces the body, and adds a new id and where it comes from."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from shared.contracts.envelope import Unreadable, read
from shared.contracts.envelope.signing import SIGNATURE
from shared.contracts.events import Invalid, UnknownType, parse
from shared.contracts.topics import LARGEST_RECORD
from shared.messaging.core.model import Origin
from shared.messaging.core.sources import MENDED
from tools.deadletter.dead_letters import Headers, format_origin
from tools.deadletter.rendering import escape_controls, find_json_error, is_structured, pretty_json
from tools.deadletter.triage import MessageContent

FROM: Final = MENDED
BY: Final = "mended_by"
BECAUSE: Final = "mended_because"
# Characters of who and why: the headers must fit into the space reserved for them.
LONGEST_REASON: Final = 1_000
_LONGEST_DIFF: Final = 100_000  # characters
_ATTRIBUTE: Final = re.compile(r"(?:ce_)?(specversion|id|source|type|subject|time|dataschema)")


class NotMendable(Exception):
    """The change is not possible, or no service could read the changed message."""


def set_fields(before: MessageContent, fields: Sequence[str]) -> MessageContent:
    """Apply each `field=value`; a field is `due_on`, `attendees.0.name`, or `ce_type`.

    A value that is JSON is read as JSON, unless the field holds text. Raises NotMendable.
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
            after = MessageContent(after.value, _with_header(after.headers, name, text))
        else:
            after = _set_field(after, name.split("."), text)
    return after


def set_body(before: MessageContent, body: bytes) -> MessageContent:
    """Replace the value."""
    return MessageContent(body, before.headers)


def with_provenance(
    mended: MessageContent, origin: Origin, new_id: str, who: str, why: str
) -> MessageContent:
    """Return the message with a new id, its origin, who mended it and why.

    Raises NotMendable if a service could not read it.
    """
    try:
        identified = _set_attribute(mended, "id", new_id)
    except NotMendable:
        identified = mended  # its body is still not a JSON object: `_check` reports it
    # What its source signed is no longer what is sent; whoever mends it vouches for it.
    headers = without(identified.headers, SIGNATURE)
    for name, text in ((FROM, format_origin(origin)), (BY, who), (BECAUSE, why)):
        headers = _with_header(headers, name, text)
    after = MessageContent(identified.value, headers)
    _check(after)
    return after


def message_diff(before: MessageContent, after: MessageContent) -> str:
    """Return a unified diff of headers and body, as people read them."""
    lines = "\n".join(
        difflib.unified_diff(_lines(before), _lines(after), "before", "mended", lineterm="", n=2)
    )
    if len(lines) > _LONGEST_DIFF:
        return f"{lines[:_LONGEST_DIFF]}\n… cut at {_LONGEST_DIFF} characters"
    return lines


def _check(mended: MessageContent) -> None:
    value = mended.value
    if value is not None and len(value) > LARGEST_RECORD:
        raise NotMendable(f"{len(value)} bytes, at most {LARGEST_RECORD} go through Kafka")
    if value is not None and (json_error := find_json_error(value)) is not None:
        raise NotMendable(
            f"the body is no JSON: {json_error[1]} at byte {json_error[0]}; give it whole"
        )
    try:
        parse(read([(name, raw or b"") for name, raw in mended.headers], value))
    except Unreadable as error:
        raise NotMendable(f"still {error.reason}: {error.detail}") from None
    except UnknownType as error:
        raise NotMendable(f"still unknown-type: {error}") from None
    except Invalid as error:
        raise NotMendable(f"still invalid: {error.detail}") from None


def _set_attribute(before: MessageContent, name: str, text: str) -> MessageContent:
    if not is_structured(before.headers, before.value):
        return MessageContent(before.value, _with_header(before.headers, f"ce_{name}", text))
    document = _load_object(before.value)
    document[name] = text
    return MessageContent(_dump(document), before.headers)


def _set_field(before: MessageContent, path: Sequence[str], text: str) -> MessageContent:
    document = _load_object(before.value)
    holder: Any = document
    if is_structured(before.headers, before.value):
        if document.get("data_base64") is not None:
            raise NotMendable("the data is base64: give the body whole, with data instead")
        holder = document.setdefault("data", {})
    for step in path[:-1]:
        holder = _descend(holder, step)
    _set_item(holder, path[-1], text)
    return MessageContent(_dump(document), before.headers)


def _descend(holder: Any, step: str) -> Any:
    try:
        return holder[int(step)] if isinstance(holder, list) else holder[step]
    except (KeyError, IndexError, ValueError, TypeError):
        raise NotMendable(f"there is no {step} to go into") from None


def _set_item(holder: Any, name: str, text: str) -> None:
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
    """Return the value to set; `held` is the old one.

    A field that holds text gets the text as it is, unless it is quoted or null. Everything else is
    read as JSON if it is JSON.
    """
    if isinstance(held, str) and text != "null" and not text.startswith('"'):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _load_object(value: bytes | None) -> dict[str, Any]:
    json_error = None if value is None else find_json_error(value)
    if value is None or json_error is not None:
        raise NotMendable("the body is no JSON, so no field can be set: give it whole")
    document = json.loads(value)
    if not isinstance(document, dict):
        raise NotMendable("the body is no JSON object, so no field can be set: give it whole")
    return document


def _dump(document: dict[str, Any]) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate stays an escape


def without(headers: Headers, *names: str) -> Headers:
    """The headers without those of these names (given in lower case), in any case."""
    return tuple((name, raw) for name, raw in headers if name.lower() not in names)


def _with_header(headers: Headers, name: str, text: str) -> Headers:
    """Replace all headers of that name, in any case, by one."""
    kept = [(n, raw) for n, raw in headers if n.lower() != name.lower()]
    return (*kept, (name, text.encode()))


def _lines(mended: MessageContent) -> list[str]:
    headers = [
        escape_controls(f"{name}: {(raw or b'').decode(errors='backslashreplace')}")
        for name, raw in sorted(mended.headers, key=lambda header: header[0])
    ]
    return [*headers, "", *map(escape_controls, pretty_json(mended.value).splitlines())]
