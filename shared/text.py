"""What a text may hold, a key for searching Persian, and Persian digits.

A text is kept as it was written: Arabic ي ك and digits of any script stay, and count as equal in
`search_key`. Invisible characters are removed, since they make texts that look alike differ, show
a text in another order than it was written, or hide one text in another. Names of things (ids,
settings) are never changed, only refused. This module imports nothing else of the project, so
that the contracts can use it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_ZWNJ: Final = "\u200c"

TAKEN_OUT: Final = {
    "control characters": "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f",
    "embeddings, overrides and isolates of direction": "\u202a-\u202e\u2066-\u2069",
    "zero-width spaces, word joiners, byte order marks, soft hyphens, invisible operators": (
        "\u00ad\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff"
    ),
    "anchors of annotations": "\ufff0-\ufffb",
    "tags": "\U000e0000-\U000e00ff\U000e01f0-\U000e0fff",
    "surrogates and noncharacters": "\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(end)}-{chr(end + 1)}" for end in range(0xFFFE, 0x110000, 0x10000)),
}
"""What is removed from every text: a description of each kind, and a character class for `re`."""

FILLERS: Final = "\u115f\u1160\u2800\u3164\uffa0\ufffc\U0001d159"
"""Characters that Unicode classes as letters or symbols although they show nothing."""

_DIRECTION_MARKS: Final = "\u061c\u200e\u200f"
_SELECTORS: Final = "\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"

_HIDDEN: Final = re.compile(f"[{''.join(TAKEN_OUT.values())}]+")
_UNSEEN: Final = re.compile(
    f"[{''.join(TAKEN_OUT.values())}{FILLERS}{_DIRECTION_MARKS}{_SELECTORS}]"
)
_UNSEEN_AND_PRINTABLE: Final = re.compile(f"[{FILLERS}{_SELECTORS}]")
_LINE_ENDS: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_BREAKS: Final = re.compile(r"\s*\n\s*")
_LOOSE_JOINERS: Final = re.compile(f"(?<![^\\s]){_ZWNJ}+|{_ZWNJ}+(?![^\\s])|(?<={_ZWNJ}){_ZWNJ}+")
_AFTER_A_SPACE: Final = f" {_ZWNJ}"
_BEFORE_A_SPACE: Final = f"{_ZWNJ} "
_TWICE: Final = _ZWNJ * 2
_HAMZA: Final = "\u0654"
_EDGES: Final = _ZWNJ + "".join(c for c in map(chr, range(0x3001)) if c.isspace())
_LASTS: Final = frozenset(_EDGES)

_PERSIAN_DIGITS: Final = str.maketrans("0123456789٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹" * 2)
_SAME_SOUND: Final = str.maketrans(
    {
        **dict.fromkeys("يىېےێ", "ی"),
        **dict.fromkeys("كڪ", "ک"),
        **dict.fromkeys("ةەہھ", "ه"),
        "ٱ": "ا",
    }
)
_TATWEEL: Final = "\u0640"
_NO_LETTERS: Final = frozenset(FILLERS + _TATWEEL)


def persian_digits(value: str | int) -> str:
    """The same text with each ASCII and Arabic-Indic digit replaced by the Persian one: `۱۴۰۲`."""
    return str(value).translate(_PERSIAN_DIGITS)


def is_plain(text: str) -> bool:
    """Whether a text shows something and `normalise_line` would not change it; a fast check.

    True for nearly all texts, which then need no more work. False leaves both open.
    """
    if not _begins_visibly(text) or text[-1] in _LASTS:
        return False
    if not text.isprintable() and (
        not text.replace(_ZWNJ, "").isprintable()
        or _AFTER_A_SPACE in text
        or _BEFORE_A_SPACE in text
        or _TWICE in text
    ):
        return False
    return text.isascii() or _is_composed(text)


def _begins_visibly(text: str) -> bool:
    first = text[:1]
    return first.isalnum() and first not in FILLERS


def _is_composed(text: str) -> bool:
    # A hamza on a final heh, frequent in Persian, makes Unicode's quick check inconclusive.
    if _HAMZA in text:
        text = text.replace(f"ه{_HAMZA} ", "ه ")
    return unicodedata.is_normalized("NFC", text)


def normalise(text: str) -> str:
    """A text of several lines without invisible characters; the rest stays as it was written.

    The characters of `TAKEN_OUT` are removed, lines end with a line feed, a tab becomes a space.
    ZWNJ (U+200C) stays between letters only. White space is removed from both ends. The result is
    in Unicode's NFC. Idempotent.
    """
    stripped = text.strip(_EDGES)
    if is_plain(stripped.replace("\n", " ")):  # most have a space at an end, or several lines
        return stripped
    text = _LINE_ENDS.sub("\n", text).replace("\t", " ")
    text = _HIDDEN.sub("", text)
    text = _LOOSE_JOINERS.sub("", text)
    return unicodedata.normalize("NFC", text.strip(_EDGES))


def normalise_line(text: str) -> str:
    """The same for a text of one line: a line break with the white space around it is a space."""
    text = normalise(text)
    return _BREAKS.sub(" ", text) if "\n" in text else text


def shows(text: str) -> bool:
    """Whether a text shows anything: a letter, a digit, a sign.

    White space, invisible characters, combining marks without a base, fillers, and characters that
    Unicode has not assigned or leaves to private use show nothing.
    """
    return _begins_visibly(text) or any(
        unicodedata.category(character)[0] in "LNPS" and character not in FILLERS
        for character in text
    )


def unseen(text: str) -> str | None:
    """The first invisible character of a text, as `U+200B`; None if there is none.

    For texts that are compared by their characters, such as ids: direction marks, fillers and
    variation selectors count as invisible here. ZWNJ does not; the caller judges white space.
    """
    found = (_UNSEEN_AND_PRINTABLE if text.isprintable() else _UNSEEN).search(text)
    return None if found is None else f"U+{ord(found[0]):04X}"


def search_key(text: str) -> str:
    """A text reduced for comparison to letters and digits, with spelling variants made equal.

    `می‌شود`, `می شود` and `میشود` have one key, and so have ۱۴۰۲ and 1402, آ and ا, ئ and ی.
    A text contains a word if its key contains the word's key; to find several words, use the key
    of each. Follows Unicode's NFKD and full case folding. Idempotent.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = (_ascii_digit(c) for c in folded if c.isalnum() and c not in _NO_LETTERS)
    return "".join(kept).translate(_SAME_SOUND)


def _ascii_digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)
