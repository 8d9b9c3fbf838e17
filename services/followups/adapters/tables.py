"""The rows and columns of a file of scorecards: the same in every format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from services.followups.adapters.scorecard_titles import KINDS_FA
from services.followups.domain.scorecard_table import ScorecardTable
from services.followups.domain.scores import Scorecard
from shared.contracts.reference import DEPUTY_TITLES_FA
from shared.runtime.calendar import jalali_date

Value: TypeAlias = int | float | None

TOTAL: Final = "جمع"


@dataclass(frozen=True, slots=True)
class Line:
    """A scorecard in the table."""

    title: str
    id: str  # empty if there is none
    values: Sequence[Value]  # one per column


@dataclass(frozen=True, slots=True)
class Column:
    """A measure in the table."""

    title: str
    kind: Literal["count", "share", "days"]
    value: Callable[[Scorecard], Value]


COLUMNS: Final[Sequence[Column]] = (
    Column("کل", "count", lambda card: card.total),
    Column("باز", "count", lambda card: card.open),
    Column("باز در مهلت", "count", lambda card: card.in_time),
    Column("معوق", "count", lambda card: card.overdue_in_all),
    Column("معوق سطح ۱ (معاونت)", "count", lambda card: card.overdue[0]),
    Column("معوق سطح ۲ (هماهنگی)", "count", lambda card: card.overdue[1]),
    Column("معوق سطح ۳ (وزیر)", "count", lambda card: card.overdue[2]),
    Column("پایان‌یافته", "count", lambda card: card.ended),
    Column("تأییدشده", "count", lambda card: card.verified),
    Column("سهم تأییدشده", "share", lambda card: card.verified_share),
    Column("به‌موقع (مهلت نخست)", "count", lambda card: card.on_time),
    Column("سهم به‌موقع از تأییدشده", "share", lambda card: card.on_time_share),
    Column("میانه‌ی عمر بازها (روز)", "days", lambda card: card.median_age_days),
    Column("تمدیدهای داده‌شده", "count", lambda card: card.extensions),
)


def title(table: ScorecardTable) -> str:
    """The title of the table."""
    kind, day = KINDS_FA[table.by], jalali_date(table.as_of)
    return f"کارنامه‌ی پیگیری مصوبات به تفکیک {kind} – پایان روز {day}"


def headings(table: ScorecardTable) -> list[str]:
    """The titles of the columns."""
    return [KINDS_FA[table.by], "شناسه", *(column.title for column in COLUMNS)]


def lines(table: ScorecardTable) -> Iterator[Line]:
    """One line per scorecard, and one for all together."""
    for row in table.rows:
        yield Line(row.title_fa, row.id or "", _values(row.card))
    yield Line(TOTAL, "", _values(table.total))


def missing_note(table: ScorecardTable) -> str | None:
    """Which deputies are left out, in words; None if there are none."""
    if not table.partial:
        return None
    missing = "، ".join(DEPUTY_TITLES_FA.get(deputy, deputy) for deputy in table.partial)
    return f"ناقص است: پایگاه داده‌ی این‌ها پاسخ نداد و در اعداد نیست: {missing}"


def _values(card: Scorecard) -> list[Value]:
    return [column.value(card) for column in COLUMNS]
