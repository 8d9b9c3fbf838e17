"""`python -m tests.pictures`: draw the pictures of the docs anew."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.local.layout import PROJECT
from services.followups.adapters import chart
from tests.unit.followups.scoreboards import season

SCORECARD: Final[Path] = PROJECT / "docs/pictures/scorecard.svg"


def main() -> None:
    """Write each picture into its file."""
    SCORECARD.parent.mkdir(exist_ok=True)
    SCORECARD.write_bytes(chart.write(season()))


if __name__ == "__main__":
    main()
