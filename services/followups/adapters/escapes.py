"""The escapes of texts in Office Open XML (ECMA-376 part 1, 22.9.2.19, ST_Xstring).

XML cannot hold every character, so U+0001 is written as `_x0001_`. If a text contains these very
letters, its first underscore is written as `_x005F_`.
"""

from __future__ import annotations

import re
from typing import Final

_UNWRITABLE: Final = "\x00-\x08\x0b-\x1f\ufffe\uffff"  # in XML 1.0; parsers drop U+000D
_LOOKS_ESCAPED: Final = re.compile(f"_(?=x[0-9A-Fa-f]{{4}}[_{_UNWRITABLE}])")
_TO_ESCAPE: Final = re.compile(f"[{_UNWRITABLE}]")
_ESCAPED: Final = re.compile("_x([0-9A-Fa-f]{4})_")


def escaped(text: str) -> str:
    """Escape a text for the file. Half a surrogate pair, which no file can hold, becomes U+FFFD."""
    text = _LOOKS_ESCAPED.sub("_x005F_", _without_half_pairs(text))
    return _TO_ESCAPE.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def unescaped(text: str) -> str:
    """Undo `escaped`."""
    if "_x" not in text:
        return text
    return _without_half_pairs(_ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))


def _without_half_pairs(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
