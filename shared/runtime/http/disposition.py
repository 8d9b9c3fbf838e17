"""Names of files in Content-Disposition (RFC 6266), in any script (RFC 8187)."""

from __future__ import annotations

from email.message import Message
from typing import Final
from urllib.parse import quote

_CHARSETS: Final = frozenset({"utf-8", "iso-8859-1"})
_PLAIN: Final = "!#$&+-.^_`|~"  # what RFC 8187 leaves as it is, besides letters and figures


class BadDisposition(ValueError):
    """A name in Content-Disposition cannot be read; the message says how it is written."""


def named(header: str) -> str | None:
    """The name that a header tells; None where it tells none. `filename*` goes before `filename`.

    `header` is as ASGI has it: its bytes as Latin-1. Many clients put UTF-8 into `filename`, so
    it is taken for that where it can be. Raises BadDisposition.
    """
    message = Message()
    message["Content-Disposition"] = header
    plain: str | None = None
    for name, value in message.get_params([], "content-disposition")[1:]:
        if name.lower() != "filename":
            continue
        if isinstance(value, tuple):
            return _extended(*value)
        plain = value if plain is None else plain
    return None if plain is None else _utf8_or_latin(plain)


def attachment(name: str) -> str:
    """The header of an answer that is to be saved under that name."""
    return _header("attachment", name)


def inline(name: str) -> str:
    """The header of an answer that is to be shown, and may be saved under that name."""
    return _header("inline", name)


def _header(how: str, name: str) -> str:
    if name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        return f'{how}; filename="{name}"'
    suffix = name.rpartition(".")[2]
    plain = f"file.{suffix}" if suffix.isascii() and suffix.isalnum() else "file"
    encoded = quote(name, safe=_PLAIN)
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def _extended(charset: str | None, _language: str | None, value: str) -> str:
    if (charset or "").lower() not in _CHARSETS:
        raise BadDisposition("filename* is written in UTF-8: filename*=UTF-8''%D9%BE%D9%84.pdf")
    try:
        return value.encode("latin-1").decode(charset or "utf-8")
    except UnicodeError as error:
        raise BadDisposition(
            "filename* is not the percent-encoded UTF-8 it claims to be"
        ) from error


def _utf8_or_latin(value: str) -> str:
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
