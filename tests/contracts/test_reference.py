"""The domain's default data compared with other sources."""

from __future__ import annotations

import unicodedata
from typing import Any

import pycountry
import pytest

from shared.contracts.reference import (
    AXES,
    COORDINATION,
    DEPUTIES,
    PROVINCE_CODES,
    PROVINCES,
    Province,
)

SUBDIVISIONS: Any = pycountry.subdivisions  # its methods have no types


def plain(name: str) -> str:
    """Latin letters without marks and separators: Sīstān va Balūchestān -> sistan…"""
    letters = unicodedata.normalize("NFKD", name).replace(" va ", " and ").lower()
    return "".join(letter for letter in letters if letter.isascii() and letter.isalpha())


IN_ISO_3166_2 = {
    "IR-03": "Āz̄ārbāyjān-e Shārqī",
    "IR-04": "Āz̄ārbāyjān-e Ghārbī",
    "IR-09": "Khorāsān-e Raẕavī",
    "IR-10": "Eşfahān",
    "IR-12": "Kordestān",
    "IR-14": "Chahār Maḩāl va Bakhtīārī",
    "IR-17": "Kohgīlūyeh va Bowyer Aḩmad",
    "IR-28": "Khorāsān-e Shomālī",
    "IR-29": "Khorāsān-e Jonūbī",
}
"""Names that the standard transcribes although English has its own name or spelling."""


def test_there_are_the_31_provinces_of_iso_3166_2() -> None:
    listed = {place.code for place in SUBDIVISIONS.get(country_code="IR")}

    assert len(PROVINCES) == 31
    assert listed == PROVINCE_CODES
    assert [province.code for province in PROVINCES] == sorted(listed)


@pytest.mark.parametrize("province", PROVINCES, ids=lambda province: province.code)
def test_a_province_has_the_name_of_its_code(province: Province) -> None:
    listed = SUBDIVISIONS.get(code=province.code).name

    assert plain(listed) == plain(IN_ISO_3166_2.get(province.code, province.name_en))


def test_persian_names_are_written_in_persian_letters() -> None:
    texts = [
        *(province.name_fa for province in PROVINCES),
        *(deputy.title_fa for deputy in DEPUTIES),
        *(axis.title_fa for axis in AXES),
    ]
    for text in texts:
        letters = text.replace("\u200c", "").replace(" ", "")
        assert all("ARABIC LETTER" in unicodedata.name(letter) for letter in letters), text
        assert not set("يكة") & set(text), f"{text}: Arabic ye, kaf or te"


def test_names_are_distinct() -> None:
    for names in (
        [province.name_fa for province in PROVINCES],
        [province.name_en for province in PROVINCES],
        [deputy.id for deputy in DEPUTIES],
        [deputy.title_fa for deputy in DEPUTIES],
        [axis.id for axis in AXES],
        [axis.title_fa for axis in AXES],
    ):
        assert len(set(names)) == len(names)


def test_each_axis_has_its_own_deputy_and_coordination_has_none() -> None:
    assert len(AXES) == 8
    assert len(DEPUTIES) == 9
    assert {axis.deputy for axis in AXES} == {deputy.id for deputy in DEPUTIES} - {COORDINATION}
