"""Mails as their readers get them: Persian, from right to left, with dates of their calendar."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notify.adapters.addresses import Addresses
from services.notify.adapters.mails import MailRenderer
from services.notify.domain.notices import new_notices
from services.notify.domain.notifications import CancelledSession, MovedSession, Notification
from shared.text import normalise
from tests.unit.notify.examples import NOW, followup, report, resolution, session

SCRIBE = MailRenderer(
    Addresses("peygir.example", {"minister-office": "vazir@moi.example"}), "peygir@a.b"
)


def raw(notification: Notification) -> bytes:
    (notice, *_) = new_notices(notification, NOW, None)
    return SCRIBE.write(notice, NOW).content


def mail(notification: Notification) -> EmailMessage:
    return message_from_bytes(raw(notification), policy=policy.default)


def text(read: EmailMessage) -> str:
    part = read.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def html(read: EmailMessage) -> str:
    part = read.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def shown(read: EmailMessage) -> str:
    """The plain text without the marks that only steer its direction."""
    return re.sub("[\u2068\u2069]", "", text(read))


def test_a_governor_is_invited_and_told_by_when_the_report_is_due() -> None:
    read = mail(session())
    assert read["Subject"] == "دعوت به نشست تخصصی استان خراسان رضوی؛ دوشنبه ۲۱ اسفند ۱۴۰۲"
    assert read["To"] == "province.ir-09@peygir.example"
    told = shown(read)
    assert told.startswith("استاندار محترم خراسان رضوی\nبا سلام و احترام\n")
    assert "آغاز: دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۰۹:۰۰\n" in told
    assert "پایان: دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۱۳:۳۰\n" in told
    assert "شیوه برگزاری: حضوری\n" in told
    assert "محل: سالن شهید رجایی\n" in told
    assert "حداکثر تا جمعه ۱۸ اسفند ۱۴۰۲، ساعت ۰۹:۰۰ ارسال شود." in told
    assert "شناسه نشست: 1402-IR-09\n" in told


def test_another_gathering_asks_for_no_report() -> None:
    read = mail(
        session(
            kind="nationwide", title="نشست سراسری استانداران", report_due_at=None, mode="webinar"
        )
    )
    assert read["Subject"] == "دعوت به نشست «نشست سراسری استانداران»؛ دوشنبه ۲۱ اسفند ۱۴۰۲"
    assert "شیوه برگزاری: وبینار" in shown(read)
    assert "مهلت" not in text(read)


def test_a_governor_is_told_of_a_missing_report() -> None:
    read = mail(report())
    assert read["Subject"] == "گزارش استان خراسان رضوی در مهلت مقرر نرسیده است"
    assert "مهلت ارسال گزارش: جمعه ۱۸ اسفند ۱۴۰۲، ساعت ۰۹:۰۰\n" in shown(read)


def test_a_deputy_gets_the_resolution_whole() -> None:
    read = mail(resolution())
    assert read["Subject"] == "ابلاغ مصوبه: تکمیل پل روستای سرآسیاب"
    assert read["To"] == "deputy.civil@peygir.example"
    told = shown(read)
    assert told.startswith("معاونت عمرانی\n")
    for line in (
        "عنوان مصوبه: تکمیل پل روستای سرآسیاب",
        "شماره نامه: ۱۲۳/م",
        "متن مصوبه: پل تا پایان بهار تکمیل شود.\nگزارش ماهانه ارسال شود.",
        "استان: خراسان رضوی",
        "محور: مدیریت عمرانی و وضعیت زیرساخت‌ها",
        "دستگاه مجری: وزارت راه و شهرسازی",
        "دستگاه‌های همکار: استانداری خراسان رضوی، سازمان برنامه و بودجه",
        "تاریخ تصویب: دوشنبه ۲۱ اسفند ۱۴۰۲",
        "مهلت انجام: پنجشنبه ۳۱ خرداد ۱۴۰۳",
        "شناسه مصوبه: 1402-IR-09-R001",
    ):
        assert f"{line}\n" in told
    assert "فوری" not in told
    assert mail(resolution(priority="urgent"))["Subject"].startswith("فوری؛ ابلاغ مصوبه: ")


@pytest.mark.parametrize(
    ("level", "subject", "to", "lead"),
    [
        (1, "پیگیری معوق: ", "deputy.civil@peygir.example", "مهلت انجام مصوبه زیر به پایان رسیده"),
        (2, "ارجاع به معاونت هماهنگی؛ ", "coordination@peygir.example", "۱۲ روز پس از مهلت"),
        (3, "ارجاع به وزیر؛ ", "vazir@moi.example", "به استحضار وزیر رسانده می‌شود"),
    ],
)
def test_each_level_is_told_in_its_own_words(level: int, subject: str, to: str, lead: str) -> None:
    read = mail(followup(level=level))
    assert read["Subject"].startswith(subject)
    assert read["Subject"].endswith("پیگیری معوق: تکمیل پل روستای سرآسیاب")
    assert read["To"] == to
    told = shown(read)
    assert lead in told
    assert "مهلت انجام: دوشنبه ۲۱ اسفند ۱۴۰۲\n" in told
    assert "مهلت نخستین: ۱۴۰۲/۱۲/۱۱\n" in told
    assert "گذشته از مهلت: ۱۲ روز\n" in told
    assert "پیشرفت: ۴۰٪\n" in told
    assert "پاسخ‌گو: معاونت عمرانی\n" in told


def test_an_extended_date_alone_shows_the_first_one_too() -> None:
    assert "مهلت نخستین" not in text(mail(followup(original_due_on=date(2024, 3, 11))))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_reads_from_right_to_left_and_loads_nothing() -> None:
    page = _Page()
    page.feed(html(mail(resolution())))
    assert page.tags[0] == ("html", {"lang": "fa", "dir": "rtl"})
    assert dict(page.tags)["body"]["dir"] == "rtl"  # many readers drop <html>
    assert dict(page.tags)["table"]["dir"] == "rtl"
    assert {tag for tag, _ in page.tags}.isdisjoint({"img", "script", "link", "iframe", "style"})
    assert not any("src" in attrs or "href" in attrs for _, attrs in page.tags)
    assert "url(" not in html(mail(resolution()))
    for words in ("مهلت انجام", "پنجشنبه ۳۱ خرداد ۱۴۰۳", "معاونت عمرانی"):
        assert words in page.words


def test_an_id_among_persian_words_keeps_its_own_direction() -> None:
    read = mail(resolution())
    assert '<bdi dir="ltr">1402-IR-09-R001</bdi>' in html(read)
    assert "شناسه مصوبه: \u20681402-IR-09-R001\u2069\n" in text(read)


def test_what_others_wrote_is_text_and_nothing_else() -> None:
    title = "پل</td><script>alert(1)</script>\r\nBcc: x@y.z\u202eعکس\x00"
    read = mail(resolution(title=title, text=None))
    assert "Bcc" not in read
    assert read["Subject"] == "ابلاغ مصوبه: پل</td><script>alert(1)</script> Bcc: x@y.zعکس"
    page = _Page()
    page.feed(html(read))
    assert "script" not in dict(page.tags)
    assert "پل</td><script>alert(1)</script> Bcc: x@y.zعکس" in page.words


def test_arabic_letters_stay_as_they_were_written() -> None:
    assert mail(resolution(title="تكميل پل"))["Subject"] == "ابلاغ مصوبه: تكميل پل"


def test_the_head_says_who_sent_it_when_and_that_no_robot_shall_answer() -> None:
    read = mail(resolution())
    (notice,) = new_notices(resolution(), NOW, None)
    assert read["From"] == "سامانه پیگیر <peygir@a.b>"
    assert read["Message-ID"] == f"<{notice.notice_id}@peygir.example>"
    assert read["Date"].datetime == NOW
    assert read["Content-Language"] == "fa"
    assert read["Auto-Submitted"] == "auto-generated"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert {part.get_content_charset() for part in read.iter_parts()} == {"utf-8"}


def test_the_same_notice_is_the_same_mail() -> None:
    assert raw(followup()) == raw(followup())


def test_a_deputy_or_axis_of_this_installation_alone_goes_by_its_id() -> None:
    told = shown(mail(resolution(deputy="cyber", axis="cyber-space")))
    assert told.startswith("معاونت cyber\n")
    assert "محور: cyber-space\n" in told


_NASTY = st.sampled_from(
    [
        *(
            "\r\nBcc: x@y.z\r\n\r\n",
            "\r",
            "\n.\n",
            "\x00",
            "\x1b[2J",
            "\x7f",
            "\x85",
            "\u2028",
            "\ud800",
        ),
        *(
            "=?utf-8?b?QmNjOg==?=",
            "--=_boundary--",
            "<!--",
            "-->",
            "</title><script>",
            "</td></table>",
        ),
        *("<![CDATA[", "&#8238;", "&amp", "&lt;b&gt;", "{{ letter }}", "{% raw %}", "\"'`"),
        *("\u202e", "\u2066", "\u2069", "\u2068", "\u200f", "\u061c", "\ufeff", "\ufffe", "\ufdd0"),
        *(
            "\U0010ffff",
            "\U000e0041",
            "\u200c",
            "می\u200cشود",
            "ي",
            "ك",
            "١٢",
            "a" * 1_500,
            "ش" * 300,
        ),
    ]
)
_ANY = st.lists(_NASTY | st.text(st.characters(exclude_categories=())), max_size=6).map("".join)
_INSTANTS = st.datetimes(
    datetime(1900, 1, 2),  # noqa: DTZ001  # hypothesis wants them naive
    datetime(2199, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)
_STEERING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_MARKS = "\u061c\u200e\u200f\ufeff\ufff9\ufffa\ufffb"


def cleaned(text: str) -> str:
    """What is to be shown of a line of somebody's: all but what steers others or means nothing."""
    kept = []
    for character in normalise(text):
        point = ord(character)
        if unicodedata.bidirectional(character) in _STEERING or character in _MARKS:
            continue
        if 0xE0001 <= point <= 0xE007F:
            continue
        if 0xD800 <= point <= 0xDFFF or 0xFDD0 <= point <= 0xFDEF or point % 0x10000 >= 0xFFFE:
            kept.append("\ufffd")
        else:
            kept.append(" " if point < 0x20 or 0x7F <= point <= 0x9F else character)
    return " ".join("".join(kept).split())


def cleaned_lines(text: str) -> str:
    return "\n".join(cleaned(line) for line in normalise(text).split("\n"))


def rows(page: str) -> dict[str, str]:
    """The table of a page, as a parser of HTML that forgives nothing reads it."""
    root = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    read = {}
    for row in root.iter("tr"):
        head, cell = row
        lines = [""]
        for part in cell:
            if part.tag == "br":
                lines.append("")
            else:
                assert (part.tag, list(part)) == ("bdi", [])
                lines[-1] += part.text or ""
        read[head.text] = "\n".join(lines)
    return read


def bare(value: str) -> str:
    """A value whose every line is one isolate, without them."""
    lines = value.split("\n")
    for line in lines:
        assert line == "" or (line[0], line[-1]) == ("\u2068", "\u2069")
        assert not set(line[1:-1]) & {"\u2066", "\u2067", "\u2068", "\u2069"}
    return "\n".join(line[1:-1] for line in lines)


@settings(max_examples=40, deadline=None)  # the machine's load is no failure
@given(title=_ANY, told=_ANY, body=_ANY, reason=_ANY, instant=_INSTANTS)
def test_whatever_an_event_may_hold_is_a_mail_that_everybody_reads_alike(
    title: str, told: str, body: str, reason: str, instant: datetime
) -> None:
    due_on = instant.date()
    visit = session(title=title, venue=body, starts_at=instant, kind="visit")
    for notification, shown_rows in (
        (
            resolution(title=title, text=told, executing_body=body, due_on=due_on, supporting=()),
            {
                "عنوان مصوبه": cleaned(title),
                "متن مصوبه": cleaned_lines(told),
                "دستگاه مجری": cleaned(body),
            },
        ),
        (visit, {"عنوان نشست": cleaned(title), "محل": cleaned(body)}),
        (
            MovedSession(visit, instant, instant, reason),
            {"عنوان نشست": cleaned(title), "دلیل": cleaned_lines(reason)},
        ),
        (
            CancelledSession(visit, instant, reason),
            {"عنوان نشست": cleaned(title), "دلیل": cleaned_lines(reason)},
        ),
        (followup(title=title, due_on=due_on), {"عنوان مصوبه": cleaned(title)}),
        (report(title=title, due_at=instant), {"عنوان نشست": cleaned(title)}),
    ):
        content = raw(notification)
        assert content.isascii()
        lines = content.split(b"\r\n")
        assert not any(b"\n" in line or b"\r" in line for line in lines)
        assert max(map(len, lines[1:])) <= 78  # RFC 5322, 2.1.1; the first holds the boundary
        assert len(lines[0]) <= 100
        read = message_from_bytes(content, policy=policy.default)
        assert read.defects == []
        assert sorted(read.keys()) == sorted(_HEADERS)
        subject = str(read["Subject"])
        assert len(subject) <= 150
        assert cleaned(subject) == subject
        assert [part.get_content_type() for part in read.walk()] == [
            *("multipart/alternative", "text/plain", "text/html"),
        ]
        written = text(read)
        table = rows(html(read))
        for label, value in shown_rows.items():
            if value or label in table:
                assert bare(table[label]) == value
                assert f"\n{label}: {table[label]}\n" in written
        assert written.count("شناسه اعلان: ") >= 1
        balance = [written.count(mark) for mark in "\u2068\u2069"]
        assert balance[0] == balance[1]
        assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067") & set(written + html(read))


_HEADERS = [
    *("Content-Type", "MIME-Version", "From", "To", "Subject", "Date", "Message-ID"),
    *("Content-Language", "Auto-Submitted"),
]


@given(title=st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=100))
def test_a_short_title_is_in_the_subject_whole(title: str) -> None:
    assert mail(resolution(title=title))["Subject"] == f"ابلاغ مصوبه: {cleaned(title)}".rstrip()


def test_an_id_shows_what_cannot_be_seen_in_it() -> None:
    odd = "r\u202e1\u2069\x9f\ufffe"
    told = rows(html(mail(resolution(resolution_id=odd))))
    assert told["شناسه مصوبه"] == "r\ufffd1\ufffd\ufffd\ufffd"


def test_a_latin_title_within_a_persian_sentence_keeps_its_own_direction() -> None:
    page = html(mail(resolution(title="Bridge (phase 2)")))
    assert "ابلاغ مصوبه: \u2068Bridge (phase 2)\u2069</h1>" in page
    assert mail(resolution(title="Bridge (phase 2)"))["Subject"] == "ابلاغ مصوبه: Bridge (phase 2)"


def test_whoever_was_invited_is_told_the_old_time_and_the_new_one() -> None:
    moved = session(
        turn=1,
        starts_at=datetime(2024, 3, 13, 6, 30, tzinfo=UTC),
        ends_at=datetime(2024, 3, 13, 11, 0, tzinfo=UTC),
        report_due_at=datetime(2024, 3, 10, 6, 30, tzinfo=UTC),
    )
    old = session()
    read = mail(MovedSession(moved, old.starts_at, old.ends_at, "سفر استانی"))
    assert read["Subject"] == "تغییر زمان نشست تخصصی استان خراسان رضوی؛ چهارشنبه ۲۳ اسفند ۱۴۰۲"
    assert read["To"] == "province.ir-09@peygir.example"
    told = shown(read)
    for line in (
        "آغاز پیشین: دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۰۹:۰۰",
        "پایان پیشین: دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۱۳:۳۰",
        "آغاز: چهارشنبه ۲۳ اسفند ۱۴۰۲، ساعت ۱۰:۰۰",
        "پایان: چهارشنبه ۲۳ اسفند ۱۴۰۲، ساعت ۱۴:۳۰",
        "مهلت ارسال گزارش: یکشنبه ۲۰ اسفند ۱۴۰۲، ساعت ۱۰:۰۰",
        "دلیل: سفر استانی",
        "شناسه نشست: 1402-IR-09",
    ):
        assert f"\n{line}\n" in told


def test_whoever_was_invited_is_told_that_it_is_called_off() -> None:
    read = mail(CancelledSession(session(), NOW, None))
    assert read["Subject"] == "لغو نشست تخصصی استان خراسان رضوی؛ دوشنبه ۲۱ اسفند ۱۴۰۲"
    told = shown(read)
    assert "\nزمان اعلام‌شده: دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۰۹:۰۰\n" in told
    assert "برگزار نمی‌شود" in told
    assert "دلیل" not in told
    visit = session(kind="visit", title="Visit (2)")
    assert mail(CancelledSession(visit, NOW, None))["Subject"].startswith("لغو نشست «Visit (2)»؛ ")
