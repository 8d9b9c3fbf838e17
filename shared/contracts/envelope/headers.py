"""The Kafka headers of a record: attributes in binary mode, and the media type of the value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from shared.contracts.envelope.attributes import LONGEST_ATTRIBUTE, NAMES, REQUIRED, Unreadable
from shared.contracts.envelope.json_values import is_document

Headers: TypeAlias = Sequence[tuple[str, bytes]]

STRUCTURED: Final = "application/cloudevents+json"
CLOUDEVENTS: Final = "application/cloudevents"  # the start of all media types of events
CONTENT_TYPE: Final = "content-type"
PREFIX: Final = "ce_"

_HEADERS: Final = {CONTENT_TYPE: CONTENT_TYPE, **{f"{PREFIX}{name}": name for name in NAMES}}


class KnownHeaders(NamedTuple):
    """The headers of a record that mean something here."""

    attributes: dict[str, bytes]  # by name, the first of each; null ones included
    differing: tuple[str, ...]  # attributes that come again with another value
    media_types: tuple[str, ...]  # those that can be read, each once


def known_headers(headers: Headers) -> KnownHeaders:
    """Choose the headers that mean something here; the case of their names does not count."""
    attributes: dict[str, bytes] = {}
    differing: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    for name, raw in headers:
        attribute = _HEADERS.get(name) or _HEADERS.get(name.lower())
        if attribute is None:
            continue
        if attribute == CONTENT_TYPE:
            media_type = _media_type(raw)
            if media_type and media_type not in media_types:
                media_types += (media_type,)
        elif attributes.setdefault(attribute, raw) != raw:
            differing += (attribute,)
    return KnownHeaders(attributes, differing, media_types)


@lru_cache(maxsize=256)  # few are ever sent
def _media_type(raw: bytes | None) -> str:
    """A media type without its parameters, in lower case; empty if it cannot be read.

    Some clients always send an empty one, or null.
    """
    if raw is None or len(raw) > LONGEST_ATTRIBUTE:
        return ""
    try:
        return raw.decode().partition(";")[0].strip().lower()
    except UnicodeDecodeError:
        return ""


def media_type_of(known: KnownHeaders, value: bytes) -> str:
    """The media type by which to read a record; empty for binary mode.

    If no media type can be read, or two differ, attributes in headers mean binary mode. Without
    any of these the record is read as the binding says: in structured mode if its value is such
    JSON.
    """
    if len(known.media_types) == 1:
        return known.media_types[0]
    if not known.attributes.keys().isdisjoint(REQUIRED):
        return ""
    if STRUCTURED in known.media_types:
        return STRUCTURED
    if not known.media_types:
        return STRUCTURED if is_document(value) else ""
    return next((type_ for type_ in known.media_types if type_.startswith(CLOUDEVENTS)), "")


def decoded(attributes: Mapping[str, bytes]) -> dict[str, str]:
    """The texts of attributes, without optional ones that are not UTF-8 or are null.

    Raises Unreadable for a required one.
    """
    try:
        return {name: raw.decode() for name, raw in attributes.items()}
    except (UnicodeDecodeError, AttributeError):  # Kafka's headers may also be null
        texts = decodable(attributes)
    for name in REQUIRED:
        if name in attributes and name not in texts:
            problem = "null" if attributes[name] is None else "not UTF-8"
            raise Unreadable("invalid-attribute", f"{PREFIX}{name} is {problem}")
    return texts


def decodable(attributes: Mapping[str, bytes]) -> dict[str, str]:
    """The texts of those attributes that are UTF-8."""
    texts: dict[str, str] = {}
    for name, raw in attributes.items():
        with suppress(UnicodeDecodeError, AttributeError):
            texts[name] = raw.decode()
    return texts
