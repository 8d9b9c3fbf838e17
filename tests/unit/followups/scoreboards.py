"""An invented table of scorecards at the end of a season, the same every time."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta

from services.followups.domain.scorecard_table import ScorecardTable, scorecard_table
from services.followups.domain.scores import By
from shared.contracts.reference import DEPUTIES

AS_OF = date(2024, 3, 11)  # 21 Esfand 1402, the day of the season's last session


def season(seed: int = 1402) -> ScorecardTable:
    """Return the deputies' scorecards at the end of the season of 1402."""
    chance = random.Random(seed)
    return scorecard_table(
        By.DEPUTY, AS_OF, [(deputy.id, {"": _counts(chance)}) for deputy in DEPUTIES]
    )


def _counts(chance: random.Random) -> Counter[str]:
    counts: Counter[str] = Counter()
    for _ in range(chance.randint(30, 110)):
        state = chance.choices(
            ["acknowledged", "in-progress", "done", "verified", "closed"], [3, 8, 3, 12, 1]
        )[0]
        counts[f"state:{state}"] += 1
        counts["extended:1"] += chance.random() < 0.2
        if state == "verified":
            counts["on-time"] += chance.random() < 0.7
        elif state != "closed":
            counts[f"age:{AS_OF - timedelta(days=chance.randint(3, 200))}"] += 1
            if chance.random() < 0.3:
                counts[f"overdue:{chance.choices([1, 2, 3], [3, 2, 1])[0]}"] += 1
    return counts
