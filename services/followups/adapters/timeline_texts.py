"""The Persian texts of a timeline."""

from __future__ import annotations

from datetime import datetime

from services.followups.adapters.state_titles import STATES_FA
from services.followups.domain.escalation import days_late
from services.followups.domain.timeline import DueMove, Period, Timeline
from shared.contracts.reference import DEPUTY_TITLES_FA
from shared.runtime.calendar import jalali_date, tehran_date
from shared.runtime.safe_text import isolated
from shared.text import persian_digits


def title(life: Timeline) -> str:
    """The title of the resolution, its deputy and its id."""
    resolution = life.followup.resolution
    deputy = DEPUTY_TITLES_FA.get(resolution.deputy, resolution.deputy)
    return " – ".join(map(isolated, (resolution.title, deputy, resolution.resolution_id)))


def summary(life: Timeline, now: datetime) -> str:
    """State, progress, and how late it is at an instant (UTC)."""
    followup = life.followup
    state = STATES_FA[followup.state]
    original = days_late(followup, followup.original_due_on, now)
    present = days_late(followup, followup.resolution.due_on, now)
    return (
        f"{state}، پیشرفت {persian_digits(followup.progress)}٪؛ "
        f"{persian_digits(original)} روز دیرتر از مهلت اصلی، "
        f"{persian_digits(present)} روز دیرتر از مهلت کنونی"
    )


def description(life: Timeline, now: datetime) -> str:
    """The whole picture at an instant (UTC) in words, for screen readers."""
    parts = [summary(life, now), f"مهلت اصلی {jalali_date(life.followup.original_due_on)}"]
    parts += [
        f"{move_title(move)} از {jalali_date(move.before)} تا {jalali_date(move.after)}"
        for move in life.due_moves
    ]
    parts += [state_since(period) for period in life.periods]
    parts += [level_reached(at, level) for at, level in life.levels]
    return "؛ ".join(parts)


def move_title(move: DueMove) -> str:
    """Why a due date changed: an extension, or an amendment of the resolution."""
    return "تمدید" if move.is_extension else "اصلاح مصوبه"


def state_since(period: Period) -> str:
    """A state, and the day on which it began (Asia/Tehran)."""
    return f"{STATES_FA[period.state]} از {jalali_date(tehran_date(period.begins))}"


def level_reached(at: datetime, level: int) -> str:
    """A level of overdue, and the day on which it was announced (Asia/Tehran)."""
    return f"معوق سطح {persian_digits(level)}، {jalali_date(tehran_date(at))}"
