"""What a text may hold, and its search key."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.text import (
    FILLERS,
    TAKEN_OUT,
    is_plain,
    normalise,
    normalise_line,
    persian_digits,
    search_key,
    shows,
    unseen,
)

ZWNJ = "\u200c"

persian = st.text(
    alphabet=st.one_of(
        st.characters(min_codepoint=0x0600, max_codepoint=0x06FF),
        st.sampled_from(
            " \t\n\r\u00a0\u200b\u200c\u200d\u200e\u202e\u2028\ufeffabc019\u3164\ufe0f"
            "\U000e0041\U000e0100\x00\x1c\x85"
        ),
        st.characters(min_codepoint=0xFB50, max_codepoint=0xFEFC, categories=["Lo"]),
    )
)
texts = st.one_of(persian, st.text(), st.text(st.characters(categories=["Mn", "Lo", "Cf", "Zs"])))
cleanings = pytest.mark.parametrize("clean", [normalise, normalise_line])
every_taken_out = re.compile(f"[{''.join(TAKEN_OUT.values())}]")


@cleanings
@given(text=texts)
@example(text=f"a{ZWNJ}\u202e{ZWNJ} b")
def test_cleaning_twice_is_cleaning_once(clean: Callable[[str], str], text: str) -> None:
    assert clean(clean(text)) == clean(text)


@cleanings
@given(text=texts)
def test_a_clean_text_has_no_invisible_characters(clean: Callable[[str], str], text: str) -> None:
    cleaned = clean(text)
    assert not every_taken_out.search(cleaned)
    assert unicodedata.is_normalized("NFC", cleaned)
    controls = {c for c in cleaned if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}}
    assert controls <= ({"\n"} if clean is normalise else set())
    assert cleaned == cleaned.strip()


@given(texts)
def test_the_fast_check_agrees_with_the_full_one(text: str) -> None:
    if is_plain(text):
        kept = unicodedata.normalize("NFC", every_taken_out.sub("", text).strip())
        assert kept == text
        assert not re.search(r"[\n\t\r]", text)
        assert shows(text)


@cleanings
@given(text=texts)
@example(text=" سال جاری.\u200c\nب\n\u200c ")
def test_nothing_is_cleaned_otherwise_without_the_fast_check(
    clean: Callable[[str], str], text: str
) -> None:
    fast = clean(text)
    with patch("shared.text.is_plain", return_value=False):
        assert clean(text) == fast


@given(texts)
def test_a_visible_text_is_visible_after_cleaning(text: str) -> None:
    assert shows(normalise(text)) == shows(normalise_line(text)) == shows(text)


@given(texts)
def test_a_text_with_a_search_key_is_visible(text: str) -> None:
    assert shows(text) or not search_key(text)


@given(texts)
def test_a_search_key_is_its_own_search_key(text: str) -> None:
    assert search_key(search_key(text)) == search_key(text)


@given(texts)
def test_cleaning_does_not_change_what_is_found(text: str) -> None:
    assert search_key(normalise(text)) == search_key(normalise_line(text)) == search_key(text)


@given(texts)
def test_a_search_key_has_only_letters_and_digits(text: str) -> None:
    assert all(unicodedata.category(character)[0] in "LN" for character in search_key(text))


@given(texts, texts)
def test_a_text_is_found_by_each_of_its_words(first: str, second: str) -> None:
    text = f"{first} {second}"
    for word in text.split():
        assert search_key(word) in search_key(text)


@pytest.mark.parametrize(
    "text",
    [
        "كتاب هاي استاني",
        "دايرة المعارف",
        "مصوبهٔ نشست",
        "مُدیریّتِ بُحران",
        "پیـــگیری",
        "سال ١٤٠٢ و ۱۴۰۲ و 1402",
        "بند ۱۲ و A-12",
        f"می{ZWNJ}شود",
        f"پیگیری{ZWNJ}های «ویژه»",
        "۱۴۰۲ ه\u200d.ش",
        "راه  و \u00a0شهر",
        "فایل PDF\u200f (نهایی)",
        "آب و مسئول و رأی",
        "👨\u200d👩\u200d👧 ❤\ufe0f",
        "x",
        "—",
    ],
)
def test_ordinary_texts_are_kept_as_they_were_written(text: str) -> None:
    assert normalise(text) == normalise_line(text) == text
    assert shows(text)


@pytest.mark.parametrize(
    ("written", "lines", "line"),
    [
        (f"پیگیری{ZWNJ}{ZWNJ}ها", f"پیگیری{ZWNJ}ها", f"پیگیری{ZWNJ}ها"),
        (f"{ZWNJ}پیگیری {ZWNJ}ها{ZWNJ} ", "پیگیری ها", "پیگیری ها"),
        ("  راه \u00a0", "راه", "راه"),
        ("یکم \r\n  دوم\u2028سوم\x0bچهارم", "یکم \n  دوم\nسوم\nچهارم", "یکم دوم سوم چهارم"),
        ("یکم\tدوم", "یکم دوم", "یکم دوم"),
        ("\n\nیکم\n\n", "یکم", "یکم"),
        ("مدیریت\u202eبحران\u202c", "مدیریتبحران", "مدیریتبحران"),
        ("\u2067مدیریت\u2069", "مدیریت", "مدیریت"),
        ("\ufeffپل\x00\x07\x1b\x9f\u200b\u00ad\u2060", "پل", "پل"),
        ("پل\U000e0061\U000e007f", "پل", "پل"),
        ("پل\ufffe\U0010ffff\ud800", "پل", "پل"),
        ("ا\u0653ب", "آب", "آب"),
        ("\x1c", "", ""),
    ],
)
def test_removed_and_replaced_characters(written: str, lines: str, line: str) -> None:
    assert normalise(written) == lines
    assert normalise_line(written) == line


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\r\n\u00a0\u3000",
        "\u200b\u200c\u200d\u2060\ufeff",
        "\u200e\u200f\u061c\u202e\u2066",
        *FILLERS,
        "\u034f",
        "\u0301\u064b\u20dd",
        "\ufe0f\U000e0100",
        "\U000e0041\U000e0042",
        "\ue000\uf8ff\U000f0000",
        "\u0378\U0001fffe\uffff",
        "\ud800",
        "\u180e\u2800 \u3164",
        "\x00\x1f\x7f\x9f",
        "\u00ad",
        "\u17b4",
    ],
    ids=ascii,
)
def test_texts_that_show_nothing(text: str) -> None:
    assert not shows(text)
    assert not is_plain(text)


@pytest.mark.parametrize(
    ("id_", "found"),
    [
        ("1402-IR-09-R001", None),
        ("ش-۱۴۰۲-۹", None),
        (f"می{ZWNJ}شود", None),
        ("a\u200bb", "U+200B"),
        ("a\u200f", "U+200F"),
        ("\u202ea", "U+202E"),
        ("a\x7f", "U+007F"),
        ("a\u3164", "U+3164"),
        ("a\ufe0f", "U+FE0F"),
        ("a\U000e0101", "U+E0101"),
        ("a\U000e0041", "U+E0041"),
        ("a\ud800", "U+D800"),
    ],
)
def test_the_first_invisible_character_of_an_id(id_: str, found: str | None) -> None:
    assert unseen(id_) == found


@given(texts)
def test_cleaning_removes_only_invisible_characters(text: str) -> None:
    if every_taken_out.search(text):
        assert unseen(text) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"می{ZWNJ}شود", "می شود"),
        (f"می{ZWNJ}شود", "ميشود"),
        ("پیگیری ها", "پیگیریها"),
        ("كرمانشاه", "کرمانشاه"),
        ("آذربایجان", "اذربايجان"),
        ("مسئول", "مسیول"),
        ("جُزءِ", "جزء"),
        ("خانهٔ", "خانه"),
        ("خانۀ", "خانة"),
        ("سال ۱۴۰۲", "سال 1402"),
        ("سال ١٤٠٢", "سال ۱۴۰۲"),
        ("«نشست» (استانی)", "نشست استانی"),
        ("ﻧﺸﺴﺖ", "نشست"),
        ("WEBINAR", "webinar"),
        ("پیـــگیری", "پیگیری"),
        ("پل\u3164", "پل"),
        ("پ\u202eل", "پل"),
    ],
)
def test_spelling_variants_have_one_key(one: str, other: str) -> None:
    assert search_key(one) == search_key(other) != ""


@pytest.mark.parametrize(("one", "other"), [("کرمان", "کرمانشاه"), ("قم", "غم"), ("۱۲", "۲۱")])
def test_other_words_have_other_keys(one: str, other: str) -> None:
    assert search_key(one) != search_key(other)


def test_persian_digits() -> None:
    assert persian_digits(1402) == "۱۴۰۲"
    assert persian_digits("IR-07, ٣ of 31") == "IR-۰۷, ۳ of ۳۱"


@given(st.integers())
def test_persian_digits_are_read_back_as_the_number(number: int) -> None:
    assert int(persian_digits(number)) == number
