"""Mails as their readers get them: Persian, from right to left, with dates of their calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest

from services.notify.domain.notices import new_notices
from services.notify.domain.notifications import CancelledSession, MovedSession
from tests.unit.notify.examples import NOW, followup, report, resolution, session
from tests.unit.notify.reading_mails import (
    html,
    mail,
    raw,
    rows,
    shown,
    text,
)


def test_an_invitation_says_when_the_report_is_due() -> None:
    read = mail(session())
    assert read["Subject"] == "دعوت به نشست تخصصی استان خراسان رضوی؛ دوشنبه ۲۱ اسفند ۱۴۰۲"
    assert read["To"] == "province.ir-09@peygir.example"
    content = shown(read)
    assert content.startswith("استاندار محترم خراسان رضوی\nبا سلام و احترام\n")
    assert "آغاز: دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۰۹:۰۰\n" in content
    assert "پایان: دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۱۳:۳۰\n" in content
    assert "شیوه برگزاری: حضوری\n" in content
    assert "محل: سالن شهید رجایی\n" in content
    assert "حداکثر تا جمعه ۱۸ اسفند ۱۴۰۲، ساعت ۰۹:۰۰ ارسال شود." in content
    assert "شناسه نشست: 1402-IR-09\n" in content


def test_another_gathering_asks_for_no_report() -> None:
    read = mail(
        session(
            kind="nationwide", title="نشست سراسری استانداران", report_due_at=None, mode="webinar"
        )
    )
    assert read["Subject"] == "دعوت به نشست «نشست سراسری استانداران»؛ دوشنبه ۲۱ اسفند ۱۴۰۲"
    assert "شیوه برگزاری: وبینار" in shown(read)
    assert "مهلت" not in text(read)


def test_a_governor_is_reminded_of_a_missing_report() -> None:
    read = mail(report())
    assert read["Subject"] == "گزارش استان خراسان رضوی در مهلت مقرر نرسیده است"
    assert "مهلت ارسال گزارش: جمعه ۱۸ اسفند ۱۴۰۲، ساعت ۰۹:۰۰\n" in shown(read)


def test_a_deputy_gets_the_resolution_whole() -> None:
    read = mail(resolution())
    assert read["Subject"] == "ابلاغ مصوبه: تکمیل پل روستای سرآسیاب"
    assert read["To"] == "deputy.civil@peygir.example"
    content = shown(read)
    assert content.startswith("معاونت عمرانی\n")
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
        assert f"{line}\n" in content
    assert "فوری" not in content
    assert mail(resolution(priority="urgent"))["Subject"].startswith("فوری؛ ابلاغ مصوبه: ")


@pytest.mark.parametrize(
    ("level", "subject", "to", "lead"),
    [
        (1, "پیگیری معوق: ", "deputy.civil@peygir.example", "مهلت انجام مصوبه زیر به پایان رسیده"),
        (2, "ارجاع به معاونت هماهنگی؛ ", "coordination@peygir.example", "۱۲ روز پس از مهلت"),
        (3, "ارجاع به وزیر؛ ", "vazir@moi.example", "به استحضار وزیر رسانده می‌شود"),
    ],
)
def test_each_level_has_its_own_wording(level: int, subject: str, to: str, lead: str) -> None:
    read = mail(followup(level=level))
    assert read["Subject"].startswith(subject)
    assert read["Subject"].endswith("پیگیری معوق: تکمیل پل روستای سرآسیاب")
    assert read["To"] == to
    content = shown(read)
    assert lead in content
    assert "مهلت انجام: دوشنبه ۲۱ اسفند ۱۴۰۲\n" in content
    assert "مهلت نخستین: ۱۴۰۲/۱۲/۱۱\n" in content
    assert "گذشته از مهلت: ۱۲ روز\n" in content
    assert "پیشرفت: ۴۰٪\n" in content
    assert "پاسخ‌گو: معاونت عمرانی\n" in content


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


def test_a_deputy_or_axis_without_a_persian_name_is_shown_by_its_id() -> None:
    content = shown(mail(resolution(deputy="cyber", axis="cyber-space")))
    assert content.startswith("معاونت cyber\n")
    assert "محور: cyber-space\n" in content


def test_an_id_shows_what_cannot_be_seen_in_it() -> None:
    odd = "r\u202e1\u2069\x9f\ufffe"
    content = rows(html(mail(resolution(resolution_id=odd))))
    assert content["شناسه مصوبه"] == "r\ufffd1\ufffd\ufffd\ufffd"


def test_a_latin_title_within_a_persian_sentence_keeps_its_own_direction() -> None:
    page = html(mail(resolution(title="Bridge (phase 2)")))
    assert "ابلاغ مصوبه: \u2068Bridge (phase 2)\u2069</h1>" in page
    assert mail(resolution(title="Bridge (phase 2)"))["Subject"] == "ابلاغ مصوبه: Bridge (phase 2)"


def test_a_notice_of_a_move_names_the_old_time_and_the_new_one() -> None:
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
    content = shown(read)
    for line in (
        "آغاز پیشین: دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۰۹:۰۰",
        "پایان پیشین: دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۱۳:۳۰",
        "آغاز: چهارشنبه ۲۳ اسفند ۱۴۰۲، ساعت ۱۰:۰۰",
        "پایان: چهارشنبه ۲۳ اسفند ۱۴۰۲، ساعت ۱۴:۳۰",
        "مهلت ارسال گزارش: یکشنبه ۲۰ اسفند ۱۴۰۲، ساعت ۱۰:۰۰",
        "دلیل: سفر استانی",
        "شناسه نشست: 1402-IR-09",
    ):
        assert f"\n{line}\n" in content


def test_a_notice_of_a_cancellation_names_the_session() -> None:
    read = mail(CancelledSession(session(), NOW, None))
    assert read["Subject"] == "لغو نشست تخصصی استان خراسان رضوی؛ دوشنبه ۲۱ اسفند ۱۴۰۲"
    content = shown(read)
    assert "\nزمان اعلام‌شده: دوشنبه ۲۱ اسفند ۱۴۰۲، ساعت ۰۹:۰۰\n" in content
    assert "برگزار نمی‌شود" in content
    assert "دلیل" not in content
    visit = session(kind="visit", title="Visit (2)")
    assert mail(CancelledSession(visit, NOW, None))["Subject"].startswith("لغو نشست «Visit (2)»؛ ")
