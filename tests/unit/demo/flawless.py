"""The evidence of a season without any fault, made from what the oracle expects."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from shared.contracts import events
from shared.contracts.envelope import CloudEvent
from shared.contracts.reference import AXES, DEPUTIES
from shared.contracts.topics import Topics
from tools.demo.evidence import CaughtMail, Evidence, Record, ServedState
from tools.demo.oracle import Expectation, ExpectedFollowup, HistoryEntry, Notice
from tools.demo.quiescence import StoredCommit, StoredFollowup, StoredState
from tools.demo.scorecards import TOTAL_TITLE
from tools.demo.script import Resolution, Session, Submission, session_id_of
from tools.demo.workdays import day_of

TOPICS = Topics(deputy.id for deputy in DEPUTIES)
_SUB_AXES = 5
_OPEN_SUB_AXES = _SUB_AXES * (len(AXES) - 1)


class Publisher:
    """Publishes events as the services do, with versions by aggregate."""

    def __init__(self) -> None:
        self.records: list[Record[events.EventData]] = []
        self._versions: dict[tuple[str, str], int] = defaultdict(int)

    def publish(
        self, topic: str, aggregate: str, at: datetime, data: events.EventData, key: str = ""
    ) -> None:
        """Append an event; each topic has one partition."""
        self._versions[topic, aggregate] += 1
        version = self._versions[topic, aggregate]
        event = CloudEvent(
            id=str(uuid5(NAMESPACE_OID, f"{topic}|{aggregate}|{version}")),
            source="urn:peygir:test",
            type=data.TYPE,
            data=data.to_json(),
            subject=aggregate,
            time=at,
            sequence=version,
        )
        offset = len(self.records)
        self.records.append(Record(topic, 0, offset, key or aggregate, event, data))


def flawless(expectation: Expectation) -> Evidence:
    """What is found after a season in which everything happened once, in order and in time."""
    publisher = Publisher()
    script = expectation.script
    _announce(publisher, expectation)
    for session in script.sessions:
        _hold(publisher, session)
    for followup in expectation.followups.values():
        for entry in followup.history:
            _follow_up(publisher, followup, entry)
    mails = []
    for number, notice in enumerate(expectation.notices.elements()):
        notice_id = str(uuid5(NAMESPACE_OID, f"notice {number}"))
        mails.append(_caught(expectation, notice, notice_id))
        _deliver(publisher, expectation, notice, notice_id)
    records = sorted(publisher.records, key=lambda r: (r.topic, r.partition, r.offset))
    return Evidence(
        records=tuple(records),
        unreadable=(),
        dead_letters=(),
        mails=tuple(mails),
        served=_served(expectation, records),
        stored=_stored(expectation, records),
    )


def _announce(publisher: Publisher, expectation: Expectation) -> None:
    script = expectation.script
    axes = tuple(
        events.CatalogueAxis(
            axis=axis.id,
            title=axis.title_fa,
            sub_axes=tuple(
                events.SubAxis(sub_axis=f"part-{n}", title="زیرمحور") for n in range(_SUB_AXES)
            ),
        )
        for axis in AXES
    )
    circular = events.CircularIssued(
        circular_id="1402-1",
        catalogue_version=1,
        issued_at=script.begins_at,
        axes=axes,
        provinces=script.provinces,
    )
    publisher.publish(TOPICS.circulars, "1402-1", script.begins_at, circular)
    held = {session.session_id: session for session in script.sessions}
    for province in script.provinces:
        session_id = session_id_of(province)
        session = held.get(session_id)
        starts_at = session.opens_at if session else script.ends_at
        scheduled = events.SessionScheduled(
            session_id=session_id,
            kind="provincial",
            provinces=(province,),
            title="نشست تخصصی",
            starts_at=starts_at,
            ends_at=starts_at,
            mode="in-person",
        )
        publisher.publish(TOPICS.sessions, session_id, script.begins_at, scheduled)
    for session_id in script.cancelled:
        at = script.cancelled_at
        cancelled = events.SessionCancelled(session_id=session_id, cancelled_at=at)
        publisher.publish(TOPICS.sessions, session_id, at, cancelled)


def _hold(publisher: Publisher, session: Session) -> None:
    id_ = session.session_id
    opened = events.SessionOpened(session_id=id_, opened_at=session.opens_at)
    publisher.publish(TOPICS.sessions, id_, session.opens_at, opened)
    if session.report_is_late:
        due_at = session.report_due_at
        overdue = events.ReportOverdue(session_id=id_, province=session.province, due_at=due_at)
        publisher.publish(TOPICS.reports, id_, due_at, overdue)
    for submission in session.submissions:
        _report(publisher, session, submission)
    for resolution in session.resolutions:
        topic = TOPICS.resolutions(resolution.deputy)
        at = resolution.approved_at
        publisher.publish(topic, resolution.resolution_id, at, approved(resolution))
    closed = events.SessionClosed(
        session_id=id_, closed_at=session.closes_at, resolutions=len(session.resolutions)
    )
    publisher.publish(TOPICS.sessions, id_, session.closes_at, closed)


def _report(publisher: Publisher, session: Session, submission: Submission) -> None:
    submitted = events.ReportSubmitted(
        report_id=f"report-{session.session_id}",
        session_id=session.session_id,
        province=session.province,
        revision=submission.revision,
        catalogue_version=1,
        submitted_at=submission.at,
        due_at=session.report_due_at,
        late=submission.at > session.report_due_at,
        completeness=(_OPEN_SUB_AXES - submission.unanswered) / _OPEN_SUB_AXES,
        axes=(),
        initiatives=submission.initiatives,
        special_topics=0,
    )
    distributed = events.ReportDistributed(
        report_id=submitted.report_id,
        session_id=session.session_id,
        province=session.province,
        revision=submission.revision,
        distributed_at=submission.distributed_at,
        recipients=(),
    )
    id_ = session.session_id
    publisher.publish(TOPICS.reports, id_, submission.at, submitted)
    publisher.publish(
        TOPICS.reports_restricted, f"{id_}/restricted", submission.at, submitted, key=id_
    )
    publisher.publish(TOPICS.reports, id_, submission.distributed_at, distributed)


def approved(resolution: Resolution) -> events.ResolutionApproved:
    """The approval of a resolution, as the scheduler publishes it."""
    return events.ResolutionApproved(
        resolution_id=resolution.resolution_id,
        deputy=resolution.deputy,
        title=resolution.title,
        approved_at=resolution.approved_at,
        due_on=resolution.due_on,
        session_id=resolution.session_id,
        province=resolution.province,
        axis=resolution.axis,
        text=resolution.text,
        supporting=resolution.supporting,
        executing_body=resolution.executing_body,
        priority="urgent" if resolution.urgent else "normal",
        number=resolution.number,
    )


def followup_id(resolution_id: str) -> str:
    """The id of a resolution's follow-up in this evidence."""
    return f"followup-of-{resolution_id}"


def _follow_up(publisher: Publisher, followup: ExpectedFollowup, entry: HistoryEntry) -> None:
    resolution = followup.resolution
    id_ = resolution.resolution_id
    fields: dict[str, Any] = {
        "followup_id": followup_id(id_),
        "resolution_id": id_,
        "deputy": resolution.deputy,
        "at": entry.at,
        "by": "somebody",
        "title": resolution.title,
        "approved_at": resolution.approved_at,
        "due_on": resolution.due_on,
        "original_due_on": resolution.due_on,
        "approved_source": "urn:peygir:scheduler",
        "fingerprint": "0" * 64,
        "days_overdue": entry.days_overdue,
        "level": entry.level,
        "progress": 50,
        "stance": "agreed",
        "finding": "done",
        "reason": "مستندات کامل نیست.",
    }
    model = events.EVENTS[f"peygir.{entry.name}.v1"]
    data = model(**{name: fields[name] for name in model.model_fields if name in fields})
    publisher.publish(
        TOPICS.followups(resolution.deputy), followup_id(id_), entry.at, data, key=id_
    )


def _caught(expectation: Expectation, notice: Notice, notice_id: str) -> CaughtMail:
    followup = expectation.followups.get(notice.about)
    title = followup.resolution.title if followup else "نشست تخصصی"
    return CaughtMail(
        message_id=f"<{notice_id}@peygir.example>",
        to=(f"{notice.recipient_role.replace(':', '.').lower()}@peygir.example",),
        subject=f"ابلاغ مصوبه: {title}",
        text=f"عنوان مصوبه: {title}\nشناسه: {notice.about}\n",
    )


def _deliver(
    publisher: Publisher, expectation: Expectation, notice: Notice, notice_id: str
) -> None:
    overdue = notice.template == "followup-overdue"
    at = expectation.script.ends_at
    delivered = events.NoticeDelivered(
        notice_id=notice_id,
        channel="email",
        template=notice.template,
        subject=followup_id(notice.about) if overdue else notice.about,
        recipient_role=notice.recipient_role,
        at=at,
    )
    publisher.publish(TOPICS.notices, notice_id, at, delivered)


def _served(expectation: Expectation, records: list[Record[events.EventData]]) -> ServedState:
    script = expectation.script
    followups = list(expectation.followups.values())
    return ServedState(
        sessions=(
            *((session.session_id, "closed") for session in script.sessions),
            *((session_id, "cancelled") for session_id in script.cancelled),
        ),
        reports=(
            *((s.session_id, ("submitted", s.submissions[-1].revision)) for s in script.sessions),
            *((session_id, ("cancelled", 0)) for session_id in script.cancelled),
        ),
        resolutions=tuple((r.resolution_id, r.session_id) for r in script.resolutions),
        notices=tuple(
            (r.data.notice_id, "delivered")
            for r in records
            if isinstance(r.data, events.NoticeDelivered)
        ),
        scorecards={
            "items": [
                _scorecard(d.title_fa, [f for f in followups if f.resolution.deputy == d.id])
                for d in DEPUTIES
            ],
            "total": _scorecard(TOTAL_TITLE, followups),
        },
    )


def _scorecard(title_fa: str, followups: list[ExpectedFollowup]) -> dict[str, Any]:
    open_ = [followup for followup in followups if followup.is_open]
    verified = [followup for followup in followups if not followup.is_open]
    return {
        "title_fa": title_fa,
        "total": len(followups),
        "verified": len(verified),
        "on_time": sum(
            f.claimed_at is not None and day_of(f.claimed_at) <= f.resolution.due_on
            for f in verified
        ),
        "overdue_by_level": {f"level_{n}": sum(f.level == n for f in open_) for n in (1, 2, 3)},
    }


def _stored(expectation: Expectation, records: list[Record[events.EventData]]) -> StoredState:
    followups = tuple(
        StoredFollowup(f.resolution.deputy, id_, f.state, f.level, len(f.history))
        for id_, f in expectation.followups.items()
    )
    event_ids = tuple(record.event.id for record in records)
    return StoredState(followups, (StoredCommit("scheduler", "1", event_ids, published=True),))
