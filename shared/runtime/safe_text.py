"""Text made safe for every kind of output: XML, HTML, CSV, headers, labels.

Input is cleaned before it is stored (`shared.text`). Output does not rely on that: a text may be
older, come from another system, or be an error message.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import bidirectional

_UNWRITABLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane + end) for plane in range(0, 0x110000, 0x10000) for end in (0xFFFE, 0xFFFF))
    + "]"
)
_LINE_ENDS: Final = re.compile("\r\n?|[\t\n\v\f\x1c-\x1e\x85\u2028\u2029]")
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "EN", "AN"})  # letters, and numbers between them
_DIRECTIONS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")  # Unicode, UAX 9

FSI: Final = "\u2068"  # first strong isolate, up to
PDI: Final = "\u2069"  # pop directional isolate


def writable(text: str) -> str:
    """The same text, with U+FFFD for each character that no document should hold.

    Those are controls except tab and ASCII's line ends, lone surrogates, which cannot be encoded,
    and noncharacters. XML 1.0 forbids most of them, HTML and CloudEvents 1.0 all. Idempotent.
    """
    return _UNWRITABLE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Writable text on one line: line ends and tabs become spaces. Idempotent."""
    return writable(_LINE_ENDS.sub(" ", text))


def isolated(text: str) -> str:
    """A text on one line that cannot reorder the right-to-left text around it.

    It is put between FSI and PDI unless it runs from right to left itself, from its first letter or
    number to its last. Its own embeddings, overrides and isolates are removed: an unclosed one
    would affect what follows, and an override makes `txt.exe` look like `exe.txt`.
    """
    line = _DIRECTIONS.sub("", one_line(text))
    classes = [bidirectional(character) for character in line]
    if classes and {classes[0], classes[-1]} <= _RIGHT_TO_LEFT and "L" not in classes:
        return line
    return f"{FSI}{line}{PDI}"
