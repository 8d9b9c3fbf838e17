"""One way to write Persian, and a key to find it by."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.text import normalise, persian_digits, search_key

ZWNJ = "\u200c"

persian = st.text(
    alphabet=st.one_of(
        st.characters(min_codepoint=0x0600, max_codepoint=0x06FF),
        st.sampled_from(" \t\n\r\u00a0\u200b\u200c\u200d\u200e\u202e\u2028\ufeffabc019"),
        st.characters(min_codepoint=0xFB50, max_codepoint=0xFEFC, categories=["Lo"]),
    )
)
texts = st.one_of(persian, st.text())


@given(texts)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(texts)
def test_a_search_key_is_its_own_search_key(text: str) -> None:
    assert search_key(search_key(text)) == search_key(text)


@given(texts)
def test_normalising_does_not_change_what_is_found(text: str) -> None:
    assert search_key(normalise(text)) == search_key(text)


@given(texts)
def test_a_search_key_holds_letters_and_digits_alone(text: str) -> None:
    assert all(unicodedata.category(character)[0] in "LN" for character in search_key(text))


@given(texts, texts)
def test_a_text_is_found_by_each_of_its_words(first: str, second: str) -> None:
    text = f"{first} {second}"
    for word in text.split():
        assert search_key(word) in search_key(text)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("كتاب هاي استاني", "کتاب های استانی"),
        ("دايرة المعارف", "دایره المعارف"),
        ("مصوبهٔ نشست", "مصوبهٔ نشست"),
        ("مُدیریّتِ بُحران", "مدیریت بحران"),
        ("پیـــگیری", "پیگیری"),
        ("سال ١٤٠٢", "سال ۱۴۰۲"),
        ("بند ۱۲ و A-12", "بند ۱۲ و A-12"),
        (f"پیگیری{ZWNJ}{ZWNJ}ها", f"پیگیری{ZWNJ}ها"),
        (f"{ZWNJ}پیگیری {ZWNJ}ها{ZWNJ} ", "پیگیری ها"),
        ("  راه \u00a0 و  شهر\u200f ", "راه و شهر"),
        ("یکم \r\n  دوم\u2028سوم", "یکم\nدوم\nسوم"),
        ("مدیریت\u202eبحران", "مدیریتبحران"),
        ("آب و مسئول و رأی", "آب و مسئول و رأی"),
        ("ا\u0653ب", "آب"),
    ],
)
def test_normalise(written: str, meant: str) -> None:
    assert normalise(written) == meant


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
