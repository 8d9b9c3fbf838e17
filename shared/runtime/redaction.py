"""Keep secrets and personal data out of logs.

A log is read by more people than the data, and kept elsewhere. Code logs ids, types and places
only; this is for what others' messages repeat: drivers quote the document that they refused,
pydantic the value, mail servers the address, and a URI may hold a password.
"""

from __future__ import annotations

import hashlib
import re
import reprlib
from collections.abc import Mapping
from typing import Final

_CUT: Final = "…"
_DEEPEST: Final = 8  # lists and mappings inside each other

_SECRET_NAMES: Final = re.compile(
    r"authorization|password|passwd|secret|token|api_?key|private_?key|cookie", re.IGNORECASE
)

_PATTERNS: Final = (
    # A JSON Web Token, whole or without its signature.
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), _CUT),
    (re.compile(r"\b(Bearer|Basic|DPoP)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {_CUT}"),
    # The user and password of a URI.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/?#@'\"]+@", re.IGNORECASE), rf"\1{_CUT}@"),
    (
        re.compile(
            r"\b((?:client_)?secret|passw(?:or)?d|access_token|refresh_token|id_token)"
            r"([\"']?\s*[=:]\s*[\"']?)[^\s\"',&;)}\]]+",
            re.IGNORECASE,
        ),
        rf"\1\2{_CUT}",
    ),
    # What pydantic shows of a value.
    (re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL), f"input_value={_CUT}"),
    # What MongoDB shows of a document or a command, which may be long and nested.
    (re.compile(r"(dup key: |full error: |to execute command )\{.*", re.DOTALL), rf"\1{{{_CUT}}}"),
    (re.compile(r"'(keyValue|op|errInfo)': \{.*", re.DOTALL), rf"'\1': {{{_CUT}}}"),
    # An address of mail, also in <…> of SMTP.
    (re.compile(r"[^\s<>\"'(),:;=]+@[^\s<>\"'(),:;=@]+\.[^\s<>\"'(),:;=@]+"), f"{_CUT}@{_CUT}"),
)


def redacted(text: str) -> str:
    """A text without tokens, passwords, mail addresses and quoted documents."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def without_secrets(name: str, value: object, depth: int = 0) -> object:
    """A named value as a log may show it; lists and mappings are searched too, up to a depth."""
    if _SECRET_NAMES.search(name) and isinstance(value, str | bytes):
        return _CUT
    match value:
        case str():
            return redacted(value)
        case Mapping() | list() | tuple() if depth >= _DEEPEST:  # it may contain itself
            return redacted(reprlib.repr(value))
        case Mapping():
            items = value.items()
            return {key: without_secrets(str(key), inner, depth + 1) for key, inner in items}
        case list() | tuple():
            return [without_secrets("", inner, depth + 1) for inner in value]
        case _:
            return value


def pseudonym(id_: str) -> str:
    """A person's id as a log shows it: the same for the same person, and not the id itself.

    Whoever knows the id can recognise it; nobody reads it off.
    """
    return hashlib.sha256(id_.encode()).hexdigest()[:12]
