"""Which sessions and resolutions somebody may see. Each rule is given twice: for one item that is
at hand, and as the part of a list; a test holds that they agree."""

from __future__ import annotations

from typing import Final

from services.scheduler.domain.records import Resolution, Session
from shared.runtime.access import Reach
from shared.runtime.list_queries import Within

_OF_ALL_PROVINCES: Final = "nationwide"


def sees_session(reach: Reach, session: Session) -> bool:
    """Whether a session is within reach: a province's own, and those of all governors."""
    gathering = session.gathering
    return reach.everything or bool(
        reach.provinces
        and (gathering.kind == _OF_ALL_PROVINCES or reach.provinces & set(gathering.provinces))
    )


def sessions_within(reach: Reach) -> Within | None:
    """The sessions that `sees_session` shows; None if those are all."""
    if reach.everything:
        return None
    if not reach.provinces:
        return Within({})
    return Within({"provinces": reach.provinces, "kind": [_OF_ALL_PROVINCES]})


def sees_resolution(reach: Reach, resolution: Resolution) -> bool:
    """Whether a resolution is within reach: by its deputy, province or axis, or a body in it."""
    terms = resolution.terms
    return (
        reach.everything
        or terms.deputy in reach.deputies
        or terms.province in reach.provinces
        or terms.axis in reach.axes
        or terms.executing_body in reach.bodies
        or bool(reach.bodies & set(terms.supporting))
    )


def resolutions_within(reach: Reach) -> Within | None:
    """The resolutions that `sees_resolution` shows; None if those are all."""
    if reach.everything:
        return None
    fields = {
        "deputy": reach.deputies,
        "province": reach.provinces,
        "axis": reach.axes,
        "supporting": reach.bodies,
        "executing": reach.bodies,
    }
    return Within({name: values for name, values in fields.items() if values})
