"""The Persian text of a notice: Jalali dates, times in Asia/Tehran, Persian digits."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from services.notify.adapters.addresses import (
    axis_name,
    deputy_name,
    greeting_of,
    province_name,
)
from services.notify.domain.notices import Notice
from services.notify.domain.notifications import (
    ApprovedResolution,
    CancelledSession,
    MovedSession,
    OverdueFollowup,
    OverdueReport,
    ScheduledSession,
)
from shared.runtime.calendar import (
    jalali_date,
    jalali_date_short,
    jalali_datetime,
    tehran_date,
)
from shared.text import normalise, persian_digits

_LONGEST_SUBJECT: Final = 150
_FSI, _PDI = "\u2068", "\u2069"
_REPLACEMENT: Final = "\ufffd"
_DIRECTION_MARKS: Final = re.compile(
    "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0001-\U000e007f]"
)
_MODES: Final = {"in-person": "حضوری", "webinar": "وبینار"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a letter; an id is written from left to right."""

    label: str
    value: str
    is_id: bool = False


@dataclass(frozen=True, slots=True)
class Letter:
    """The content of a letter. In heading and lead, texts by other people are isolated."""

    heading: str
    greeting: str
    lead: str
    rows: tuple[Row, ...]
    request: str | None

    @property
    def subject(self) -> str:
        """The heading as the subject of a mail: without isolates, at most 150 characters."""
        text = self.heading.replace(_FSI, "").replace(_PDI, "").rstrip()
        if len(text) <= _LONGEST_SUBJECT:
            return text
        return text[: _LONGEST_SUBJECT - 1].rstrip() + "…"


def letter(notice: Notice) -> Letter:
    """Write the letter of a notice to its recipient."""
    greeting = greeting_of(notice.recipient_role)
    match notice.notification:
        case ScheduledSession() as session:
            return _invitation(session, notice.recipient_role, greeting)
        case MovedSession() as moved:
            return _move(moved, notice.recipient_role, greeting)
        case CancelledSession() as cancelled:
            return _cancellation(cancelled, notice.recipient_role, greeting)
        case OverdueReport() as report:
            return _reminder(report, greeting)
        case ApprovedResolution() as resolution:
            return _communication(resolution, greeting)
        case OverdueFollowup() as followup:
            return _escalation(followup, greeting)


def _invitation(session: ScheduledSession, role: str, greeting: str) -> Letter:
    day = jalali_date(tehran_date(session.starts_at))
    name = _name(session, role)
    if session.kind == "provincial":
        lead = f"به آگاهی می‌رساند {name} در زمان زیر برگزار می‌شود."
    else:
        lead = "به آگاهی می‌رساند نشست زیر با حضور آن استانداری برگزار می‌شود."
    rows = [
        Row("عنوان نشست", _line(session.title)),
        Row("آغاز", jalali_datetime(session.starts_at)),
        Row("پایان", jalali_datetime(session.ends_at)),
        *_circumstances(session),
        Row("شناسه نشست", _id(session.session_id), is_id=True),
    ]
    request = None
    if session.report_due_at is not None:
        request = (
            "خواهشمند است گزارش استان در محورهای هشت‌گانه، همراه با ابتکارها و موضوع‌های ویژه، "
            f"حداکثر تا {jalali_datetime(session.report_due_at)} ارسال شود."
        )
    return Letter(f"دعوت به {name}؛ {day}", greeting, lead, tuple(rows), request)


def _move(moved: MovedSession, role: str, greeting: str) -> Letter:
    session = moved.session
    day = jalali_date(tehran_date(session.starts_at))
    name = _name(session, role)
    rows = [
        Row("عنوان نشست", _line(session.title)),
        Row("آغاز پیشین", jalali_datetime(moved.previous_starts_at)),
        Row("پایان پیشین", jalali_datetime(moved.previous_ends_at)),
        Row("آغاز", jalali_datetime(session.starts_at)),
        Row("پایان", jalali_datetime(session.ends_at)),
        *_circumstances(session),
        *_reason(moved.reason),
        Row("شناسه نشست", _id(session.session_id), is_id=True),
    ]
    request = None
    if session.report_due_at is not None:
        deadline = jalali_datetime(session.report_due_at)
        request = f"خواهشمند است گزارش استان حداکثر تا {deadline} ارسال شود."
    return Letter(
        f"تغییر زمان {name}؛ {day}",
        greeting,
        f"به آگاهی می‌رساند زمان {name} تغییر کرده است و در زمان زیر برگزار می‌شود.",
        tuple(rows),
        request,
    )


def _cancellation(cancelled: CancelledSession, role: str, greeting: str) -> Letter:
    session = cancelled.session
    day = jalali_date(tehran_date(session.starts_at))
    name = _name(session, role)
    rows = [
        Row("عنوان نشست", _line(session.title)),
        Row("زمان اعلام‌شده", jalali_datetime(session.starts_at)),
        *_reason(cancelled.reason),
        Row("شناسه نشست", _id(session.session_id), is_id=True),
    ]
    return Letter(
        f"لغو {name}؛ {day}",
        greeting,
        f"به آگاهی می‌رساند {name} که زمان آن پیش از این اعلام شده بود، برگزار نمی‌شود.",
        tuple(rows),
        None,
    )


def _name(session: ScheduledSession, role: str) -> str:
    if session.kind == "provincial":
        return f"نشست تخصصی استان {province_name(role.partition(':')[2])}"
    return f"نشست «{_inserted(session.title)}»"


def _circumstances(session: ScheduledSession) -> Iterator[Row]:
    yield Row("شیوه برگزاری", _MODES.get(session.mode, session.mode))
    if session.venue is not None:
        yield Row("محل", _line(session.venue))
    if session.report_due_at is not None:
        yield Row("مهلت ارسال گزارش", jalali_datetime(session.report_due_at))


def _reason(reason: str | None) -> Iterator[Row]:
    if reason:
        yield Row("دلیل", _lines(reason))


def _reminder(report: OverdueReport, greeting: str) -> Letter:
    province = province_name(report.province)
    rows = [Row("مهلت ارسال گزارش", jalali_datetime(report.due_at))]
    if report.title is not None:
        rows.insert(0, Row("عنوان نشست", _line(report.title)))
    rows.append(Row("شناسه نشست", _id(report.session_id), is_id=True))
    return Letter(
        f"گزارش استان {province} در مهلت مقرر نرسیده است",
        greeting,
        (
            f"مهلت ارسال گزارش استان {province} برای نشست تخصصی به پایان رسیده و گزارش دریافت "
            "نشده است."
        ),
        tuple(rows),
        "خواهشمند است گزارش در نخستین فرصت ارسال شود.",
    )


def _communication(resolution: ApprovedResolution, greeting: str) -> Letter:
    due_on = jalali_date(resolution.due_on)
    rows = [Row("عنوان مصوبه", _line(resolution.title))]
    if resolution.number is not None:
        rows.append(Row("شماره نامه", _line(resolution.number)))
    if resolution.text:
        rows.append(Row("متن مصوبه", _lines(resolution.text)))
    rows += _place(resolution.province, resolution.axis)
    if resolution.executing_body is not None:
        rows.append(Row("دستگاه مجری", _line(resolution.executing_body)))
    if resolution.supporting:
        rows.append(Row("دستگاه‌های همکار", "، ".join(map(_line, resolution.supporting))))
    if resolution.priority == "urgent":
        rows.append(Row("اولویت", "فوری"))
    rows += [
        Row("تاریخ تصویب", jalali_date(tehran_date(resolution.approved_at))),
        Row("مهلت انجام", due_on),
        *_session(resolution.session_id),
        Row("شناسه مصوبه", _id(resolution.resolution_id), is_id=True),
    ]
    urgent = "فوری؛ " if resolution.priority == "urgent" else ""
    return Letter(
        f"{urgent}ابلاغ مصوبه: {_inserted(resolution.title)}",
        greeting,
        "مصوبه زیر ابلاغ می‌شود و از این پس تا تأیید انجام، پیگیری خواهد شد.",
        tuple(rows),
        f"خواهشمند است دریافت مصوبه اعلام و اقدام لازم حداکثر تا پایان {due_on} انجام شود.",
    )


def _escalation(followup: OverdueFollowup, greeting: str) -> Letter:
    title, deputy = _inserted(followup.title), deputy_name(followup.deputy)
    late = persian_digits(followup.days_overdue)
    match followup.level:
        case 1:
            subject = f"پیگیری معوق: {title}"
            lead = "مهلت انجام مصوبه زیر به پایان رسیده و انجام آن تأیید نشده است."
            request = "خواهشمند است آخرین وضعیت اعلام و اقدام لازم انجام شود."
        case 2:
            subject = f"ارجاع به معاونت هماهنگی؛ پیگیری معوق: {title}"
            lead = (
                f"انجام مصوبه زیر، که پاسخ‌گوی آن {deputy} است، {late} روز پس از مهلت تأیید نشده "
                "است؛ بنابراین به معاونت هماهنگی امور استان‌ها ارجاع می‌شود."
            )
            request = "خواهشمند است موضوع از حوزه پاسخ‌گو پیگیری شود."
        case _:
            subject = f"ارجاع به وزیر؛ پیگیری معوق: {title}"
            lead = (
                f"انجام مصوبه زیر، که پاسخ‌گوی آن {deputy} است، {late} روز پس از مهلت تأیید نشده "
                "است؛ بنابراین به استحضار وزیر رسانده می‌شود."
            )
            request = "خواهشمند است دستور مقتضی صادر شود."
    rows = [
        Row("عنوان مصوبه", _line(followup.title)),
        Row("پاسخ‌گو", deputy),
        Row("مهلت انجام", jalali_date(followup.due_on)),
    ]
    if followup.original_due_on != followup.due_on:
        rows.append(Row("مهلت نخستین", jalali_date_short(followup.original_due_on)))
    rows += [
        Row("گذشته از مهلت", f"{late} روز"),
        Row("پیشرفت", persian_digits(f"{followup.progress}٪")),
        *_place(followup.province, followup.axis),
        *_session(followup.session_id),
        Row("شناسه مصوبه", _id(followup.resolution_id), is_id=True),
    ]
    return Letter(subject, greeting, lead, tuple(rows), request)


def _place(province: str | None, axis: str | None) -> Iterator[Row]:
    if province is not None:
        yield Row("استان", province_name(province))
    if axis is not None:
        yield Row("محور", axis_name(axis))


def _session(session_id: str | None) -> Iterator[Row]:
    if session_id is not None:
        yield Row("شناسه نشست", _id(session_id), is_id=True)


def _line(text: str) -> str:
    """Someone else's text on one line, without direction marks; noncharacters become U+FFFD."""
    shown = "".join(map(_shown, normalise(text)))
    return " ".join(_DIRECTION_MARKS.sub("", shown).split())


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        return " "
    return _REPLACEMENT if category == "Cs" or _is_noncharacter(character) else character


def _is_noncharacter(character: str) -> bool:
    """Whether Unicode reserves it as a noncharacter (Unicode Standard, 23.7)."""
    point = ord(character)
    return point & 0xFFFE == 0xFFFE or 0xFDD0 <= point <= 0xFDEF


def _lines(text: str) -> str:
    """Someone else's text with its line breaks."""
    return "\n".join(_line(line) for line in normalise(text).split("\n"))


def _id(id_: str) -> str:
    """An id; characters that cannot be printed become U+FFFD."""
    return "".join(c if c.isprintable() else _REPLACEMENT for c in id_)


def _inserted(text: str) -> str:
    """Someone else's text, to be inserted into our sentence with its own direction."""
    return isolated(_line(text))


def isolated(text: str) -> str:
    """Put each line between U+2068 and U+2069, so that it keeps its own direction (UAX #9, 2.5)."""
    return "\n".join(f"{_FSI}{line}{_PDI}" if line else "" for line in text.split("\n"))
