"""One suite for the store of the notices: in memory and on MongoDB; and the courier on a lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import pytest_asyncio

from deploy.local.cluster import Cluster
from services.notify import domain, events, handlers
from services.notify.domain import (
    LONGEST_WAIT_SECONDS,
    CancelledSession,
    Delivered,
    Fact,
    Failed,
    HandedOver,
    HandoverState,
    HeldBack,
    MovedSession,
    Notice,
    Notification,
    Overtaken,
    PutOff,
    State,
    Trouble,
)
from services.notify.domain.sessions import Course, Times
from services.notify.handlers import Change, Declined, HandlerContext, Unreachable
from services.notify.jobs import BATCH, Dispatcher
from services.notify.store import MongoNoticeRepository
from shared.messaging.core.errors import AlreadyExists, HistoryChanged, LeaseLost, Stale
from shared.messaging.core.model import CommitContext
from shared.messaging.core.wake_up import WakeUp
from shared.messaging.ledger.leases import Lease
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.ledger.rollback import RollbackDetector
from shared.messaging.scheduling.leased_task import LeasedTask
from shared.runtime import mongo
from shared.runtime.clocks import SystemDomainClock, SystemMachineClock
from shared.runtime.listing import ListQuery, Place
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database
from tests.component.harness import eventually
from tests.stores.fakes_notify import FakeNotices
from tests.unit.notify.matters import NOW, followup, message, report, resolution, session
from tests.unit.notify.test_handlers import approved
from tests.unit.published import as_read

AT = datetime(2026, 1, 1, tzinfo=UTC)
CAUSE = CommitContext("event", "test")
OFFICE = HandlerContext("peygir.notices.v1", {}, retry_seconds=10)

Store = FakeNotices | MongoNoticeRepository


@pytest_asyncio.fixture
async def database(cluster: Cluster, namespace: str) -> AsyncIterator[Database]:
    client = mongo.connect(cluster.mongodb_uri, app="test")
    name = f"{namespace}notify"
    await client.drop_database(name)
    yield mongo.database(client, name)
    client.close()


@pytest_asyncio.fixture
async def notices(database: Database) -> MongoNoticeRepository:
    store = MongoNoticeRepository(Ledger(database, clock=SystemMachineClock()))
    await store.prepare()
    await store.prepare()
    return store


@pytest.fixture(params=["memory", "mongodb"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return FakeNotices()
    found: MongoNoticeRepository = request.getfixturevalue("notices")
    return found


def new(notification: Notification, at: datetime = AT) -> Change:
    (notice, *_) = domain.notices(notification, NOW, "trace")
    return Change(None, notice, (), at)


def moved(before: Notice, fact: Fact, next_try: datetime | None = None) -> Change:
    after = domain.evolve(before, fact)
    event = events.to_event(after, fact, OFFICE.topic)
    return Change(before, after, () if event is None else (event,), next_try)


def many(count: int) -> list[Change]:
    return [new(resolution(resolution_id=f"r{n:03}")) for n in range(count)]


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


async def test_what_has_its_fate_waits_no_more(store: Store) -> None:
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


async def test_whoever_waits_for_trouble_is_counted_by_whose_it_is(store: Store) -> None:
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
    known = Course(
        "s1",
        session(session_id="s1", turn=2),
        Times(NOW, NOW + timedelta(hours=4), None),
        turn=2,
        sequence=3,
        heard=("/a\nb",),
        revision=1,
    )
    early = Course("s2", cancelled=True, revision=1)
    (invitation,) = domain.notices(session(session_id="s1"), NOW, None)
    (report_due,) = domain.notices(report(session_id="s1"), NOW, None)
    (foreign,) = domain.notices(session(session_id="s3"), NOW, None)
    new = [Change(None, notice, (), AT) for notice in (invitation, report_due, foreign)]
    await store.save([known, *new, early], CAUSE)
    found = {course.session_id: course for course in await store.courses(["s1", "s2", "s4"])}
    assert found == {"s1": known, "s2": early}
    assert await store.about(["s1", "s2"]) == [invitation]
    later = replace(known, cancelled=True, revision=2)
    await store.save([later], CAUSE)
    assert await store.courses(["s1"]) == [later]
    with pytest.raises(Stale):
        await store.save([replace(known, turn=3, revision=2)], CAUSE)
    with pytest.raises(Stale):
        await store.save([early], CAUSE)


async def test_whether_a_notice_is_under_way_is_part_of_what_was_decided_on(store: Store) -> None:
    (invitation,) = domain.notices(session(), NOW, None)
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
    assert found.standing is HandoverState.OVERTAKEN
    await store.save([moved(found, Overtaken(NOW))], CAUSE)
    assert await store.count_waiting() == 0
    assert [n.state for n in await store.page(ListQuery({"state": ["withdrawn"]}, None, 10))] == [
        State.WITHDRAWN
    ]


async def test_a_notice_that_somebody_broke_holds_up_no_other(
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
    (invitation,) = domain.notices(session(), NOW, None)
    await notices.save([Change(None, invitation, (), AT)], CAUSE)
    await database["notices"].update_many(
        {}, {"$unset": {"trouble": "", "standing": "", "matter.turn": ""}}
    )
    assert await notices.waiting(AT, 10) == [invitation]
    await notices.save([moved(invitation, HandedOver(NOW), AT)], CAUSE)
    found = await notices.get(invitation.notice_id)
    assert found is not None
    assert found.standing is HandoverState.UNDER_WAY


async def test_one_that_exists_takes_the_whole_batch_back(store: Store) -> None:
    one, two = many(2)
    await store.save([one], CAUSE)
    with pytest.raises(AlreadyExists):
        await store.save([two, one], CAUSE)
    assert await store.get(two.after.notice_id) is None


async def test_whoever_decided_on_an_older_state_is_refused(store: Store) -> None:
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
    told = [event for change in changes for event in change.events]
    ids = [change.after.notice_id for change in changes]
    assert await store.orphan_outcomes(ids) == {}
    await store.keep_orphans(told, CAUSE)
    with pytest.raises(Stale):
        await store.keep_orphans(told[1:], CAUSE)
    assert await store.orphan_outcomes([*ids, "nobody"]) == dict(zip(ids, facts, strict=True))
    assert await store.known(ids) == set(), "it is no notice yet"
    await store.save([Change(None, change.after, (), None) for change in changes], CAUSE)
    assert [await store.get(id_) for id_ in ids] == [change.after for change in changes]
    assert await store.count_waiting() == 0


async def test_what_is_taken_in_is_not_published_again(
    notices: MongoNoticeRepository, database: Database
) -> None:
    one, two = many(2)
    told = [as_read(event) for c in (one, two) for event in moved(c.after, Delivered(NOW)).events]
    await notices.save([one], CAUSE)
    assert await handlers.recover(told, notices) == 2
    assert await handlers.recover(told, notices) == 0
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
    told = await store.page(ListQuery({"subject": ["1402-IR-09"]}, None, 10))
    assert [notice.template for notice in told] == ["session-scheduled"]


# -- the courier --------------------------------------------------------------------------------


class Post:
    """A mail server in memory: it can be gone after some mails, or keep one waiting."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.gone_after: int | None = None
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    def address_of(self, notice: Notice) -> str:
        return f"{notice.recipient_role}@peygir.example"

    async def open(self) -> None:
        pass

    async def send(self, notice: Notice, _now: datetime) -> None:
        if self.gone_after is not None and len(self.taken) >= self.gone_after:
            raise Unreachable("gone")
        self.entered.set()
        await self.go_on.wait()
        self.taken.append(notice.notice_id)

    async def close(self) -> None:
        pass


LEASE_SECONDS = 1.0


def lease(database: Database, holder: str) -> Lease:
    return Lease(database, "delivery", holder, LEASE_SECONDS)


def dispatcher(store: MongoNoticeRepository, post: Post) -> Dispatcher:
    return Dispatcher(
        store,
        post,
        OFFICE,
        clock=SystemDomainClock(),
        machine=SystemMachineClock(),
    )


async def delivered(store: MongoNoticeRepository) -> Sequence[Notice]:
    return await store.page(ListQuery({"state": ["delivered"]}, None, 1_000))


async def test_all_that_waits_goes_out_once_in_batches(
    notices: MongoNoticeRepository, database: Database
) -> None:
    changes = many(2 * BATCH + 5)
    await notices.save(changes, CAUSE)
    post, mine = Post(), lease(database, "a")
    await mine.acquire()
    await dispatcher(notices, post).deliver(mine)
    assert sorted(post.taken) == sorted(change.after.notice_id for change in changes)
    assert len(await delivered(notices)) == len(changes)
    assert await database["commits"].count_documents({"by": "courier"}) == 3
    assert await notices.count_waiting() == 0


async def test_what_an_older_copy_holds_is_not_sent(database: Database) -> None:
    """It may have gone out since; whoever starts anew asks the topic before."""
    detector = RollbackDetector(database)
    store = MongoNoticeRepository(Ledger(database, clock=SystemMachineClock(), detector=detector))
    await store.prepare()
    await store.save(many(2), CAUSE)
    await database["positions"].insert_one({"_id": "notify|resolutions|0", "next": 5})
    await detector.check()
    post, held = Post(), lease(database, "me")
    await held.acquire()
    await database["positions"].update_one({}, {"$set": {"next": 4}})
    detector.suspect()  # the server was away
    with pytest.raises(HistoryChanged):
        await dispatcher(store, post).deliver(held)
    assert post.taken == []
    assert await store.count_waiting() == 2


async def test_what_went_out_before_the_server_was_gone_is_noted(
    notices: MongoNoticeRepository, database: Database
) -> None:
    await notices.save(many(10), CAUSE)
    post, mine = Post(), lease(database, "a")
    post.gone_after = 4
    await mine.acquire()
    with pytest.raises(Unreachable):
        await dispatcher(notices, post).deliver(mine)
    assert [n.notice_id for n in await delivered(notices)] == sorted(post.taken)
    post.gone_after = None
    await dispatcher(notices, post).deliver(mine)
    assert len(set(post.taken)) == len(post.taken) == 10


async def test_an_orderly_stop_hears_the_answer_to_the_mail_under_way(
    notices: MongoNoticeRepository, database: Database
) -> None:
    await notices.save(many(3), CAUSE)
    post, mine = Post(), lease(database, "a")
    post.go_on.clear()
    await mine.acquire()
    delivering = asyncio.create_task(dispatcher(notices, post).deliver(mine))
    await post.entered.wait()
    delivering.cancel()
    await asyncio.sleep(0)
    post.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await delivering
    assert [n.notice_id for n in await delivered(notices)] == post.taken
    assert len(post.taken) == 1


class OddPost(Post):
    """A mail server one of whose answers nobody can write down."""

    odd: str

    async def send(self, notice: Notice, now: datetime) -> None:
        await super().send(notice, now)
        if notice.notice_id == self.odd:
            raise Declined("550 refus\udce9")


async def test_an_answer_that_cannot_be_noted_holds_up_no_other(
    notices: MongoNoticeRepository, database: Database
) -> None:
    changes = many(2 * BATCH + 5)
    await notices.save(changes, CAUSE)
    post, mine = OddPost(), lease(database, "a")
    post.odd = changes[3].after.notice_id
    await mine.acquire()
    with_one = dispatcher(notices, post)
    for _ in range(2):
        await with_one.deliver(mine)
    ids = {change.after.notice_id for change in changes}
    assert {n.notice_id for n in await delivered(notices)} == ids - {post.odd}
    assert sorted(post.taken) == sorted(ids), "nothing goes out twice"
    assert await notices.count_waiting() == 1


async def test_a_slow_server_does_not_cost_the_lease(
    notices: MongoNoticeRepository, database: Database
) -> None:
    await notices.save(many(1), CAUSE)
    post, mine, other = Post(), lease(database, "a"), lease(database, "b")
    post.go_on.clear()
    wake_up = WakeUp()
    task = LeasedTask(
        mine,
        work=partial(dispatcher(notices, post).deliver, mine),
        rest=partial(wake_up.wait, LEASE_SECONDS),
        clock=SystemMachineClock(),
        metrics=Metrics(),
        lease_seconds=LEASE_SECONDS,
    )
    delivering = asyncio.create_task(task.run())
    try:
        await post.entered.wait()
        until = asyncio.get_running_loop().time() + 2 * LEASE_SECONDS
        while asyncio.get_running_loop().time() < until:
            assert not await other.acquire()
        post.go_on.set()

        async def noted() -> bool:
            return len(await delivered(notices)) == 1

        await eventually(noted, 10, "the answer")
    finally:
        delivering.cancel()
        await asyncio.wait({delivering})


async def test_whoever_lost_the_lease_sends_and_notes_nothing(
    notices: MongoNoticeRepository, database: Database
) -> None:
    await notices.save(many(3), CAUSE)
    post, mine = Post(), lease(database, "a")
    await mine.acquire()
    await database["leases"].update_one(
        {"_id": "delivery"},
        {"$set": {"holder": "b", "number": 2, "until": datetime(2100, 1, 1, tzinfo=UTC)}},
    )
    with pytest.raises(LeaseLost):
        await dispatcher(notices, post).deliver(mine)
    assert post.taken == []
    assert await delivered(notices) == []


async def test_an_answer_that_another_has_noted_meanwhile_stays_noted_once(
    notices: MongoNoticeRepository, database: Database
) -> None:
    (change,) = many(1)
    await notices.save([change], CAUSE)
    post, mine = Post(), lease(database, "a")
    post.go_on.clear()
    await mine.acquire()
    delivering = asyncio.create_task(dispatcher(notices, post).deliver(mine))
    await post.entered.wait()
    other = replace(CAUSE, by="other")
    await notices.save([moved(change.after, Delivered(NOW))], other)
    post.go_on.set()
    await delivering
    found = await notices.get(change.after.notice_id)
    assert found is not None
    assert (found.version, found.tries) == (1, 1)
