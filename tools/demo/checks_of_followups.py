"""The follow-ups: one a resolution, its whole history as expected, each level once and in time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from shared.contracts.events import FollowupEvent, FollowupOpened, FollowupOverdue
from tools.demo.evidence import Evidence, Record
from tools.demo.expectation import Expectation, Told
from tools.demo.verdicts import Check, compare


def check_followups(expectation: Expectation, evidence: Evidence) -> Iterator[Check]:
    """From the topics and from the databases of the deputies."""
    lives = expectation.lives
    yield compare(
        "one follow-up a resolution, told on its deputy's topic",
        {id_: life.resolution.deputy for id_, life in lives.items()},
        (
            (r.data.resolution_id, r.topic.rpartition(".")[2])
            for r in evidence.records
            if isinstance(r.data, FollowupOpened)
        ),
    )
    yield compare(
        "one follow-up a resolution, in its deputy's database",
        {id_: life.resolution.deputy for id_, life in lives.items()},
        (
            (document["resolution_id"], database.removeprefix("followups_"))
            for (database, collection), documents in evidence.documents.items()
            if collection == "followups"
            for document in documents
        ),
    )
    yield compare(
        "levels of overdue, each once and at its instant",
        {
            (id_, told.level): (told.at, told.days_overdue)
            for id_, life in lives.items()
            for told in life.told
            if told.level
        },
        (
            (
                (r.data.resolution_id, r.data.level),
                (r.event.time, r.data.days_overdue),
            )
            for r in distinct(evidence.records)
            if isinstance(r.data, FollowupOverdue)
        ),
    )
    yield compare(
        "histories, event by event",
        {id_: life.told for id_, life in lives.items()},
        histories(evidence).items(),
    )
    yield compare(
        "states in the databases",
        {id_: (life.state, life.level, len(life.told)) for id_, life in lives.items()},
        (
            (d["resolution_id"], (d["state"], d["level"], d["version"]))
            for (_, collection), documents in evidence.documents.items()
            if collection == "followups"
            for d in documents
        ),
    )


def distinct(records: tuple[Record, ...]) -> Iterator[Record]:
    """The records without those that a reader knows already by their `ce_id`.

    To see an event again is allowed; to see another one under its id is the topics' check.
    """
    seen: set[str] = set()
    for record in records:
        if record.event.id not in seen:
            seen.add(record.event.id)
            yield record


def histories(evidence: Evidence) -> dict[str, tuple[Told, ...]]:
    """What the topics tell of each resolution's follow-up, in the order in which they tell it."""
    told: dict[str, list[Told]] = defaultdict(list)
    for record in distinct(evidence.records):
        data = record.data
        if isinstance(data, FollowupEvent) and record.event.time is not None:
            level, days = (
                (data.level, data.days_overdue) if isinstance(data, FollowupOverdue) else (0, 0)
            )
            told[data.resolution_id].append(Told(record.name, record.event.time, level, days))
    return {id_: tuple(events) for id_, events in told.items()}
