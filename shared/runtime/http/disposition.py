"""Names of files in Content-Disposition (RFC 6266), in any script (RFC 8187).

Written as the RFCs demand, and read as clients write it: some of their practice is older than the
RFCs, and differs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.errors import HeaderParseError
from email.header import decode_header
from itertools import count
from typing import Final
from urllib.parse import quote, unquote_to_bytes

from shared.runtime.safe_text import one_line

_CHARSETS: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
}
_PLAIN: Final = "!#$&+-.^_`|~"  # what RFC 8187 does not escape, besides letters and digits
_QUOTABLE: Final = re.compile(r"(?!.*=\?)[ !#$&-;=?-\[\]-~]+")  # means the same to every reader

_PART: Final = re.compile(
    r"""\s* (?:
        (?P<name> [^\s;="]+ ) \s* = \s* (?:
            " (?P<quoted> (?: \\. | [^"\\] )* ) " (?= \s* (?: ; | $ ) )
          | " (?P<raw> .*? ) " (?= \s* (?: ; | $ ) )  # quotes within, or a backslash at the end
          | " (?P<open> .* )
          | (?P<token> [^;]* )
        ) \s*
      | [^;]*
    ) ;?""",
    re.VERBOSE | re.DOTALL | re.ASCII,  # NEL and NBSP of Latin-1 are parts of UTF-8's letters
)
_BLANKS: Final = " \t\r\n"
_ESCAPED: Final = re.compile(r"\\([\"\\])")  # any other backslash is part of a Windows path
_WORD: Final = r"=\?[^?\s]+\?[BbQq]\?[^?]*\?="
_WORDS: Final = re.compile(rf"{_WORD}(?:\s*{_WORD})*")
_PERCENT: Final = re.compile("%[0-9A-Fa-f]{2}")
_LETTERS: Final = re.compile(rb"[\x80-\xff]{3}")  # no Latin word has three such in a row


class BadDisposition(ValueError):
    """A name in Content-Disposition cannot be read; the message shows the correct form."""


def named(header: str) -> str | None:
    """The file name in a header; None if there is none, or an empty one.

    `header` is its bytes as Latin-1, as in ASGI. `filename*`, in one part or several (RFC 2231),
    takes precedence over `filename` unless it cannot be read. `filename` holds UTF-8, or what old
    clients on Windows send: Persian in Windows-1256, or Windows-1252. Encoded words (RFC 2047) and
    percent escapes of UTF-8 in it are decoded. Folders before the name stay. Raises
    BadDisposition.
    """
    parameters = _parameters(header)
    plain = parameters.get("filename")
    try:
        name = (
            _extended(parameters["filename*"])
            if "filename*" in parameters
            else _continued(parameters)
        )
    except BadDisposition:
        if plain is None:
            raise
        name = None
    if not name and plain is not None:
        name = _lenient(_bytes(plain))
    return name or None


def attachment(name: str) -> str:
    """The header of a response that the client should save under that name."""
    return _header("attachment", name)


def inline(name: str) -> str:
    """The header of a response that the client should show, and may save under that name."""
    return _header("inline", name)


def _header(how: str, name: str) -> str:
    name = one_line(name)
    if _QUOTABLE.fullmatch(name) and name == name.strip():
        return f'{how}; filename="{name}"'
    suffix = name.rpartition(".")[2]
    plain = f"file.{suffix}" if suffix.isascii() and suffix.isalnum() else "file"
    encoded = quote(name, safe=_PLAIN)
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{encoded}"


def _parameters(header: str) -> dict[str, str]:
    """The header's parameters by their names in lower case; of a repeated name, the first.

    The type before them is ignored, and may be missing.
    """
    parameters: dict[str, str] = {}
    for part in _PART.finditer(header):
        if part["name"] is not None:
            if part["quoted"] is not None:
                value = _ESCAPED.sub(r"\1", part["quoted"])
            else:
                value = (part["raw"] or part["open"] or part["token"] or "").strip(_BLANKS)
            parameters.setdefault(part["name"].lower(), value)
    return parameters


def _extended(value: str) -> str:
    charset, value = _charset(value)
    return _decoded(unquote_to_bytes(_bytes(value)), charset)


def _continued(parameters: Mapping[str, str]) -> str | None:
    """A name in several parameters (RFC 2231, 3 and 4.1), which may split one character."""
    charset: str | None = None
    raw = b""
    for number in count():
        name = f"filename*{number}"
        if (encoded := parameters.get(f"{name}*")) is not None:
            if number == 0:
                charset, encoded = _charset(encoded)
            raw += unquote_to_bytes(_bytes(encoded))
        elif (plain := parameters.get(name)) is not None:
            raw += _bytes(plain)
        elif number == 0:
            return None
        else:
            break
    return _lenient(raw) if charset is None else _decoded(raw, charset)


def _charset(value: str) -> tuple[str, str]:
    """The charset before an extended value, and the value itself."""
    charset, _, rest = value.partition("'")
    _language, mark, encoded = rest.partition("'")
    known = _CHARSETS.get(charset.strip().lower())
    if known is None or not mark:
        raise BadDisposition("filename* is written in UTF-8: filename*=UTF-8''%D9%BE%D9%84.pdf")
    return known, encoded


def _decoded(raw: bytes, charset: str) -> str:
    try:
        return raw.decode(charset)
    except UnicodeError as error:
        raise BadDisposition(
            "filename* is not the percent-encoded UTF-8 it claims to be"
        ) from error


def _lenient(raw: bytes) -> str:
    text = _text(raw)
    if _WORDS.search(text):
        return _WORDS.sub(lambda words: _word(words[0]), text)
    if _PERCENT.search(text):
        try:
            return unquote_to_bytes(text).decode()
        except UnicodeError:  # a name with a percent sign in it
            return text
    return text


def _word(words: str) -> str:
    """Decode adjacent encoded words, which may split one character."""
    try:
        return "".join(
            part if isinstance(part, str) else part.decode((charset or "ascii").partition("*")[0])
            for part, charset in decode_header(words)
        )
    except (HeaderParseError, LookupError, UnicodeError) as error:
        raise BadDisposition(
            "the encoded words of filename cannot be read: filename*=UTF-8''%D9%BE%D9%84.pdf"
        ) from error


def _text(raw: bytes) -> str:
    for charset in ("utf-8", "windows-1256" if _LETTERS.search(raw) else "windows-1252"):
        try:
            return raw.decode(charset)
        except UnicodeError:
            continue
    return raw.decode("latin-1")


def _bytes(text: str) -> bytes:
    """The original bytes; text that cannot come from ASGI counts as decoded already."""
    try:
        return text.encode("latin-1")
    except UnicodeError:
        return text.encode(errors="replace")
