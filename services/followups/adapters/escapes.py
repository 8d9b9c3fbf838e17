"""Texts as Office Open XML writes them (ECMA-376 part 1, 22.9.2.19, ST_Xstring).

XML cannot hold every character, so `_x0001_` stands for U+0001. Where a text holds those very
letters, its first low line is written `_x005F_`.
"""

from __future__ import annotations

import re
from typing import Final

_UNWRITABLE: Final = "\x00-\x08\x0b-\x1f\ufffe\uffff"  # in XML 1.0; a carriage return gets lost
_MISTAKABLE: Final = re.compile(f"_(?=x[0-9A-Fa-f]{{4}}[_{_UNWRITABLE}])")
_TO_ESCAPE: Final = re.compile(f"[{_UNWRITABLE}]")
_ESCAPED: Final = re.compile("_x([0-9A-Fa-f]{4})_")


def escaped(text: str) -> str:
    """A text to be written. Half a surrogate pair, which no text can hold, becomes U+FFFD."""
    plain = _MISTAKABLE.sub("_x005F_", _whole(text))
    return _TO_ESCAPE.sub(lambda found: f"_x{ord(found[0]):04X}_", plain)


def unescaped(text: str) -> str:
    """A text as it is meant: the other way round."""
    if "_x" not in text:
        return text
    return _whole(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))


def _whole(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
