"""Joins dead letters with their triage, and groups them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from shared.messaging.core.model import Origin
from tools.deadletter.dead_letters import DeadLetterNotes
from tools.deadletter.triage import Triage

GroupBy: TypeAlias = Literal["reason", "topic"]


@dataclass(frozen=True, slots=True)
class TriagedLetter:
    """A dead letter and its triage."""

    notes: DeadLetterNotes
    triage: Triage


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """Dead letters that have the same reason or the same topic."""

    name: str  # the reason or the topic
    count: int
    states: Mapping[str, int]  # letters per state
    oldest: datetime  # UTC
    newest: datetime


_KEYS: Final[Mapping[GroupBy, Callable[[TriagedLetter], str]]] = {
    "reason": lambda triaged: triaged.notes.reason,
    "topic": lambda triaged: triaged.notes.origin.topic,
}


def with_triage(
    letters: Mapping[Origin, DeadLetterNotes], triages: Mapping[Origin, Triage]
) -> list[TriagedLetter]:
    """Return each dead letter with its triage, the newest first."""
    found = [
        TriagedLetter(notes, triages.get(origin, Triage(origin)).with_notes(notes))
        for origin, notes in letters.items()
    ]
    return sorted(found, key=_newest, reverse=True)


def group_letters(found: Iterable[TriagedLetter], by: GroupBy) -> list[LetterGroup]:
    """Group dead letters; return the largest group first."""
    members: dict[str, list[TriagedLetter]] = {}
    for triaged in found:
        members.setdefault(_KEYS[by](triaged), []).append(triaged)
    result = [_group(name, members[name]) for name in sorted(members)]
    return sorted(result, key=lambda group: -group.count)


def age(since: datetime, now: datetime) -> str:
    """Return how long ago an instant was: `42s`, `7m`, `3h`, `12d`."""
    seconds = max(0, int((now - since) / timedelta(seconds=1)))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _group(name: str, members: list[TriagedLetter]) -> LetterGroup:
    times = [triaged.notes.failed_at for triaged in members]
    states = Counter(triaged.triage.status.value for triaged in members)
    return LetterGroup(name, len(members), dict(states.most_common()), min(times), max(times))


def _newest(triaged: TriagedLetter) -> tuple[datetime, int, int]:
    position = triaged.notes.position
    return triaged.notes.failed_at, position.partition, position.offset
