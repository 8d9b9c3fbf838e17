"""Which reports somebody may see, and which of their axes."""

from __future__ import annotations

from services.reports.domain.records import Expectation, Report
from shared.contracts.reference import AXES
from shared.runtime.access import Action, Reach, reach
from shared.runtime.list_queries import Within
from shared.runtime.principals import Principal

_ANSWERABLE = {axis.id: axis.deputy for axis in AXES}


def sees_expectation(reach: Reach, expectation: Expectation) -> bool:
    """Whether the report that is expected of a province is within reach."""
    province = expectation.session.province
    return province is not None and (reach.everything or province in reach.provinces)


def expectations_within(reach: Reach) -> Within | None:
    """Those of a list that `sees_expectation` shows; None if those are all."""
    if reach.everything:
        return None
    return Within({"province": reach.provinces} if reach.provinces else {})


def readable_axes(report: Report, province: str, by: Principal) -> frozenset[str]:
    """The axes of a report that the caller may read.

    A restricted axis is read by coordination, the Minister's office, the province, the deputy who
    answers for that axis, and its adviser.
    """
    everything = frozenset(count.axis for count in report.axes)
    cleared = reach(by, Action.READ_RESTRICTED)
    if cleared.everything or province in cleared.provinces:
        return everything
    own = {
        axis
        for axis in report.restricted
        if axis in cleared.axes or _ANSWERABLE.get(axis) in cleared.deputies
    }
    return everything - report.restricted | own
