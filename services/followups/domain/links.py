"""Follow-ups and their predecessors, which never form a circle."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Final

from services.followups.domain.records import Followup
from shared.runtime.refusals import Refused
from shared.runtime.sentences import sentence

_MOST_NAMED: Final = 12  # resolutions of a circle that a message names


class PredecessorCircle(Refused):
    """A follow-up cannot continue itself through others."""

    reason = "predecessor-circle"


def require_no_circle(followup: Followup, known: Iterable[Followup]) -> None:
    """Refuse a link or move by which a follow-up would continue itself.

    `followup` is as it would be afterwards, `known` all that its predecessors lead to, of all
    deputies. A predecessor without a deputy means every follow-up of that resolution; one with a
    deputy means that deputy's, even if it has moved since. An existing circle without this
    follow-up is ignored. Raises PredecessorCircle, which names the circle.
    """
    circle = _circle(followup, known)
    if circle:
        named = [f"{one.resolution_id} ({one.deputy})" for one in circle]
        if len(named) > _MOST_NAMED:
            left = len(named) - _MOST_NAMED
            named[_MOST_NAMED // 2 : -_MOST_NAMED // 2] = [f"{left} more"]
        path = " → ".join(named)
        raise PredecessorCircle(sentence("it would continue itself: {circle}", circle=path))


def is_in_circle(followup: Followup, known: Iterable[Followup]) -> bool:
    """Whether a follow-up already continues itself: links from before this rule may do so."""
    return bool(_circle(followup, known))


def _circle(followup: Followup, known: Iterable[Followup]) -> Sequence[Followup]:
    """Return the shortest path from a follow-up back to itself, both ends included, or nothing."""
    of_resolution: defaultdict[str, list[Followup]] = defaultdict(list)
    for one in known:
        if one.followup_id != followup.followup_id:
            of_resolution[one.resolution_id].append(one)
    of_resolution[followup.resolution_id].append(followup)
    came_from: dict[str, Followup] = {}  # the step before, by the id that was reached
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
                return _path(followup, came_from)
            ahead.append(other)
    return ()


def _path(followup: Followup, came_from: dict[str, Followup]) -> Sequence[Followup]:
    path = [followup]
    while len(path) == 1 or path[-1] is not followup:
        path.append(came_from[path[-1].followup_id])
    return path[::-1]
