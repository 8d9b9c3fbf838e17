"""Topics, whatever their events say: order, keys, ids, and that nothing is missing or set aside."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from shared.contracts.events import EventData
from tools.demo.checks.result import CheckResult, check_none, compare_counts
from tools.demo.evidence import Evidence


def check_topics(evidence: Evidence) -> Iterator[CheckResult]:
    """Check all topics, and the commits of the services against them."""
    commits = evidence.stored.commits
    yield _versions(evidence)
    yield _keys(evidence)
    yield _ids(evidence)
    yield compare_counts(
        "events that the services committed, in the topics",
        Counter(id_ for commit in commits for id_ in commit.event_ids),
        Counter({record.event.id: 1 for record in evidence.records}),
    )
    yield check_none(
        "commits still to be published",
        [f"{commit.database}: {commit.commit_id}" for commit in commits if not commit.published],
    )
    yield check_none("records that can't be read", evidence.unreadable)
    yield check_none("dead letters and rejections", evidence.dead_letters)


def _versions(evidence: Evidence) -> CheckResult:
    """The versions of an aggregate come in their order, without gaps."""
    next_: dict[tuple[str, str], int] = {}
    faults: list[str] = []
    count = 0
    for record in evidence.distinct(EventData):
        count += 1
        event = record.event
        aggregate = (record.topic, event.subject or "")
        expected = next_.get(aggregate, 1)
        if event.sequence != expected:
            position = f"{record.topic}/{record.partition}/{record.offset}"
            faults.append(
                f"{event.subject} at {position}: version {event.sequence}, not {expected}"
            )
        next_[aggregate] = (event.sequence or expected) + 1
    return CheckResult("versions of every aggregate: 1, 2, 3, …", count, count, tuple(faults))


def _keys(evidence: Evidence) -> CheckResult:
    """All records of a key are in one partition."""
    partitions: dict[tuple[str, str], set[int]] = defaultdict(set)
    for record in evidence.records:
        partitions[record.topic, record.key].add(record.partition)
    faults = [f"{key} of {topic}" for (topic, key), found in partitions.items() if len(found) > 1]
    count = len(partitions)
    return CheckResult("keys, each in one partition", count, count, tuple(faults))


def _ids(evidence: Evidence) -> CheckResult:
    """Records with one `ce_id` hold the same event."""
    known: dict[str, bytes] = {}
    faults = [
        f"{record.event.id}: two different events"
        for record in evidence.records
        if known.setdefault(record.event.id, record.event.data) != record.event.data
    ]
    return CheckResult("ids of events, each of one event", len(known), len(known), tuple(faults))
