"""Dead letters with their state, and the groups that they form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

from shared.messaging.core.model import Origin
from tools.deadletter.book import Page
from tools.deadletter.letters import Notes

By: TypeAlias = Literal["reason", "topic"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A dead letter and its page."""

    notes: Notes
    page: Page


@dataclass(frozen=True, slots=True)
class Group:
    """Letters that have a reason or a topic in common."""

    name: str
    count: int
    states: Mapping[str, int]
    oldest: datetime  # UTC
    newest: datetime


_KEYS: Final[Mapping[By, Callable[[Entry], str]]] = {
    "reason": lambda entry: entry.notes.reason,
    "topic": lambda entry: entry.notes.origin.topic,
}


def entries(letters: Mapping[Origin, Notes], pages: Mapping[Origin, Page]) -> list[Entry]:
    """Each letter with its page, the newest first."""
    found = [
        Entry(notes, pages.get(origin, Page(origin)).seen_with(notes))
        for origin, notes in letters.items()
    ]
    return sorted(found, key=_newest, reverse=True)


def groups(found: Iterable[Entry], by: By) -> list[Group]:
    """The groups, the largest first."""
    members: dict[str, list[Entry]] = {}
    for entry in found:
        members.setdefault(_KEYS[by](entry), []).append(entry)
    formed = [_group(name, members[name]) for name in sorted(members)]
    return sorted(formed, key=lambda group: -group.count)


def age(since: datetime, now: datetime) -> str:
    """How long ago: `42s`, `7m`, `3h`, `12d`."""
    seconds = max(0, int((now - since) / timedelta(seconds=1)))
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _group(name: str, members: list[Entry]) -> Group:
    times = [entry.notes.failed_at for entry in members]
    states = Counter(entry.page.status.value for entry in members)
    return Group(name, len(members), dict(states.most_common()), min(times), max(times))


def _newest(entry: Entry) -> tuple[datetime, int, int]:
    place = entry.notes.place
    return entry.notes.failed_at, place.partition, place.offset
