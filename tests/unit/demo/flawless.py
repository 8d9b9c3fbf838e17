"""The evidence of a season in which all went well, made from its script: a ground for mistakes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from shared.contracts import events
from shared.contracts.envelope import CloudEvent
from shared.contracts.reference import AXES, DEPUTIES
from shared.contracts.topics import Topics
from tools.demo.evidence import CaughtMail, Document, Evidence, Record
from tools.demo.expectation import Expectation, Life, Mail, Told
from tools.demo.script import Resolution, Session, Submission, session_id_of

TOPICS = Topics(deputy.id for deputy in DEPUTIES)
_SUB_AXES = 5
_OPEN_SUB_AXES = _SUB_AXES * (len(AXES) - 1)


class Press:
    """Publishes events as the services do: versions by aggregate, offsets by topic."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self._versions: dict[tuple[str, str], int] = defaultdict(int)

    def publish(
        self, topic: str, aggregate: str, at: datetime, data: events.EventData, key: str = ""
    ) -> None:
        """Append an event; all of a topic stands in one partition."""
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
    press = Press()
    script = expectation.script
    _announce(press, expectation)
    for session in script.sessions:
        _hold(press, session)
    for life in expectation.lives.values():
        for told in life.told:
            _tell(press, life, told)
    mails = []
    for number, mail in enumerate(expectation.mails.elements()):
        notice_id = str(uuid5(NAMESPACE_OID, f"notice {number}"))
        mails.append(_caught(expectation, mail, notice_id))
        _deliver(press, expectation, mail, notice_id)
    records = sorted(press.records, key=lambda r: (r.topic, r.partition, r.offset))
    return Evidence(tuple(records), (), (), _documents(expectation, records), tuple(mails))


def _announce(press: Press, expectation: Expectation) -> None:
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
        provinces=script.turns,
    )
    press.publish(TOPICS.circulars, "1402-1", script.begins_at, circular)
    held = {session.session_id: session for session in script.sessions}
    for province in script.turns:
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
        press.publish(TOPICS.sessions, session_id, script.begins_at, scheduled)
    for session_id in script.called_off:
        at = script.called_off_at
        cancelled = events.SessionCancelled(session_id=session_id, cancelled_at=at)
        press.publish(TOPICS.sessions, session_id, at, cancelled)


def _hold(press: Press, session: Session) -> None:
    id_ = session.session_id
    opened = events.SessionOpened(session_id=id_, opened_at=session.opens_at)
    press.publish(TOPICS.sessions, id_, session.opens_at, opened)
    if session.report_is_late:
        due_at = session.report_due_at
        overdue = events.ReportOverdue(session_id=id_, province=session.province, due_at=due_at)
        press.publish(TOPICS.reports, id_, due_at, overdue)
    for sent in session.submissions:
        _report(press, session, sent)
    for resolution in session.resolutions:
        topic = TOPICS.resolutions(resolution.deputy)
        at = resolution.approved_at
        press.publish(topic, resolution.resolution_id, at, approved(resolution))
    closed = events.SessionClosed(
        session_id=id_, closed_at=session.closes_at, resolutions=len(session.resolutions)
    )
    press.publish(TOPICS.sessions, id_, session.closes_at, closed)


def _report(press: Press, session: Session, sent: Submission) -> None:
    submitted = events.ReportSubmitted(
        report_id=f"report-{session.session_id}",
        session_id=session.session_id,
        province=session.province,
        revision=sent.revision,
        catalogue_version=1,
        submitted_at=sent.at,
        due_at=session.report_due_at,
        late=sent.at > session.report_due_at,
        completeness=(_OPEN_SUB_AXES - sent.unanswered) / _OPEN_SUB_AXES,
        axes=(),
        initiatives=sent.initiatives,
        special_topics=0,
    )
    distributed = events.ReportDistributed(
        report_id=submitted.report_id,
        session_id=session.session_id,
        province=session.province,
        revision=sent.revision,
        distributed_at=sent.distributed_at,
        recipients=(),
    )
    id_ = session.session_id
    press.publish(TOPICS.reports, id_, sent.at, submitted)
    press.publish(TOPICS.reports_restricted, f"{id_}/restricted", sent.at, submitted, key=id_)
    press.publish(TOPICS.reports, id_, sent.distributed_at, distributed)


def approved(resolution: Resolution) -> events.ResolutionApproved:
    """The approval of a resolution, as the scheduler tells it."""
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


def _tell(press: Press, life: Life, told: Told) -> None:
    resolution = life.resolution
    id_ = resolution.resolution_id
    fields: dict[str, Any] = {
        "followup_id": followup_id(id_),
        "resolution_id": id_,
        "deputy": resolution.deputy,
        "at": told.at,
        "by": "somebody",
        "title": resolution.title,
        "approved_at": resolution.approved_at,
        "due_on": resolution.due_on,
        "original_due_on": resolution.due_on,
        "approved_source": "urn:peygir:scheduler",
        "fingerprint": "0" * 64,
        "days_overdue": told.days_overdue,
        "level": told.level,
        "progress": 50,
        "stance": "agreed",
        "finding": "done",
        "reason": "مستندات کامل نیست.",
    }
    model = events.EVENTS[f"peygir.{told.name}.v1"]
    data = model(**{name: fields[name] for name in model.model_fields if name in fields})
    press.publish(TOPICS.followups(resolution.deputy), followup_id(id_), told.at, data, key=id_)


def _caught(expectation: Expectation, mail: Mail, notice_id: str) -> CaughtMail:
    life = expectation.lives.get(mail.about)
    title = life.resolution.title if life else "نشست تخصصی"
    return CaughtMail(
        message_id=f"<{notice_id}@peygir.example>",
        to=(f"{mail.role.replace(':', '.').lower()}@peygir.example",),
        subject=f"ابلاغ مصوبه: {title}",
        text=f"عنوان مصوبه: {title}\nشناسه: {mail.about}\n",
    )


def _deliver(press: Press, expectation: Expectation, mail: Mail, notice_id: str) -> None:
    overdue = mail.kind == "followup-overdue"
    at = expectation.script.ends_at
    delivered = events.NoticeDelivered(
        notice_id=notice_id,
        channel="email",
        template=mail.kind,
        subject=followup_id(mail.about) if overdue else mail.about,
        recipient_role=mail.role,
        at=at,
    )
    press.publish(TOPICS.notices, notice_id, at, delivered)


def _documents(
    expectation: Expectation, records: list[Record]
) -> dict[tuple[str, str], list[Document]]:
    script = expectation.script
    documents: dict[tuple[str, str], list[Document]] = {
        ("scheduler", "sessions"): [
            *({"_id": s.session_id, "state": "closed"} for s in script.sessions),
            *({"_id": id_, "state": "cancelled"} for id_ in script.called_off),
        ],
        ("scheduler", "resolutions"): [
            {"_id": r.resolution_id, "session_id": r.session_id} for r in script.resolutions
        ],
        ("scheduler", "commits"): [{"_id": 1, "events": [{"id": r.event.id} for r in records]}],
        ("reports", "expectations"): list(_expectations(expectation)),
        ("notify", "notices"): [
            {"_id": r.data.notice_id, "state": "delivered"}
            for r in records
            if isinstance(r.data, events.NoticeDelivered)
        ],
    }
    for deputy in DEPUTIES:
        documents[f"followups_{deputy.id}", "followups"] = [
            {
                "resolution_id": id_,
                "state": life.state,
                "level": life.level,
                "version": len(life.told),
            }
            for id_, life in expectation.lives.items()
            if life.resolution.deputy == deputy.id
        ]
    return documents


def _expectations(expectation: Expectation) -> Iterator[Document]:
    for s in expectation.script.sessions:
        revision = s.submissions[-1].revision
        yield {"_id": s.session_id, "state": "submitted", "report": {"revision": revision}}
    for id_ in expectation.script.called_off:
        yield {"_id": id_, "state": "cancelled", "report": None}
