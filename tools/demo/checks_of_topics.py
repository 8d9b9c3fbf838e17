"""The order and completeness of the topics, whatever they tell of."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tools.demo.evidence import Evidence
from tools.demo.verdicts import Check, compare_counts, none_of


def check_topics(evidence: Evidence) -> Iterator[Check]:
    """Versions without gaps, keys in one place, nothing unreadable, given up or unpublished."""
    yield _versions(evidence)
    yield _keys(evidence)
    yield _ids(evidence)
    yield compare_counts(
        "events that the services committed, in the topics",
        Counter(
            event["id"]
            for (_, collection), records in evidence.documents.items()
            if collection == "commits"
            for record in records
            for event in record["events"]
        ),
        Counter({record.event.id: 1 for record in evidence.records}),
    )
    yield none_of(
        "commits still to be published",
        [
            f"{database}: {record['_id']}"
            for (database, collection), records in evidence.documents.items()
            if collection == "commits"
            for record in records
            if record.get("pending")
        ],
    )
    yield none_of("records that can't be read", evidence.unreadable)
    yield none_of("dead letters and rejections", evidence.given_up)


def _versions(evidence: Evidence) -> Check:
    """An aggregate's events come as 1, 2, 3, … in the order of its partition."""
    next_: dict[tuple[str, str], int] = {}
    faults: list[str] = []
    seen: set[str] = set()
    for record in evidence.records:
        event = record.event
        if event.id in seen:
            continue
        seen.add(event.id)
        aggregate = (record.topic, event.subject or "")
        wanted = next_.get(aggregate, 1)
        if event.sequence != wanted:
            where = f"{record.topic}/{record.partition}/{record.offset}"
            faults.append(f"{event.subject} at {where}: version {event.sequence}, not {wanted}")
        next_[aggregate] = (event.sequence or wanted) + 1
    return Check("versions of every aggregate: 1, 2, 3, …", len(seen), len(seen), tuple(faults))


def _keys(evidence: Evidence) -> Check:
    """All that concerns a key stands in one partition."""
    places: dict[tuple[str, str], set[int]] = defaultdict(set)
    for record in evidence.records:
        places[record.topic, record.key].add(record.partition)
    faults = [f"{key} of {topic}" for (topic, key), parts in places.items() if len(parts) > 1]
    return Check("keys, each in one partition", len(places), len(places), tuple(faults))


def _ids(evidence: Evidence) -> Check:
    """A `ce_id` that comes again is the same event."""
    known: dict[str, bytes] = {}
    faults = [
        f"{record.event.id}: two different events"
        for record in evidence.records
        if known.setdefault(record.event.id, record.event.data) != record.event.data
    ]
    return Check("ids of events, each of one event", len(known), len(known), tuple(faults))
