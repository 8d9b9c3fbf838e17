"""Events create notices; the mail server's answers are recorded."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.notify import handlers
from services.notify.domain.notices import Delivered, Fact, Failed, Notice, PutOff, State, Trouble
from services.notify.handlers import Declined, HandlerContext, Interrupted, NotYet, Unreachable
from shared.contracts.events import (
    AbsenceEnded,
    EventData,
    FollowupOverdue,
    NoticeDelivered,
    NoticeFailed,
    ReportOverdue,
    ReportSubmitted,
    ResolutionApproved,
    SessionCancelled,
    SessionScheduled,
)
from shared.messaging.core.model import CommitContext, Fence, Message, Outcome, Refusal
from tests.stores.fakes_notify import FakeNotices
from tests.unit.notify.examples import NOW, message
from tests.unit.published import as_read

OFFICE = HandlerContext(
    topic="peygir.notices.v1",
    deputies={"resolutions.civil": "civil", "followups.civil": "civil"},
    retry_seconds=10,
)
AT = datetime(2026, 1, 1, tzinfo=UTC)  # the machine's time; it differs from the domain's
FENCE = Fence("delivery", "me", 1)


def approved(resolution_id: str = "r1", deputy: str = "civil", **changes: Any) -> EventData:
    return ResolutionApproved(
        resolution_id=resolution_id,
        deputy=deputy,
        title="تکمیل پل روستای سرآسیاب",
        approved_at=NOW,
        due_on=date(2024, 6, 20),
        **changes,
    )


def scheduled(*provinces: str) -> EventData:
    return SessionScheduled(
        session_id="s1",
        kind="nationwide",
        provinces=provinces,
        title="نشست سراسری",
        starts_at=NOW,
        ends_at=NOW,
        mode="webinar",
    )


def overdue(level: int) -> EventData:
    return FollowupOverdue(
        followup_id="f1",
        resolution_id="r1",
        deputy="civil",
        title="تکمیل پل روستای سرآسیاب",
        due_on=date(2024, 2, 20),
        original_due_on=date(2024, 2, 20),
        days_overdue=1,
        level=level,
        progress=0,
    )


async def take(store: FakeNotices, *messages: Message) -> list[Any]:
    decision = await handlers.handle_events(messages, store, OFFICE, NOW, AT)
    await store.save(decision.changes, CommitContext("event", "notify"))
    return list(decision.verdicts)


async def test_an_event_that_comes_twice_makes_one_notice() -> None:
    store = FakeNotices()
    first = message(approved(), "resolutions.civil", "1")
    again = message(approved(), "resolutions.civil", "2")
    assert await take(store, first, again) == [Outcome.APPLIED, Outcome.DUPLICATE]
    assert await take(store, again) == [Outcome.DUPLICATE]
    assert await store.count_waiting() == 1


async def test_each_recipient_gets_a_notice_and_each_level_its_own() -> None:
    store = FakeNotices()
    verdicts = await take(
        store,
        message(scheduled("IR-09", "IR-23"), "sessions"),
        message(overdue(1), "followups.civil"),
        message(overdue(2), "followups.civil"),
        message(overdue(3), "followups.civil"),
        message(overdue(3), "followups.civil"),
        message(ReportOverdue(session_id="s1", province="IR-09", due_at=NOW), "reports"),
    )
    assert verdicts == [Outcome.APPLIED] * 4 + [Outcome.DUPLICATE, Outcome.APPLIED]
    roles = [notice.recipient_role for notice in await store.waiting(AT, 100)]
    assert sorted(roles) == [
        *("coordination", "deputy:civil", "minister-office"),
        *("province:IR-09", "province:IR-09", "province:IR-23"),
    ]


async def test_a_session_announced_again_with_one_more_province_invites_that_one() -> None:
    store = FakeNotices()
    assert await take(store, message(scheduled("IR-09"), "sessions")) == [Outcome.APPLIED]
    both = message(scheduled("IR-09", "IR-23"), "sessions")
    assert await take(store, both) == [Outcome.APPLIED]
    assert await store.count_waiting() == 2


async def test_events_that_call_for_no_notice_are_ignored() -> None:
    submitted = ReportSubmitted(
        report_id="p1",
        session_id="s1",
        province="IR-09",
        revision=1,
        catalogue_version=1,
        submitted_at=NOW,
        due_at=NOW,
        late=False,
        completeness=1.0,
        axes=(),
        initiatives=0,
        special_topics=0,
    )
    cancelled = SessionCancelled(session_id="s1", cancelled_at=NOW)
    absent = AbsenceEnded(absence_id="A-1", deputy="civil", at=NOW, by="d.karimi")
    verdicts = await take(
        FakeNotices(),
        message(submitted, "reports"),
        message(cancelled, "sessions"),
        message(scheduled(), "sessions"),
        message(absent, "followups"),
    )
    assert verdicts == [Outcome.IGNORED] * 4


async def test_a_refused_one_leaves_the_others() -> None:
    store = FakeNotices()
    wrong, early, good = await take(
        store,
        message(approved("r1", deputy="social"), "resolutions.civil"),
        message(
            approved("r2").model_copy(update={"due_on": date(2024, 1, 1)}), "resolutions.civil"
        ),
        message(approved("r3"), "resolutions.civil"),
    )
    assert isinstance(wrong, Refusal)
    assert wrong.reason == "wrong-deputy"
    assert isinstance(early, Refusal)
    assert early.reason == "due-before-approval"
    assert good is Outcome.APPLIED
    assert [notice.subject for notice in await store.waiting(AT, 100)] == ["r3"]


async def outcome_of(store: FakeNotices, **answers: Fact) -> list[Message]:
    """Approve these resolutions, record these answers; return the published events."""
    for id_ in answers:
        await take(store, message(approved(id_), "resolutions.civil"))
    waiting = {notice.subject: notice.notice_id for notice in await store.waiting(AT, 100)}
    by_id = {waiting[id_]: answer for id_, answer in answers.items()}
    before = len(store.events)
    await handlers.record_answers(by_id, store, OFFICE, AT, FENCE)
    return [as_read(event) for event in store.events[before:]]


async def test_after_a_restored_copy_nothing_is_sent_again() -> None:
    store, copy = FakeNotices(), FakeNotices()
    outcomes = await outcome_of(
        store, r1=Delivered(NOW), r2=Failed(NOW, "550 unknown"), r3=PutOff(NOW, "451 later")
    )
    await take(copy, message(approved("r1"), "resolutions.civil"))
    assert await handlers.recover(outcomes, copy) == 2
    assert await handlers.recover(outcomes, copy) == 0
    again = [message(approved(f"r{n}"), "resolutions.civil") for n in (1, 2, 3)]
    assert await take(copy, *again) == [Outcome.DUPLICATE, Outcome.APPLIED, Outcome.APPLIED]
    assert [notice.subject for notice in await copy.waiting(AT, 10)] == ["r3"]
    assert len(outcomes) == 2
    for event in outcomes:
        id_ = event.event.subject or ""
        assert await copy.get(id_) == await store.get(id_)
    assert copy.events == store.events[:1], "what was kept is announced no second time"
    assert await handlers.recover(outcomes, copy) == 0


async def test_what_was_put_off_before_the_copy_was_delivered_after_it() -> None:
    store, copy = FakeNotices(), FakeNotices()
    for one in (store, copy):
        await outcome_of(one, r1=PutOff(NOW, "451 later"))
    (notice,) = await store.waiting(AT + timedelta(seconds=10), 1)
    await handlers.record_answers({notice.notice_id: Delivered(NOW)}, store, OFFICE, AT, FENCE)
    assert await handlers.recover([as_read(store.events[0])], copy) == 1
    assert await copy.count_waiting() == 0
    found = await copy.get(notice.notice_id)
    assert found is not None
    assert (found.state, found.version, found.tries) == (State.DELIVERED, 1, 2)


class Answering:
    """A mail server with one fixed answer."""

    def __init__(self, answer: Exception | None) -> None:
        self.answer = answer

    def address_of(self, notice: Notice) -> str:
        return notice.recipient_role

    async def open(self) -> None:
        pass

    async def send(self, *_: object) -> None:
        if self.answer is not None:
            raise self.answer

    async def close(self) -> None:
        pass


async def test_only_the_servers_answer_about_a_mail_decides_its_outcome() -> None:
    store = FakeNotices()
    await take(store, message(approved(), "resolutions.civil"))
    (notice,) = await store.waiting(AT, 1)
    assert await handlers.hand_over(notice, Answering(None), NOW) == Delivered(NOW)
    declined = await handlers.hand_over(notice, Answering(Declined("550 unknown")), NOW)
    assert declined == Failed(NOW, "550 unknown")
    later = await handlers.hand_over(notice, Answering(NotYet("451 later")), NOW)
    assert later == PutOff(NOW, "451 later")
    full = NotYet("452 full", of_recipient=True)
    later = await handlers.hand_over(notice, Answering(full), NOW)
    assert later == PutOff(NOW, "452 full", Trouble.RECIPIENT)
    for may_be_taken in (True, False):
        broken = Interrupted("hung up", may_be_taken=may_be_taken)
        later = await handlers.hand_over(notice, Answering(broken), NOW)
        assert later == PutOff(NOW, "hung up", is_answer=False, is_sure=not may_be_taken)
    with pytest.raises(Unreachable):
        await handlers.hand_over(notice, Answering(Unreachable("gone")), NOW)


async def test_answers_are_recorded_once_with_their_events() -> None:
    store = FakeNotices()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for id_ in ("r1", "r2", "r3"):
        await take(store, message(approved(id_), "resolutions.civil", trace=trace))
    one, two, three = await store.waiting(AT, 3)
    answers: dict[str, Fact] = {
        one.notice_id: Delivered(NOW),
        two.notice_id: Failed(NOW, "550 unknown"),
        three.notice_id: PutOff(NOW, "451 later"),
    }
    await handlers.record_answers(answers, store, OFFICE, AT, FENCE)
    await handlers.record_answers(
        {**answers, three.notice_id: PutOff(NOW, "451 still")}, store, OFFICE, AT, FENCE
    )
    delivered, failed = store.events
    assert (delivered.type, failed.type) == (NoticeDelivered.TYPE, NoticeFailed.TYPE)
    assert (delivered.version, failed.version) == (1, 1)
    assert delivered.key == delivered.aggregate_id == one.notice_id
    assert delivered.trace == trace
    data = NoticeFailed.from_json(failed.data)
    assert (data.subject, data.template, data.recipient_role, data.channel, data.reason) == (
        *(two.subject, "resolution-approved", "deputy:civil", "email", "550 unknown"),
    )
    waits = await store.get(three.notice_id)
    assert waits is not None
    assert (waits.state, waits.tries, waits.reason) == (State.PENDING, 2, "451 still")
    assert await store.waiting(AT + timedelta(seconds=19), 10) == []
    assert await store.waiting(AT + timedelta(seconds=20), 10) == [waits]


async def test_the_event_of_a_fact_is_always_the_same() -> None:
    ids = []
    for _ in range(2):
        store = FakeNotices()
        await take(store, message(approved(), "resolutions.civil"))
        (notice,) = await store.waiting(AT, 1)
        await handlers.record_answers({notice.notice_id: Delivered(NOW)}, store, OFFICE, AT, FENCE)
        ids.append(store.events[0].id)
    assert ids[0] == ids[1]
