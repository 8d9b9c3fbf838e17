"""What continues what: follow-ups and their predecessors, which never stand in a circle."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Final

from services.followups.domain.records import Followup
from shared.runtime.refusals import Refused
from shared.runtime.sentences import sentence

_MOST_NAMED: Final = 12  # of a circle that is told


class PredecessorCircle(Refused):
    """Nothing continues itself, by however many others."""

    reason = "predecessor-circle"


def require_no_circle(followup: Followup, known: Iterable[Followup]) -> None:
    """Refuse what would make a follow-up continue itself.

    `followup` is as it would be then, `known` all that its predecessors lead to, whosever they
    are. Of a predecessor that names no deputy every follow-up counts; of one that does, his, also
    where another answers for it since. A circle that stands already and does not hold this one is
    nobody's fault here. Raises PredecessorCircle, which tells the circle.
    """
    circle = _circle(followup, known)
    if circle:
        named = [f"{one.resolution_id} ({one.deputy})" for one in circle]
        if len(named) > _MOST_NAMED:
            left = len(named) - _MOST_NAMED
            named[_MOST_NAMED // 2 : -_MOST_NAMED // 2] = [f"{left} more"]
        told = " → ".join(named)
        raise PredecessorCircle(sentence("it would continue itself: {circle}", circle=told))


def stands_in_circle(followup: Followup, known: Iterable[Followup]) -> bool:
    """Whether a follow-up continues itself already: it may have been linked before the rule."""
    return bool(_circle(followup, known))


def _circle(followup: Followup, known: Iterable[Followup]) -> Sequence[Followup]:
    """The shortest way back to a follow-up, it at both ends; empty where there is none."""
    of_resolution: defaultdict[str, list[Followup]] = defaultdict(list)
    for one in known:
        if one.followup_id != followup.followup_id:
            of_resolution[one.resolution_id].append(one)
    of_resolution[followup.resolution_id].append(followup)
    came_from: dict[str, Followup] = {}  # by the id of whoever was reached
    ahead = deque([followup])
    while ahead:
        one = ahead.popleft()
        before = one.work.predecessor
        for other in () if before is None else of_resolution[before.resolution_id]:
            deputies = {None, other.deputy, *other.former_deputies}
            if before is None or before.deputy not in deputies or other.followup_id in came_from:
                continue
            came_from[other.followup_id] = one
            if other is followup:
                return _way(followup, came_from)
            ahead.append(other)
    return ()


def _way(followup: Followup, came_from: dict[str, Followup]) -> Sequence[Followup]:
    way = [followup]
    while len(way) == 1 or way[-1] is not followup:
        way.append(came_from[way[-1].followup_id])
    return way[::-1]
