"""Which follow-ups somebody may see. The rule is given twice: for one that is at hand, and as the
part of one deputy's list; a test holds that they agree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from services.followups.domain.records import Followup
from services.followups.domain.scores import By, merged
from shared.runtime.access import Reach
from shared.runtime.calendar import tehran_date
from shared.runtime.list_queries import Within


def sees(reach: Reach, followup: Followup, now: datetime) -> bool:
    """Whether a follow-up is within reach at an instant (UTC).

    It is by its deputy, province or axis, by a body that takes part, and for its officer and its
    delegate, for as long as they are that.
    """
    resolution, work = followup.resolution, followup.work
    person = reach.person
    return (
        reach.everything
        or followup.deputy in reach.deputies
        or resolution.province in reach.provinces
        or resolution.axis in reach.axes
        or bool(reach.bodies & set(resolution.bodies))
        or (
            person is not None
            and (work.officer == person or work.delegated_to(person, now) is not None)
        )
    )


def within(reach: Reach, deputy: str, now: datetime) -> Within | None:
    """Those of a deputy's follow-ups that `sees` shows at an instant (UTC); None if all are."""
    if reach.everything or deputy in reach.deputies:
        return None
    fields = {
        "province": reach.provinces,
        "axis": reach.axes,
        "executing": reach.bodies,
        "supporting": reach.bodies,
    }
    shown = {name: values for name, values in fields.items() if values}
    if reach.person is not None:
        shown |= dict.fromkeys(("officer", "delegate"), frozenset({reach.person}))
    return Within(shown, tehran_date(now))


def has_scorecards(reach: Reach, by: By) -> bool:
    """Whether somebody may see scorecards of this kind.

    Counts exist by deputy, province, axis, gathering and season, and not by two of them together.
    So whoever sees no deputy whole sees cards by deputy, and by what is theirs.
    """
    if reach.everything or reach.deputies:
        return True
    own = {By.PROVINCE: reach.provinces, By.AXIS: reach.axes}
    return by is By.DEPUTY or bool(own.get(by))


def counted_by(reach: Reach, by: By, deputy: str) -> tuple[By, frozenset[str] | None]:
    """By what to count a deputy's follow-ups, and the subjects that may be seen; None: all.

    Somebody who is of a province and advises on an axis gets the province's by deputy: the two
    overlap, and their sum would count some follow-ups twice.
    """
    if reach.everything or deputy in reach.deputies:
        return by, None
    if by is By.PROVINCE or (by is By.DEPUTY and reach.provinces):
        return By.PROVINCE, reach.provinces
    if by in {By.AXIS, By.DEPUTY}:
        return By.AXIS, reach.axes
    return by, frozenset()


def visible_counts(
    counts: Mapping[str, Mapping[str, int]], by: By, subjects: frozenset[str] | None
) -> Mapping[str, Mapping[str, int]]:
    """Those of a deputy's counts that may be seen, as `counted_by` says, by the subjects of `by`.

    The subject of cards by deputy is the empty text.
    """
    if subjects is None:
        return counts
    shown = {subject: names for subject, names in counts.items() if subject in subjects}
    return {"": merged(shown.values())} if by is By.DEPUTY else shown
