"""Scorecards: those of the service against those counted from the topics."""

from __future__ import annotations

from tools.demo.checks.result import CheckResult, compare
from tools.demo.evidence import Evidence
from tools.demo.scorecards import TOTAL_TITLE, scorecards


def check_scorecards(evidence: Evidence) -> CheckResult:
    """Check the scorecards that the service gives, of each deputy and in total."""
    served = evidence.served.scorecards
    items = [*served["items"], {**served["total"], "title_fa": TOTAL_TITLE}]
    return compare(
        "scorecards that the service tells",
        {s.title_fa: (s.total, s.verified, s.in_time, s.overdue) for s in scorecards(evidence)},
        (
            (
                item["title_fa"],
                (
                    item["total"],
                    item["verified"],
                    item["on_time"],
                    tuple(item["overdue_by_level"].values()),
                ),
            )
            for item in items
        ),
    )
