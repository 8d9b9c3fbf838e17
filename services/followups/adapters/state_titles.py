"""The Persian titles of the states of a follow-up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.followups.domain.records import State

STATES_FA: Final[Mapping[State, str]] = {
    State.OPENED: "ابلاغ‌شده",
    State.ACKNOWLEDGED: "پذیرفته",
    State.DISPUTED: "مورد اختلاف",
    State.IN_PROGRESS: "در دست اقدام",
    State.BLOCKED: "متوقف",
    State.DONE: "انجام‌شده، در انتظار تأیید",
    State.REOPENED: "بازگشوده",
    State.VERIFIED: "تأییدشده",
    State.CLOSED: "بسته",
}
