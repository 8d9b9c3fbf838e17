"""Laws about the events in our topics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.promise.history import History, Level, Told
from tests.promise.violations import Kind, Violation


def an_id_is_one_event(history: History) -> Iterator[Violation]:
    """An id always has the same content, and a version of an aggregate is one event."""
    by_id: dict[str, Told] = {}
    by_version: dict[tuple[str, int], str] = {}
    for event in history.told:
        before = by_id.setdefault(event.id, event)
        if _says(before) != _says(event):
            detail = f"{_says(before)} at {before.place}, {_says(event)} at {event.place}"
            yield Violation(Kind.DOUBLED, event.id, detail)
        id_ = by_version.setdefault((event.aggregate, event.version), event.id)
        if id_ != event.id:
            detail = f"version {event.version} is {id_} and {event.id}"
            yield Violation(Kind.DOUBLED, event.aggregate, detail)


def a_key_has_one_partition(history: History) -> Iterator[Violation]:
    """A key's events are in one partition of a topic, and an aggregate has one key there."""
    partitions: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    keys: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for event in history.told:
        partitions[event.place.topic, event.key].add(event.place.partition)
        keys[event.place.topic, event.aggregate].add(event.key)
    for (topic, key), found in partitions.items():
        if len(found) > 1:
            yield Violation(Kind.DISORDER, key, f"in partitions {sorted(found)} of {topic}")
    for (topic, aggregate), names in keys.items():
        if len(names) > 1:
            yield Violation(Kind.DISORDER, aggregate, f"under keys {sorted(names)} in {topic}")


def versions_have_no_gap(history: History) -> Iterator[Violation]:
    """In each topic an aggregate's versions are 1, 2, 3, … in order of first appearance."""
    lives: defaultdict[tuple[str, str], dict[int, None]] = defaultdict(dict)
    for event in sorted(history.told, key=lambda event: event.place):
        lives[event.place.topic, event.aggregate].setdefault(event.version)
    for (topic, aggregate), life in lives.items():
        versions = list(life)
        whole = list(range(1, len(versions) + 1))
        if versions == whole:
            continue
        kind = Kind.DISORDER if sorted(versions) == whole else Kind.GAP
        yield Violation(kind, aggregate, f"versions {_short(versions)} in {topic}")


def each_level_comes_once(history: History) -> Iterator[Violation]:
    """Every level that is due comes once, after the lower ones; no other comes."""
    told: defaultdict[Level, dict[str, Told]] = defaultdict(dict)
    for event in history.told:
        if event.level is not None:
            told[event.level].setdefault(event.id, event)
    dues = {due.level: due.must for due in history.dues}
    lives: defaultdict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for level, events in told.items():
        name = f"level {level.level} of {level.about}, due on {level.due_on}"
        if len(events) > 1:
            yield Violation(Kind.LEVEL, name, f"{len(events)} times: {sorted(events)}")
        if level not in dues:
            yield Violation(Kind.LEVEL, name, "was never due")
        for event in events.values():
            life = lives[event.aggregate, level.about, level.due_on]
            life.append((event.version, level.level))
    for level, must in dues.items():
        if must and level not in told:
            name = f"level {level.level} of {level.about}, due on {level.due_on}"
            yield Violation(Kind.LEVEL, name, "is due and did not come")
    for (aggregate, about, due_on), life in lives.items():
        levels = [level for _, level in sorted(life)]
        if levels != list(range(1, len(levels) + 1)):
            detail = f"came as {levels}, due on {due_on}"
            yield Violation(Kind.LEVEL, f"{about} ({aggregate})", detail)


def _says(event: Told) -> tuple[str, str, int, str]:
    return event.type, event.aggregate, event.version, event.content


def _short(versions: list[int]) -> str:
    text = ", ".join(map(str, versions[:20]))
    return text if len(versions) <= 20 else f"{text}, … ({len(versions)})"
