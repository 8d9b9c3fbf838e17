"""Names of files in Content-Disposition, in Persian above all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.http.disposition import BadDisposition, attachment, named

PERSIAN = "عکس پل روستای سرآسیاب.jpg"
ENCODED = (
    "%D8%B9%DA%A9%D8%B3%20%D9%BE%D9%84%20%D8%B1%D9%88%D8%B3%D8%AA%D8%A7%DB%8C%20"
    "%D8%B3%D8%B1%D8%A2%D8%B3%DB%8C%D8%A7%D8%A8.jpg"
)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (f"attachment; filename*=UTF-8''{ENCODED}", PERSIAN),
        (f"attachment; filename=a.jpg; filename*=utf-8'fa'{ENCODED}", PERSIAN),
        (f"attachment; filename*=UTF-8''{ENCODED}; filename=a.jpg", PERSIAN),
        (f'attachment; filename="{PERSIAN.encode().decode("latin-1")}"', PERSIAN),
        ('attachment; filename="a \\"b\\".pdf"', 'a "b".pdf'),
        ("attachment; FileName=a.pdf", "a.pdf"),
        ("inline; filename*=ISO-8859-1''caf%E9.txt", "café.txt"),
        ('attachment; filename="caf\xe9.txt"', "café.txt"),
        ("attachment", None),
        ("attachment; size=3", None),
        ("", None),
        (";;=;\"'", None),
    ],
)
def test_the_name_is_read_as_it_was_meant(header: str, name: str | None) -> None:
    assert named(header) == name


@pytest.mark.parametrize(
    "header",
    [
        "attachment; filename*=UTF-8''%D9",
        "attachment; filename*=windows-1256''%81.pdf",
        "attachment; filename*=nothing''x",
        "attachment; filename*=a.pdf",
    ],
)
def test_what_cannot_be_read_is_refused(header: str) -> None:
    with pytest.raises(BadDisposition, match="filename"):
        named(header)


def test_a_persian_name_is_sent_with_a_plain_one_for_old_clients() -> None:
    assert attachment(PERSIAN) == f"attachment; filename=\"file.jpg\"; filename*=UTF-8''{ENCODED}"
    assert attachment("a-1_b.pdf") == 'attachment; filename="a-1_b.pdf"'


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_every_name_comes_back(name: str) -> None:
    header = attachment(name)
    assert header.isascii()
    assert header.isprintable()
    assert named(header) == name
