"""Persian text: one way to write it, a key to search it by, and digits as people read them.

The same word reaches us from keyboards and systems that write ي or ی, ك or ک, with and without
zero-width non-joiners (ZWNJ, U+200C).
"""

from __future__ import annotations

import re
import unicodedata

_ZWNJ = "\u200c"

_PERSIAN_DIGITS = str.maketrans("0123456789٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹" * 2)
_ARABIC_DIGITS = str.maketrans("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹")

_ARABIC_LETTERS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ة": "ه"})
_SAME_SOUND = str.maketrans(
    {
        **dict.fromkeys("يىېےێ", "ی"),
        **dict.fromkeys("كڪ", "ک"),
        **dict.fromkeys("ةەہھ", "ه"),
        "ٱ": "ا",
    }
)

_VOWEL_MARKS = "\u064b-\u0652\u0670"
_TATWEEL = "\u0640"
_INVISIBLE = "\u00ad\u200b\u200d-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_UNWANTED = re.compile(f"[{_VOWEL_MARKS}{_TATWEEL}{_INVISIBLE}]")
_LINE_ENDS = re.compile("\r\n?|\u0085|\u2028|\u2029")
_SPACES = re.compile(r"[^\S\n]+")
_LOOSE_JOINERS = re.compile(f"(?<![^\\s]){_ZWNJ}+|{_ZWNJ}+(?![^\\s])|(?<={_ZWNJ}){_ZWNJ}+")
_LINE_EDGES = re.compile(" *\n *")


def persian_digits(value: str | int) -> str:
    """The same text with every ASCII and Arabic-Indic digit as a Persian one: `۱۴۰۲`."""
    return str(value).translate(_PERSIAN_DIGITS)


def normalise(text: str) -> str:
    """Write Persian text in one way, to be stored and shown.

    Arabic ي ى ك ة become ی ک ه, Arabic-Indic digits become Persian; vowel marks, tatweel and
    invisible controls (directional ones too) go; ZWNJ stays where it stands between letters;
    spaces are single, lines keep their ends. ASCII digits stay, as they may belong to a code.
    Composed by Unicode's NFC. Idempotent.
    """
    text = unicodedata.normalize("NFC", text)
    text = _LINE_ENDS.sub("\n", text)
    text = _UNWANTED.sub("", text)
    text = text.translate(_ARABIC_LETTERS).translate(_ARABIC_DIGITS)
    text = _LOOSE_JOINERS.sub("", text)
    text = _SPACES.sub(" ", text)
    text = _LINE_EDGES.sub("\n", text)
    return unicodedata.normalize("NFC", text.strip())


def search_key(text: str) -> str:
    """What is left of a text for comparing: letters and digits alone, spelling evened out.

    `می‌شود`, `می شود` and `میشود` have one key, and so have ۱۴۰۲ and 1402, آ and ا, ئ and ی.
    A text holds a word where the text's key holds the word's; to find several words, ask for
    the key of each. Follows Unicode's NFKD and full case folding. Idempotent.
    """
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = (_ascii_digit(character) for character in folded if character.isalnum())
    return "".join(kept).replace(_TATWEEL, "").translate(_SAME_SOUND)


def _ascii_digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)
