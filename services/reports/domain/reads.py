"""Who read restricted axes of reports, for the audit trail."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.reports.domain.records import Expectation
from services.reports.domain.visibility import readable_axes
from shared.runtime.principals import Authority, Principal


@dataclass(frozen=True, slots=True)
class RestrictedRead:
    """Somebody was shown restricted axes of reports: their texts, or only how many were answered.

    It never changes.
    """

    at: datetime  # machine time, UTC
    by: str
    roles: tuple[str, ...]
    authority: Authority | None
    texts: bool
    reports: tuple[str, ...]  # their ids, in the order in which they were shown
    axes: tuple[str, ...]  # all restricted ones that were shown, in alphabetical order


def restricted_read(
    shown: Iterable[Expectation], by: Principal, at: datetime, *, texts: bool
) -> RestrictedRead | None:
    """What is to be logged before reports are shown to somebody; None if none is restricted."""
    reports: list[str] = []
    axes: set[str] = set()
    for expectation in shown:
        report, province = expectation.report, expectation.session.province
        assert report is not None, "only expectations with a report are shown"
        assert province is not None, "only provincial sessions have a report"
        restricted = readable_axes(report, province, by) & report.restricted
        if restricted:
            reports.append(expectation.report_id)
            axes |= restricted
    if not reports:
        return None
    roles = tuple(sorted(by.roles))
    return RestrictedRead(
        at, by.id, roles, by.authority, texts, tuple(reports), tuple(sorted(axes))
    )
