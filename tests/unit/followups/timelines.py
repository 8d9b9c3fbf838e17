"""An invented life of a follow-up with everything that its picture has to show."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from services.followups.domain.facts import (
    Acknowledged,
    Blocked,
    Completed,
    Extended,
    ExtensionRequested,
    Fact,
    FellOverdue,
    Opened,
    Progressed,
    Reopened,
    Unblocked,
)
from services.followups.domain.records import EvidenceAdded, Resolution
from services.followups.domain.work import Assigned, Commented, ItemAdded, ItemDone, PartReported

BEGUN = datetime(2023, 10, 16, 9, 0, tzinfo=UTC)
NOW = BEGUN + timedelta(days=240)


def bridge() -> list[Fact]:
    """Return a life: extended twice, overdue, claimed, reopened, a third extension requested."""

    def at(days: int) -> datetime:
        return BEGUN + timedelta(days=days)

    who, head = "d.karimi", "c.ahmadi"
    first, second, third = date(2024, 1, 1), date(2024, 2, 20), date(2024, 4, 15)
    resolution = Resolution(
        "1402-IR-09-R017",
        "civil",
        "تکمیل پل روستای سرآسیاب و راه‌های دسترسی آن",
        BEGUN,
        first,
        province="IR-09",
        supporting=("شهرداری مشهد",),
    )
    photo = EvidenceAdded(at(96), who, "e", "پل.jpg", "image/jpeg", 9, "aa" * 32, None, None)
    return [
        Opened(BEGUN, resolution, "/automation", "a" * 64, date(2023, 10, 19)),
        Acknowledged(at(3), who, "agreed", None),
        Assigned(at(5), who, "a.nouri", None),
        Progressed(at(20), who, 15, None),
        ItemAdded(at(22), who, 1, "تملک زمین", "استانداری", first),
        Commented(at(34), "g.razavi", "بازدید شد"),
        Blocked(at(41), who, "سازمان برنامه و بودجه", "اعتبار"),
        ExtensionRequested(at(60), who, first, second, "بارش", at(75)),
        Extended(at(66), head, second, first, None),
        Unblocked(at(70), who, None),
        Progressed(at(81), who, 40, None),
        ItemDone(at(90), who, 1, None),
        PartReported(at(93), who, "شهرداری مشهد", 50, None),
        photo,
        FellOverdue(at(128), 1, second, 1),
        FellOverdue(at(134), 2, second, 7),
        ExtensionRequested(at(136), who, second, third, "سیل", at(150)),
        Extended(at(140), head, third, second, None),
        Progressed(at(150), who, 70, None),
        Completed(at(176), who, None),
        Reopened(at(190), head, "نرده‌ها ناقص است"),
        FellOverdue(at(190), 1, third, 8),
        FellOverdue(at(196), 2, third, 14),
        FellOverdue(at(203), 3, third, 21),
        Progressed(at(210), who, 85, None),
        Commented(at(222), head, "تا پایان ماه"),
        ExtensionRequested(at(230), who, third, date(2024, 7, 5), "نصب نرده", at(245)),
    ]
