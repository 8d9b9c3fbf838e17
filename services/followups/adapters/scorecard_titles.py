"""The Persian names of what scorecards are kept of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.followups.domain.scores import By

KINDS_FA: Final[Mapping[By, str]] = {
    By.DEPUTY: "معاونت",
    By.PROVINCE: "استان",
    By.AXIS: "محور",
    By.GATHERING: "نوع نشست",
    By.SEASON: "فصل نشست‌ها",
}
