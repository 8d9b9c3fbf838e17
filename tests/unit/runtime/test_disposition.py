"""Names of files in Content-Disposition, above all in Persian."""

from __future__ import annotations

from contextlib import suppress
from email.header import Header
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, compat32
from email.utils import collapse_rfc2231_value

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.runtime.http.disposition import BadDisposition, attachment, named
from shared.runtime.safe_text import one_line
from tests.unit.written.any_text import ANY_TEXT

PERSIAN = "عکس پل روستای سرآسیاب.jpg"
ENCODED = (
    "%D8%B9%DA%A9%D8%B3%20%D9%BE%D9%84%20%D8%B1%D9%88%D8%B3%D8%AA%D8%A7%DB%8C%20"
    "%D8%B3%D8%B1%D8%A2%D8%B3%DB%8C%D8%A7%D8%A8.jpg"
)
NAMES = st.text("پل روستا گزارش1402 .-_()", min_size=1, max_size=90).filter(
    lambda name: name == " ".join(name.split())
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
        ("attachment; xfilename=a; name=b", None),
        ("attachment; filename=", None),
        ('attachment; filename=""', None),
        ("", None),
        (";;=;\"'", None),
    ],
)
def test_the_name_is_read_as_it_was_meant(header: str, name: str | None) -> None:
    assert named(header) == name


def sent(header: str) -> str:
    """A header as ASGI receives it from a client that sends UTF-8."""
    return header.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        # browsers, Go, PHP: plain UTF-8; quotes and line ends escaped, or quotes unchanged
        (sent('form-data; name="file"; filename="پل.pdf"'), "پل.pdf"),
        ('attachment; filename="a %22b%22.pdf"', 'a "b".pdf'),
        ('attachment; filename="a "b".pdf"; size=3', 'a "b".pdf'),
        # curl
        (r'attachment; filename="a \"b\";c\\d.pdf"; x=1', r'a "b";c\d.pdf'),
        # .NET
        (f"attachment; filename=\"=?utf-8?B?2b4=?=\"; filename*=utf-8''{ENCODED}", PERSIAN),
        ('attachment; filename="=?utf-8?B?2b7ZhC5wZGY=?="', "پل.pdf"),
        ("attachment; filename==?utf-8?Q?=D9=BE=D9=84_1.pdf?=", "پل 1.pdf"),
        # Java: words folded within a letter, of another language, in forbidden quotes
        ('attachment; filename="=?UTF-8?Q?=D9=BE=D9?=\r\n =?UTF-8?Q?=84?=.pdf"', "پل.pdf"),
        ('attachment; filename="=?utf-8*fa?B?2b4=?= =?windows-1256?Q?=E1?="', "پل"),
        ('attachment; filename="?.pdf"; filename*="UTF-8\'\'%D9%BE%D9%84.pdf"', "پل.pdf"),
        # RFC 2231, of mail libraries: in any order, within a letter, encoded or not
        ("attachment; filename*0*=utf-8''%D9%BE%D9; filename*1*=%84; filename*2=.pdf", "پل.pdf"),
        ('attachment; filename*1="l.pdf"; filename*0="po"; filename*3=x', "pol.pdf"),
        ('attachment; filename*0="=?UTF-8?Q?=D9="; filename*1="BE?=.pdf"', "پ.pdf"),
        ("attachment; filename*0*=utf-8''a; filename=b; filename*=utf-8''c", "c"),
        # Internet Explorer and others
        (sent(r'attachment; filename="C:\fakepath\پل.pdf"'), r"C:\fakepath\پل.pdf"),
        (r'attachment; filename="\\server\share\new.pdf"', r"\server\share\new.pdf"),
        (r'attachment; filename="C:\folder\"; size=3', "C:\\folder\\"),
        ('attachment; filename="it\x92s.pdf"', "it’s.pdf"),
        ('attachment; filename="fo\xf6.pdf"', "foö.pdf"),
        (
            f'attachment; filename="{"گزارش".encode("cp1256").decode("latin-1")} 1.pdf"',
            "گزارش 1.pdf",
        ),
        # by hand
        ("filename=a.pdf", "a.pdf"),
        ('filename = "a.pdf" ; size=3', "a.pdf"),
        ("attachment; filename=my report, [1](2).pdf ; size=3", "my report, [1](2).pdf"),
        ('attachment; filename="a.pdf', "a.pdf"),
        ('attachment; filename="a.pdf"; filename="b.pdf"', "a.pdf"),
        ("attachment; filename=%D9%BE%D9%84.pdf", "پل.pdf"),
        (sent("attachment; filename=سلام"), "سلام"),  # its last byte is white space in Latin-1
        (sent('attachment; filename="سلام" ; size=3'), "سلام"),
        (sent('attachment; filename="سلام'), "سلام"),
        (sent('attachment; filename="a "سلام" à"'), 'a "سلام" à'),
        ('attachment; filename="100%.pdf"', "100%.pdf"),
        ('attachment; filename="100%ab.pdf"', "100%ab.pdf"),
        ('attachment; filename="a+b\'c.pdf"', "a+b'c.pdf"),
        ("attachment; filename*=utf8''%D9%BE", "پ"),
        (sent("attachment; filename*=UTF-8''پل.pdf"), "پل.pdf"),
        # the preferred one cannot be read
        ("attachment; filename=a.pdf; filename*=UTF-8''%D9", "a.pdf"),
        ("attachment; filename=a.pdf; filename*=UTF-8'b.pdf", "a.pdf"),
        ("attachment; filename=a.pdf; filename*=UTF-8''", "a.pdf"),
        ("attachment; filename=a.pdf; filename*0*=koi8-r''%C6", "a.pdf"),
    ],
)
def test_clients_write_names_in_many_ways(header: str, name: str) -> None:
    assert named(header) == name


@pytest.mark.parametrize(
    "header",
    [
        "attachment; filename*=UTF-8''%D9",
        "attachment; filename*=UTF-8'%D9%BE",
        "attachment; filename*0*=UTF-8''%D9; filename*2*=%BE",
        'attachment; filename="=?nothing?B?2b4=?="',
        'attachment; filename="=?hex?Q?ab?="',
        'attachment; filename="=?utf-8?B?2?="',
        'attachment; filename="=?utf-8?Q?=D9?="',
        "attachment; filename*=windows-1256''%81.pdf",
        "attachment; filename*=nothing''x",
        "attachment; filename*=a.pdf",
    ],
)
def test_an_unreadable_name_is_refused(header: str) -> None:
    with pytest.raises(BadDisposition, match="filename"):
        named(header)


def test_a_persian_name_is_sent_with_a_plain_one_for_old_clients() -> None:
    assert attachment(PERSIAN) == f"attachment; filename=\"file.jpg\"; filename*=UTF-8''{ENCODED}"
    assert attachment("a-1_b.pdf") == 'attachment; filename="a-1_b.pdf"'
    assert attachment("my report (2).pdf") == 'attachment; filename="my report (2).pdf"'


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_every_written_name_is_read_unchanged(name: str) -> None:
    header = attachment(name)
    assert header.isascii()
    assert header.isprintable()
    assert named(header) == one_line(name)


@given(ANY_TEXT)
@example("a\"; filename*=UTF-8''evil.exe")
@example("a\r\nSet-Cookie: x=1")
@example("100%25.pdf")
@example("=?utf-8?Q?a?=")
@example("\ud800")
@example("<a.pdf>")
def test_other_readers_read_the_same_name(name: str) -> None:
    written = f"Content-Disposition: {attachment(name)}\r\nX-Last: 1\r\n\r\n"
    message = BytesParser(policy=compat32).parsebytes(written.encode("ascii"))
    assert message.keys() == ["Content-Disposition", "X-Last"]
    _, *names = message.get_params([], "Content-Disposition")
    assert collapse_rfc2231_value(names[-1][1]) == one_line(name)


@given(st.text(st.characters(max_codepoint=0xFF)))
def test_every_header_is_read_or_refused(header: str) -> None:
    with suppress(BadDisposition):
        assert named(f"attachment; {header}") != ""
        assert named(f'attachment; filename="{header}') != ""
        assert named(f"attachment; filename*=UTF-8''{header}") != ""


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="%?")))
@example("سلام")
@example('\\"; x="')
def test_a_name_in_utf_8_is_read_as_curl_and_as_browsers_escape_it(name: str) -> None:
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    assert named(sent(f'form-data; name="f"; filename="{escaped}"; size=3')) == (name or None)
    path = name.replace("\\", "/")
    browsers = path.replace('"', "%22")
    assert named(sent(f'form-data; filename="{browsers}"')) == (path or None)
    by_hand = path.strip().replace(";", "").replace('"', "")
    assert named(sent(f"attachment; filename={by_hand} ; size=3")) == (by_hand.strip(" ") or None)


@given(NAMES, st.sampled_from(["utf-8", "windows-1256"]), st.booleans())
def test_encoded_words_are_read_as_mail_libraries_write_them(
    name: str, charset: str, long_lines: bool
) -> None:
    written = Header(name, charset, maxlinelen=998 if long_lines else 40).encode()
    assert named(f'attachment; filename="{written}"') == name


@given(NAMES)
def test_names_in_several_parts_are_read_as_mail_libraries_write_them(name: str) -> None:
    message = EmailMessage(policy=SMTP)
    message.add_header("Content-Disposition", "attachment", filename=name)
    header = message.as_bytes().decode("latin-1").partition(": ")[2].partition("\r\n\r\n")[0]
    assert named(header) == name
