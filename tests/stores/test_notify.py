"""One suite for the store of the notices: in memory and on MongoDB."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from services.notify import handlers
from services.notify.domain.backoff import LONGEST_WAIT_SECONDS
from services.notify.domain.notices import (
    Delivered,
    Fact,
    Failed,
    HandedOver,
    HandoverState,
    HeldBack,
    Overtaken,
    PutOff,
    State,
    Trouble,
    new_notices,
)
from services.notify.domain.notifications import CancelledSession, MovedSession, Notification
from services.notify.domain.session_notices import KnownSession, Times
from services.notify.handlers import Change
from services.notify.store import MongoNoticeRepository
from shared.messaging.core.errors import AlreadyExists, Stale
from shared.runtime.list_queries import ListQuery, Place
from shared.runtime.mongo import Database
from tests.stores.fakes_notify import FakeNotices
from tests.stores.notices import AT, CAUSE, OFFICE, delivered, many, moved, new, prepared
from tests.unit.notify.examples import NOW, followup, message, report, resolution, session
from tests.unit.notify.test_handlers import approved
from tests.unit.published import as_read

Store = FakeNotices | MongoNoticeRepository


@pytest_asyncio.fixture
async def notices(database: Database) -> MongoNoticeRepository:
    return await prepared(database)


@pytest.fixture(params=["memory", "mongodb"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return FakeNotices()
    found: MongoNoticeRepository = request.getfixturevalue("notices")
    return found


async def test_what_is_stored_comes_back_whole(store: Store) -> None:
    matters: list[Notification] = [
        *(session(), report(title=None), resolution(), followup(level=3)),
        MovedSession(session(turn=1), NOW, NOW, "سفر"),
        CancelledSession(session(), NOW, None),
    ]
    changes = [new(notification) for notification in matters]
    await store.save(changes, CAUSE)
    for change in changes:
        assert await store.get(change.after.notice_id) == change.after
    ids = {change.after.notice_id for change in changes}
    assert await store.known({*ids, "nobody"}) == ids
    assert {notice.notice_id for notice in await store.of([*ids, "nobody"])} == ids
    assert await store.get("nobody") is None


async def test_what_waits_longest_comes_first_and_nothing_before_its_time(store: Store) -> None:
    late = new(report(), AT + timedelta(seconds=5))
    soon = new(session(), AT)
    await store.save([late, soon], CAUSE)
    assert await store.waiting(AT - timedelta(seconds=1), 10) == []
    assert await store.waiting(AT, 10) == [soon.after]
    assert await store.waiting(late.next_try or AT, 10) == [soon.after, late.after]
    assert await store.waiting(late.next_try or AT, 1) == [soon.after]
    assert await store.count_waiting() == 2


async def test_a_delivered_or_failed_notice_does_not_wait(store: Store) -> None:
    one, two, three = many(3)
    await store.save([one, two, three], CAUSE)
    later = AT + timedelta(seconds=10)
    await store.save(
        [
            moved(one.after, Delivered(NOW)),
            moved(two.after, Failed(NOW, "550 unknown")),
            moved(three.after, PutOff(NOW, "451 later"), later),
        ],
        CAUSE,
    )
    assert await store.waiting(AT, 10) == []
    assert [notice.tries for notice in await store.waiting(later, 10)] == [1]
    found = await store.get(two.after.notice_id)
    assert found is not None
    assert (found.state, found.version, found.reason) == (State.FAILED, 1, "550 unknown")


async def test_notices_that_are_put_off_are_counted_by_the_kind_of_trouble(store: Store) -> None:
    changes = many(5)
    await store.save(changes, CAUSE)
    assert await store.count_put_off() == {}
    one, two, three, four, _ = (change.after for change in changes)
    later = AT + timedelta(seconds=10)
    held = HeldBack(NOW, later, Trouble.DOMAIN, "silence")
    await store.save(
        [
            moved(one, PutOff(NOW, "451", Trouble.RECIPIENT), later),
            moved(two, PutOff(NOW, "hung up", is_answer=False, is_sure=False), later),
            moved(three, held, later),
            moved(four, held, later),
        ],
        CAUSE,
    )
    assert await store.count_put_off() == {
        Trouble.RECIPIENT: 1,
        Trouble.MESSAGE: 1,
        Trouble.DOMAIN: 2,
    }
    found = await store.get(three.notice_id)
    assert found is not None
    assert (found.trouble, found.tries, found.reason) == (Trouble.DOMAIN, 0, "silence")
    await store.save([moved(found, Delivered(NOW))], CAUSE)
    assert (await store.count_put_off())[Trouble.DOMAIN] == 1


async def test_what_a_clock_that_was_ahead_put_off_waits_no_longer_than_others(
    store: Store,
) -> None:
    far, near = many(2)
    longest = timedelta(seconds=LONGEST_WAIT_SECONDS)
    await store.save(
        [replace(far, next_try=AT + timedelta(days=400)), replace(near, next_try=AT + longest)],
        CAUSE,
    )
    assert await store.waiting(AT, 10) == [far.after]


async def test_what_is_known_of_a_session_comes_back_whole(store: Store) -> None:
    known = KnownSession(
        "s1",
        session(session_id="s1", turn=2),
        Times(NOW, NOW + timedelta(hours=4), None),
        turn=2,
        sequence=3,
        heard=("/a\nb",),
        revision=1,
    )
    early = KnownSession("s2", cancelled=True, revision=1)
    (invitation,) = new_notices(session(session_id="s1"), NOW, None)
    (report_due,) = new_notices(report(session_id="s1"), NOW, None)
    (foreign,) = new_notices(session(session_id="s3"), NOW, None)
    new = [Change(None, notice, (), AT) for notice in (invitation, report_due, foreign)]
    await store.save([known, *new, early], CAUSE)
    found = {course.session_id: course for course in await store.known_sessions(["s1", "s2", "s4"])}
    assert found == {"s1": known, "s2": early}
    assert await store.about(["s1", "s2"]) == [invitation]
    later = replace(known, cancelled=True, revision=2)
    await store.save([later], CAUSE)
    assert await store.known_sessions(["s1"]) == [later]
    with pytest.raises(Stale):
        await store.save([replace(known, turn=3, revision=2)], CAUSE)
    with pytest.raises(Stale):
        await store.save([early], CAUSE)


async def test_whether_a_notice_is_under_way_is_part_of_what_was_decided_on(store: Store) -> None:
    (invitation,) = new_notices(session(), NOW, None)
    await store.save([Change(None, invitation, (), AT)], CAUSE)
    began = moved(invitation, HandedOver(NOW), AT)
    await store.save([began], CAUSE)
    with pytest.raises(Stale):  # it was decided on before it was handed over
        await store.save([moved(invitation, Overtaken(NOW))], CAUSE)
    await store.save([moved(began.after, Overtaken(NOW), AT)], CAUSE)
    with pytest.raises(Stale):
        await store.save([moved(began.after, Delivered(NOW))], CAUSE)
    found = await store.get(invitation.notice_id)
    assert found is not None
    assert found.handover is HandoverState.OVERTAKEN
    await store.save([moved(found, Overtaken(NOW))], CAUSE)
    assert await store.count_waiting() == 0
    assert [n.state for n in await store.page(ListQuery({"state": ["withdrawn"]}, None, 10))] == [
        State.WITHDRAWN
    ]


async def test_a_damaged_notice_delays_no_other(
    notices: MongoNoticeRepository, database: Database
) -> None:
    changes = many(4)
    await notices.save(changes, CAUSE)
    one, two, *rest = sorted(change.after.notice_id for change in changes)
    await database["notices"].update_one({"_id": one}, {"$set": {"matter.template": "x"}})
    await database["notices"].update_one({"_id": two}, {"$unset": {"tries": ""}})
    await notices.waiting(AT, 2)  # it finds the broken ones first
    assert [notice.notice_id for notice in await notices.waiting(AT, 2)] == rest
    assert await notices.count_waiting() == 4
    await database["notices"].update_one({"_id": two}, {"$set": {"tries": 0}})
    assert len(await notices.waiting(AT, 10)) == 3


async def test_notices_of_earlier_versions_go_on(
    notices: MongoNoticeRepository, database: Database
) -> None:
    (invitation,) = new_notices(session(), NOW, None)
    await notices.save([Change(None, invitation, (), AT)], CAUSE)
    await database["notices"].update_many(
        {}, {"$unset": {"trouble": "", "standing": "", "matter.turn": ""}}
    )
    assert await notices.waiting(AT, 10) == [invitation]
    await notices.save([moved(invitation, HandedOver(NOW), AT)], CAUSE)
    found = await notices.get(invitation.notice_id)
    assert found is not None
    assert found.handover is HandoverState.UNDER_WAY


async def test_one_that_exists_takes_the_whole_batch_back(store: Store) -> None:
    one, two = many(2)
    await store.save([one], CAUSE)
    with pytest.raises(AlreadyExists):
        await store.save([two, one], CAUSE)
    assert await store.get(two.after.notice_id) is None


async def test_a_decision_on_an_older_state_is_refused(store: Store) -> None:
    one, two = many(2)
    await store.save([one, two], CAUSE)
    await store.save([moved(one.after, PutOff(NOW, "451"), AT)], CAUSE)
    with pytest.raises(Stale):
        await store.save(
            [moved(two.after, Delivered(NOW)), moved(one.after, Delivered(NOW))], CAUSE
        )
    assert await store.get(two.after.notice_id) == two.after


async def test_what_is_kept_of_a_notice_that_does_not_exist_comes_back_once(store: Store) -> None:
    facts: list[Fact] = [Delivered(NOW), Failed(NOW, "550 ناشناس")]
    changes = [moved(new.after, fact) for new, fact in zip(many(2), facts, strict=True)]
    outcomes = [event for change in changes for event in change.events]
    ids = [change.after.notice_id for change in changes]
    assert await store.orphan_outcomes(ids) == {}
    await store.keep_orphans(outcomes, CAUSE)
    with pytest.raises(Stale):
        await store.keep_orphans(outcomes[1:], CAUSE)
    assert await store.orphan_outcomes([*ids, "nobody"]) == dict(zip(ids, facts, strict=True))
    assert await store.known(ids) == set(), "it is no notice yet"
    await store.save([Change(None, change.after, (), None) for change in changes], CAUSE)
    assert [await store.get(id_) for id_ in ids] == [change.after for change in changes]
    assert await store.count_waiting() == 0


async def test_what_is_taken_in_is_not_published_again(
    notices: MongoNoticeRepository, database: Database
) -> None:
    one, two = many(2)
    outcomes = [
        as_read(event) for c in (one, two) for event in moved(c.after, Delivered(NOW)).events
    ]
    await notices.save([one], CAUSE)
    assert await handlers.recover(outcomes, notices) == 2
    assert await handlers.recover(outcomes, notices) == 0
    assert await database["commits"].count_documents({"kind": "recovery", "pending": None}) == 2
    decided = await handlers.handle_events(
        [message(approved("r000"), "civil"), message(approved("r001"), "civil")],
        notices,
        replace(OFFICE, deputies={"civil": "civil"}),
        NOW,
        AT,
    )
    await notices.save(decided.changes, CAUSE)
    assert {notice.subject for notice in await delivered(notices)} == {"r000", "r001"}
    assert await notices.count_waiting() == 0


async def test_pages_follow_the_ids_and_filters_narrow_them(store: Store) -> None:
    changes = many(5)
    await store.save([*changes, new(session())], CAUSE)
    await store.save([moved(changes[0].after, Delivered(NOW))], CAUSE)
    of_resolutions = {"template": ["resolution-approved"]}
    ids = sorted(change.after.notice_id for change in changes)
    first = await store.page(ListQuery(of_resolutions, None, 3))
    rest = await store.page(ListQuery(of_resolutions, Place(first[-1].notice_id), 3))
    assert [notice.notice_id for notice in (*first, *rest)] == ids
    delivered = await store.page(ListQuery({"state": ["delivered"]}, None, 10))
    assert [notice.subject for notice in delivered] == ["r000"]
    found = await store.page(ListQuery({"subject": ["1402-IR-09"]}, None, 10))
    assert [notice.template for notice in found] == ["session-scheduled"]
