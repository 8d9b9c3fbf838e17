"""The checks pass a season without faults, and find every fault that is planted in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from shared.contracts import events
from tests.unit.demo.flawless import flawless
from tools.demo.checks import check_all, digest
from tools.demo.checks.result import CheckResult
from tools.demo.checks.scorecards import check_scorecards
from tools.demo.evidence import Evidence, Record
from tools.demo.oracle import Expectation, expect
from tools.demo.quiescence import StoredCommit, StoredFollowup
from tools.demo.scorecards import scorecards
from tools.demo.script import write_script

AnyRecord = Record[events.EventData]
Plant = Callable[[Evidence], Evidence]


@pytest.fixture(scope="module")
def expectation() -> Expectation:
    return expect(write_script(1402, 4))


@pytest.fixture(scope="module")
def evidence(expectation: Expectation) -> Evidence:
    return flawless(expectation)


def failed(checks: tuple[CheckResult, ...]) -> set[str]:
    return {check.name for check in checks if not check.ok}


def first(evidence: Evidence, kind: type[events.EventData]) -> AnyRecord:
    return evidence.of(kind)[0]


def without(evidence: Evidence, *gone: AnyRecord) -> Evidence:
    return replace(evidence, records=tuple(r for r in evidence.records if r not in gone))


def instead(evidence: Evidence, old: AnyRecord, new: AnyRecord) -> Evidence:
    return replace(evidence, records=tuple(new if r is old else r for r in evidence.records))


def after(evidence: Evidence, old: AnyRecord, new: AnyRecord) -> Evidence:
    at = evidence.records.index(old) + 1
    return replace(evidence, records=(*evidence.records[:at], new, *evidence.records[at:]))


def changed(record: AnyRecord, **data: object) -> AnyRecord:
    new = record.data.model_copy(update=data)
    return replace(record, data=new, event=replace(record.event, data=new.to_json()))


def with_followups(evidence: Evidence, *followups: StoredFollowup) -> Evidence:
    return replace(evidence, stored=replace(evidence.stored, followups=followups))


def with_commit(evidence: Evidence, commit: StoredCommit) -> Evidence:
    commits = (*evidence.stored.commits, commit)
    return replace(evidence, stored=replace(evidence.stored, commits=commits))


def test_a_flawless_season_passes(expectation: Expectation, evidence: Evidence) -> None:
    checks = check_all(expectation, evidence)
    assert [(c.name, c.faults[:3]) for c in checks if not c.ok] == []
    nothing_there = {c.name for c in checks if c.expected == 0 and c.found == 0}
    assert len(checks) - len(nothing_there) > 20


# -- what may be planted ------------------------------------------------------------------------


def missing_followup(evidence: Evidence) -> Evidence:
    opened = first(evidence, events.FollowupOpened)
    id_ = opened.event.subject
    return without(evidence, *(r for r in evidence.records if r.event.subject == id_))


def followup_missing_in_the_database(evidence: Evidence) -> Evidence:
    return with_followups(evidence, *evidence.stored.followups[1:])


def followup_twice_in_the_databases(evidence: Evidence) -> Evidence:
    followup = next(f for f in evidence.stored.followups if f.deputy == "civil")
    again = replace(followup, deputy="crisis")
    return with_followups(evidence, *evidence.stored.followups, again)


def wrong_state(evidence: Evidence) -> Evidence:
    followup, *others = evidence.stored.followups
    return with_followups(evidence, replace(followup, state="closed"), *others)


def level_twice(evidence: Evidence) -> Evidence:
    record = first(evidence, events.FollowupOverdue)
    sequence = (record.event.sequence or 0) + 1
    again = replace(record, event=replace(record.event, id="another-id", sequence=sequence))
    return after(evidence, record, again)


def level_an_hour_late(evidence: Evidence) -> Evidence:
    record = first(evidence, events.FollowupOverdue)
    assert record.event.time is not None
    late = replace(record.event, time=record.event.time + timedelta(hours=1))
    return instead(evidence, record, replace(record, event=late))


def level_missing(evidence: Evidence) -> Evidence:
    return without(evidence, first(evidence, events.FollowupOverdue))


def gap_in_versions(evidence: Evidence) -> Evidence:
    record = first(evidence, events.FollowupCompleted)
    sequence = (record.event.sequence or 0) + 1
    return instead(
        evidence, record, replace(record, event=replace(record.event, sequence=sequence))
    )


def wrong_order(evidence: Evidence) -> Evidence:
    records = list(evidence.records)
    one = next(
        n
        for n, (a, b) in enumerate(pairwise(records))
        if a.event.subject == b.event.subject and a.topic == b.topic
    )
    records[one], records[one + 1] = records[one + 1], records[one]
    return replace(evidence, records=tuple(records))


def key_in_two_partitions(evidence: Evidence) -> Evidence:
    record = first(evidence, events.FollowupVerified)
    return instead(evidence, record, replace(record, partition=2))


def two_events_of_one_id(evidence: Evidence) -> Evidence:
    one, two, *_ = evidence.of(events.NoticeDelivered)
    return instead(evidence, two, replace(two, event=replace(two.event, id=one.event.id)))


def doubled_mail(evidence: Evidence) -> Evidence:
    return replace(evidence, mails=(*evidence.mails, evidence.mails[-1]))


def missing_mail(evidence: Evidence) -> Evidence:
    return replace(evidence, mails=evidence.mails[1:])


def mail_to_another(evidence: Evidence) -> Evidence:
    mail, *others = evidence.mails
    return replace(evidence, mails=(replace(mail, to=("stranger@peygir.example",)), *others))


def mail_without_its_title(evidence: Evidence) -> Evidence:
    *others, mail = evidence.mails
    return replace(evidence, mails=(*others, replace(mail, subject="ابلاغ مصوبه")))


def pending_commit(evidence: Evidence) -> Evidence:
    return with_commit(evidence, StoredCommit("scheduler", "2", (), published=False))


def lost_in_the_outbox(evidence: Evidence) -> Evidence:
    lost = StoredCommit("notify", "1", ("never-published",), published=True)
    return with_commit(evidence, lost)


def dead_letter(evidence: Evidence) -> Evidence:
    return replace(evidence, dead_letters=("peygir.notify.deadletter.v1/0/0: conflict",))


def unreadable(evidence: Evidence) -> Evidence:
    return replace(evidence, unreadable=("peygir.sessions.v1/0/7: broken-json",))


def report_overdue_missing(evidence: Evidence) -> Evidence:
    return without(evidence, first(evidence, events.ReportOverdue))


def late_report_not_called_late(evidence: Evidence) -> Evidence:
    late = next(r for r in evidence.of(events.ReportSubmitted) if r.data.late)
    return instead(evidence, late, changed(late, late=False))


def province_twice(evidence: Evidence) -> Evidence:
    one, two, *_ = evidence.of(events.SessionScheduled)
    assert isinstance(one.data, events.SessionScheduled)
    return instead(evidence, two, changed(two, provinces=one.data.provinces))


def resolution_of_another_deputy(evidence: Evidence) -> Evidence:
    approved = first(evidence, events.ResolutionApproved)
    return instead(evidence, approved, changed(approved, deputy="nobody"))


def resolutions_counted_wrong(evidence: Evidence) -> Evidence:
    closed = first(evidence, events.SessionClosed)
    return instead(evidence, closed, changed(closed, resolutions=1))


def notice_failed(evidence: Evidence) -> Evidence:
    record = first(evidence, events.NoticeDelivered)
    assert isinstance(record.data, events.NoticeDelivered)
    failure = events.NoticeFailed(**record.data.model_dump(), reason="550")
    return instead(evidence, record, replace(record, data=failure))


FOUND_BY = [
    (missing_followup, "one follow-up a resolution, told on its deputy's topic"),
    (followup_missing_in_the_database, "one follow-up a resolution, in its deputy's database"),
    (followup_twice_in_the_databases, "one follow-up a resolution, in its deputy's database"),
    (wrong_state, "states in the databases"),
    (level_twice, "levels of overdue, each once and at its instant"),
    (level_an_hour_late, "levels of overdue, each once and at its instant"),
    (level_missing, "levels of overdue, each once and at its instant"),
    (gap_in_versions, "versions of every aggregate: 1, 2, 3, …"),
    (wrong_order, "versions of every aggregate: 1, 2, 3, …"),
    (key_in_two_partitions, "keys, each in one partition"),
    (two_events_of_one_id, "ids of events, each of one event"),
    (doubled_mail, "mails caught twice"),
    (missing_mail, "mails caught, by recipient and what they are about"),
    (mail_to_another, "mails caught, by recipient and what they are about"),
    (mail_without_its_title, "mails that say the resolution's title"),
    (pending_commit, "commits still to be published"),
    (lost_in_the_outbox, "events that the services committed, in the topics"),
    (dead_letter, "dead letters and rejections"),
    (unreadable, "records that can't be read"),
    (report_overdue_missing, "ReportOverdue, for exactly the late ones, at the due instant"),
    (late_report_not_called_late, "reports and their revisions, late ones named"),
    (province_twice, "provinces that have their turn"),
    (resolution_of_another_deputy, "resolutions approved, on the topics of their deputies"),
    (resolutions_counted_wrong, "resolutions counted at the end of a session"),
    (notice_failed, "notices failed"),
]


@pytest.mark.parametrize(("plant", "name"), FOUND_BY, ids=[plant.__name__ for plant, _ in FOUND_BY])
def test_a_planted_mistake_is_found(
    plant: Plant, name: str, expectation: Expectation, evidence: Evidence
) -> None:
    assert name in failed(check_all(expectation, plant(evidence)))


def test_an_event_seen_again_is_no_mistake(expectation: Expectation, evidence: Evidence) -> None:
    record = first(evidence, events.FollowupOverdue)
    again = after(evidence, record, replace(record, offset=record.offset + 1))
    assert failed(check_all(expectation, again)) == set()
    assert digest(again) == digest(evidence)


def test_the_digest_hangs_on_what_came_and_not_on_the_order_among_aggregates(
    evidence: Evidence,
) -> None:
    assert digest(evidence) == digest(
        replace(
            evidence,
            records=tuple(reversed(evidence.records)),
            mails=tuple(reversed(evidence.mails)),
        )
    )
    for plant in (level_an_hour_late, missing_followup, missing_mail, mail_without_its_title):
        assert digest(plant(evidence)) != digest(evidence)


def test_scorecards_count_what_the_model_expects(
    expectation: Expectation, evidence: Evidence
) -> None:
    *deputies, together = scorecards(evidence)
    followups = expectation.followups.values()
    assert together.total == len(followups) == sum(score.total for score in deputies)
    assert together.open_ == sum(f.is_open for f in followups)
    assert together.verified == sum(f.state == "verified" for f in followups)
    for number in (1, 2, 3):
        expected = sum(f.is_open and f.level == number for f in followups)
        assert together.overdue[number - 1] == expected
    assert 0 < together.in_time <= together.verified
    assert 0 < together.share < 1


def test_scorecards_that_the_service_counts_otherwise_are_a_fault(evidence: Evidence) -> None:
    def served(items: list[dict[str, Any]]) -> Evidence:
        body = {**evidence.served.scorecards, "items": items}
        return replace(evidence, served=replace(evidence.served, scorecards=body))

    first_item, *others = evidence.served.scorecards["items"]
    assert check_scorecards(served([first_item, *others])).ok
    wrong = {**first_item, "on_time": first_item["on_time"] + 1}
    (fault,) = check_scorecards(served([wrong, *others])).faults
    assert fault.startswith(first_item["title_fa"])
    assert not check_scorecards(served(others)).ok
