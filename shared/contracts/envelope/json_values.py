"""The JSON in a record's value: an event's data, or a whole event of structured mode."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from shared.contracts.envelope.attributes import NAMES, REQUIRED, Unreadable

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Precedes the JSON of some clients; RFC 8259 (section 8.1) lets readers ignore it."""

_MOST_EXAMINED: Final = 1_000  # members of a broken document, or events of a batch
_MEMBER: Final = re.compile(r'\s*+[{,]\s*+("(?:[^"\\]|\\.)*+")\s*+:\s*+')


def require_json(data: bytes) -> bytes:
    """The JSON document of an event's data, without a byte order mark.

    Checks only the encoding; whoever parses the document finds other faults. Raises Unreadable.
    """
    if data[:1] == b"{" and data[1:2] != b"\0":  # as nearly all of them begin
        return data
    data = data.removeprefix(BYTE_ORDER_MARK)
    encoding = json.detect_encoding(data)
    if encoding != "utf-8":
        with suppress(UnicodeDecodeError):
            data.decode(encoding)
            detail = f"it is {encoding.upper()}, and JSON is sent in UTF-8 (RFC 8259, section 8.1)"
            raise Unreadable("broken-json", detail)
    return data


def with_numbers(data: bytes) -> bytes:
    """The same data. Raises Unreadable if it holds NaN or Infinity, which JSON does not have."""
    if b"NaN" in data or b"Infinity" in data:
        found: list[str] = []
        with suppress(ValueError, RecursionError):
            json.loads(data, parse_constant=found.append)
        for name in found:
            raise Unreadable("broken-json", f"{name} is no number of RFC 8259")
    return data


def structured_attributes(value: bytes) -> tuple[dict[str, str], bytes]:
    """The attributes and the data of an event of structured mode. Raises Unreadable."""
    document = _loaded(value)
    if not isinstance(document, dict):
        raise Unreadable("broken-json", "a structured event is a JSON object")
    attributes: dict[str, str] = {}
    for name in NAMES:
        content = document.get(name)
        if content is None:
            continue
        if name == "sequence" and type(content) is int:
            content = str(content)
        if isinstance(content, str):
            attributes[name] = content
        elif name in REQUIRED:
            raise Unreadable("invalid-attribute", f"{name} is not a string")
    return attributes, _structured_data(document)


def is_document(value: bytes) -> bool:
    """Whether a value is meant as an event of structured mode, whatever its headers say."""
    if b'"specversion"' not in value:
        return False
    with suppress(Unreadable):
        document = _loaded(value)
        return isinstance(document, dict) and "specversion" in document
    return False


def readable_members(value: bytes | None) -> dict[str, str]:
    """The attributes in a value that may be an event of structured mode, or a batch of events.

    Of a batch, those in which all of its events agree. `specversion` is present, and empty, if
    the value has one.
    """
    if not value:
        return {}
    text = value.decode(json.detect_encoding(value), errors="replace").removeprefix("\ufeff")
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = _members_before_fault(text)
    documents = whole[:_MOST_EXAMINED] if isinstance(whole, list) else [whole]
    if not documents or not all(isinstance(document, dict) for document in documents):
        return {}
    first = documents[0]
    alike = (n for n in NAMES if all(other.get(n) == first.get(n) for other in documents))
    found = {n: t for n in alike if isinstance(t := first.get(n), str) and "\ufffd" not in t}
    return {**found, "specversion": ""} if "specversion" in first else found


def _loaded(value: bytes) -> Any:
    try:
        return json.loads(require_json(value), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable("broken-json", str(error)) from None


def _members_before_fault(text: str) -> dict[str, Any]:
    """The members of a JSON object, as far as it can be read."""
    decoder = json.JSONDecoder()
    members: dict[str, Any] = {}
    at = 0
    while (found := _MEMBER.match(text, at)) and len(members) < _MOST_EXAMINED:
        try:
            members[json.loads(found.group(1))], at = decoder.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            break
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of RFC 8259")


def _structured_data(document: Mapping[str, Any]) -> bytes:
    encoded = document.get("data_base64")
    if encoded is not None:
        if document.get("data") is not None:
            raise Unreadable("invalid-attribute", "both data and data_base64 are there")
        try:
            return with_numbers(base64.b64decode(encoded, validate=True))
        except (binascii.Error, TypeError, ValueError):
            raise Unreadable("invalid-attribute", "data_base64 is not base64") from None
    if "data" not in document:
        raise Unreadable("missing-attribute", "data")
    try:
        # ASCII escapes let text that is not valid Unicode (a lone surrogate) be encoded.
        return json.dumps(document["data"], separators=(",", ":")).encode()
    except RecursionError as error:
        raise Unreadable("broken-json", str(error)) from None
