"""`python -m tests.pictures`: draw the pictures of the docs anew."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.local.layout import PROJECT
from services.followups.adapters import chart, timeline
from services.followups.domain.timeline import timeline as folded
from tests.unit.followups.examples import steps
from tests.unit.followups.scoreboards import season
from tests.unit.followups.timelines import NOW, bridge

SCORECARD: Final[Path] = PROJECT / "docs/pictures/scorecard.svg"
TIMELINE: Final[Path] = PROJECT / "docs/pictures/timeline.svg"


def main() -> None:
    """Write each picture into its file."""
    SCORECARD.parent.mkdir(exist_ok=True)
    SCORECARD.write_bytes(chart.write(season()))
    TIMELINE.write_bytes(timeline.write(folded(steps(bridge())), NOW))


if __name__ == "__main__":
    main()
