"""Follow-ups: one per resolution, with the expected history, each level once and at its instant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from shared.contracts.events import FollowupEvent, FollowupOpened, FollowupOverdue
from tools.demo.checks.result import CheckResult, compare
from tools.demo.evidence import Evidence
from tools.demo.oracle import Expectation, HistoryEntry


def check_followups(expectation: Expectation, evidence: Evidence) -> Iterator[CheckResult]:
    """Check the topics of the deputies, and what is stored in their databases."""
    followups = expectation.followups
    deputies = {id_: followup.resolution.deputy for id_, followup in followups.items()}
    stored = evidence.stored.followups
    yield compare(
        "one follow-up a resolution, told on its deputy's topic",
        deputies,
        ((r.data.resolution_id, _deputy_of(r.topic)) for r in evidence.of(FollowupOpened)),
    )
    yield compare(
        "one follow-up a resolution, in its deputy's database",
        deputies,
        ((followup.resolution_id, followup.deputy) for followup in stored),
    )
    yield _levels(expectation, evidence)
    yield compare(
        "histories, event by event",
        {id_: followup.history for id_, followup in followups.items()},
        _histories(evidence).items(),
    )
    yield compare(
        "states in the databases",
        {id_: (f.state, f.level, len(f.history)) for id_, f in followups.items()},
        ((f.resolution_id, (f.state, f.level, f.version)) for f in stored),
    )


def _levels(expectation: Expectation, evidence: Evidence) -> CheckResult:
    return compare(
        "levels of overdue, each once and at its instant",
        {
            (id_, entry.level): (entry.at, entry.days_overdue)
            for id_, followup in expectation.followups.items()
            for entry in followup.history
            if entry.level
        },
        (
            ((r.data.resolution_id, r.data.level), (r.event.time, r.data.days_overdue))
            for r in evidence.distinct(FollowupOverdue)
        ),
    )


def _histories(evidence: Evidence) -> dict[str, tuple[HistoryEntry, ...]]:
    """The events of each resolution's follow-up, in the order in which its topic has them."""
    histories: dict[str, list[HistoryEntry]] = defaultdict(list)
    for record in evidence.distinct(FollowupEvent):
        data, at = record.data, record.event.time
        if at is None:
            continue  # the history is then incomplete, which its comparison shows
        entry = HistoryEntry(record.name, at)
        if isinstance(data, FollowupOverdue):
            entry = HistoryEntry(record.name, at, data.level, data.days_overdue)
        histories[data.resolution_id].append(entry)
    return {id_: tuple(entries) for id_, entries in histories.items()}


def _deputy_of(topic: str) -> str:
    return topic.rpartition(".")[2]
