"""What each part of a process does in its database, done by its own code.

Each deed can be repeated: what it makes has ids of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias, cast

from aiokafka import TopicPartition

from services.followups.domain.records import Followup
from services.followups.handlers import AbsenceChange
from services.followups.store import MongoFollowupRepository, MongoLinks
from services.notify.domain.notices import Delivered
from services.notify.domain.session_notices import KnownSession
from services.notify.store import MongoNoticeRepository
from services.reports.domain.circulars import Circular
from services.reports.domain.reads import RestrictedRead
from services.reports.domain.records import Moved
from services.reports.store import (
    MongoCircularRepository,
    MongoExpectationRepository,
    MongoReadLog,
)
from services.scheduler.domain.records import Opened, Resolution
from services.scheduler.handlers import Change as SchedulerChange
from services.scheduler.store import MongoSchedulerRepository
from shared.messaging.core.model import (
    RECOVERY,
    CommitContext,
    Deferred,
    Effects,
    Event,
    OffsetAdvance,
    Outcome,
    ReplayOutcome,
)
from shared.messaging.inbound.flood import Pauses
from shared.messaging.kafka.publisher import Publisher
from shared.messaging.ledger.deferral import DeferredMessages, DeferredRecord
from shared.messaging.ledger.inbox import Inbox
from shared.messaging.ledger.leases import Lease
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.ledger.positions import PUBLISHED, Positions, TopicPosition
from shared.messaging.ledger.replays import Replays
from shared.messaging.outbox.relay import Relay
from shared.messaging.scheduling.due_queue import DueQueue
from shared.messaging.scheduling.sweeper import Sweeper
from shared.runtime.clocks import SystemDomainClock, SystemMachineClock
from shared.runtime.files import Uploads
from shared.runtime.idempotent_replies import Keyed, Reply
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database
from shared.runtime.uploads import ReceivedFile
from tests.access.mongodb.secured import Client
from tests.stores import followups as followup_changes
from tests.stores import notices as notice_changes
from tests.stores import test_reports as report_changes
from tests.stores import test_scheduler as scheduler_changes
from tests.stores.outbox import NOW, TOPIC, Kafka
from tests.stores.test_evidence import a_file
from tests.unit.followups.examples import ACKNOWLEDGED
from tests.unit.followups.test_absences import absence
from tests.unit.notify.examples import resolution
from tests.unit.notify.examples import session as scheduled_session
from tests.unit.reports.builders import BEFORE, SESSION, STARTS_AT, after
from tests.unit.scheduler.examples import season
from tools.access.workloads import Workload

CAUSE: Final = CommitContext("request", "d.karimi")
_CLOCK: Final = SystemMachineClock()
_HOUR: Final = timedelta(hours=1)

Deed: TypeAlias = Callable[["World"], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class World:
    """The database of a workload, reached as that workload; and as the administrator."""

    database: Database
    others: Sequence[Database]  # of other deputies, if the workload reaches them
    admin: Client

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.database, clock=_CLOCK)


def deeds_of(workload: Workload) -> Iterator[Deed]:
    """What a workload does."""
    service, run = workload.service, workload.run
    consumes = service != "scheduler"
    yield from _EVERY_PROCESS
    yield from _OWN[service]
    if "relay" in run:
        yield _publish
    if "consumer" in run and consumes:
        yield _consume
        if service == "followups":
            yield _defer
    if "sweeper" in run and consumes:
        yield _lease
        if service == "followups":
            yield from (_sweep_followups, _clear_uploads)
        if service == "reports":
            yield _sweep_reports
    if "api" in run:
        yield _reply
        if consumes:
            yield _operate
        if service == "followups":
            yield from (_upload, _hand_over, _link)


def event(**changes: object) -> Event:
    """An event of a new aggregate."""
    id_ = new_id()
    made = Event(
        id=id_,
        type="peygir.FollowupProgressed.v1",
        topic=TOPIC,
        key=id_,
        aggregate_id=id_,
        version=1,
        time=NOW,
        dataschema="x",
        data=b"{}",
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # the caller names its fields


def new_id() -> str:
    return uuid.uuid4().hex


async def _prepare_ledger(world: World) -> None:
    await world.ledger.prepare()


async def _recover(world: World) -> None:
    ledger, made = world.ledger, event()
    async with ledger.commit(RECOVERY, Effects([made])):
        pass
    assert await ledger.history(made.aggregate_id)
    positions = Positions(world.database)
    place = TopicPartition(TOPIC, 0)
    await positions.store_highest(PUBLISHED, {place: TopicPosition(0, 1)})
    await positions.read_all(PUBLISHED)


async def _detect_rollback(world: World) -> None:
    ledger = world.ledger
    async with ledger.commit(CAUSE, Effects([event()])):
        pass
    ledger._rollback.suspect()  # as when MongoDB was away
    await ledger.check_history()


async def _publish(world: World) -> None:
    async with world.ledger.commit(CAUSE, Effects([event()])):
        pass
    lease = Lease(world.database, f"relay-{new_id()}", "test", 60)
    assert await lease.acquire()
    relay = Relay(
        world.database,
        lease=lease,
        publisher=cast(Publisher, Kafka()),
        source="urn:peygir:test",
        metrics=Metrics(),
        clock=_CLOCK,
    )
    assert await relay.flush() > 0


async def _consume(world: World) -> None:
    group, topic = new_id(), "peygir.any.v1"
    replay = ReplayOutcome(new_id(), Outcome.APPLIED)
    for expected, following in ((None, 1), (1, 2)):
        advance = OffsetAdvance(group, topic, 0, expected, following)
        context = CommitContext("event", group, advances=(advance,), replay_outcomes=(replay,))
        async with world.ledger.commit(context, Effects()):
            pass
    assert await Positions(world.database).read(group, [(topic, 0)]) == {(topic, 0): 2}
    await DeferredMessages(world.database).of(group, 10)
    pauses = Pauses(world.database)
    await pauses.pause(group, topic, NOW, "flood")
    assert await pauses.of(group)


async def _defer(world: World) -> None:
    waiting = DeferredMessages(world.database)
    record = DeferredRecord("t", 0, 1, 0, None, b"{}", ())
    message = Deferred(new_id(), "group", "about", NOW, record)
    context = CommitContext("event", "group", defers=(message,))
    async with world.ledger.commit(context, Effects()):
        pass
    assert await waiting.known([message.id])
    async with world.ledger.commit(CommitContext("event", "group", ends=(message.id,)), Effects()):
        pass


async def _lease(world: World) -> None:
    lease = Lease(world.database, new_id(), "test", 60)
    assert await lease.acquire()
    assert await lease.renew()
    async with world.ledger.commit(CommitContext("clock", "sweeper", fence=lease.fence), Effects()):
        pass
    await lease.release()


async def _sweep(world: World, queue: DueQueue, id_: str) -> None:
    lease = Lease(world.database, new_id(), "test", 60)
    assert await lease.acquire()
    now = datetime.now(UTC)
    assert await queue.first(now) is not None
    assert await queue.snooze(id_, now, now + _HOUR, lease.fence)

    async def nothing(*_: object) -> int:
        return 0

    sweeper = Sweeper(
        world.database, nothing, queue, clock=SystemDomainClock(), noted_every=timedelta(0)
    )
    await sweeper.run(lease)


async def _sweep_followups(world: World) -> None:
    store = MongoFollowupRepository(world.ledger, "civil")
    change = followup_changes.new(new_id(), alert=NOW)
    await store.save([change], CAUSE)
    await _sweep(world, store.due_queue, change.after.followup_id)


async def _sweep_reports(world: World) -> None:
    store = MongoExpectationRepository(world.ledger)
    id_ = new_id()
    await report_changes.add(store, report_changes.of(id_))
    await _sweep(world, store.due_queue, id_)


async def _show_put_off(world: World) -> None:
    await DueQueue(world.ledger, "any", "any").snoozed(NOW)


async def _reply(world: World) -> None:
    reply = Reply(Keyed(new_id(), "fingerprint"), 200, (), b"{}", new_id())
    async with world.ledger.commit(replace(CAUSE, reply=reply), Effects()):
        pass
    assert await world.ledger.replies.find(reply.keyed.id)


async def _operate(world: World) -> None:
    pauses, group = Pauses(world.database), new_id()
    world.admin[world.database.name]["subscriptions"].insert_one(
        {"_id": group, "group": group, "topic": "t", "paused": NOW, "reason": "flood"}
    )
    await pauses.list()
    assert await pauses.resume(group)
    await Replays(world.database).find(group)


async def _inbox(world: World) -> None:
    inbox, id_ = Inbox(world.database), new_id()
    await inbox.prepare()
    async with world.ledger.commit(CAUSE, Effects()) as session:
        await inbox.add([id_], NOW, session)
    assert await inbox.seen([id_])


async def _follow_up(world: World) -> None:
    """Prepare and migrate; a follow-up is opened, goes on, moves away and comes back."""
    world.admin[world.database.name]["marks"].delete_many({})
    store = MongoFollowupRepository(world.ledger, "civil")
    await store.prepare()
    first = followup_changes.new(new_id())
    await store.save([first], RECOVERY)
    second = followup_changes.step(first.after, ACKNOWLEDGED)
    await store.save([second], RECOVERY)
    away = _at(second.after, "crisis")
    await store.save([replace(second, before=second.after, after=away, events=[])], RECOVERY)
    assert await store.moved_out([away.resolution_id])
    back = _at(away, "civil")
    await store.save([replace(second, before=away, after=back, events=[])], RECOVERY)
    assert await store.get(back.followup_id) == back
    await world.ledger.counts("deputy")
    await _be_absent(store)


async def _be_absent(store: MongoFollowupRepository) -> None:
    """An absence is declared and ended."""
    id_ = new_id()
    declared = absence(absence_id=id_)
    ended = replace(declared, ended_by="d.karimi", ended_at=NOW)
    await store.absences.save([AbsenceChange(None, declared, [])], RECOVERY, 0)
    turn = (await store.absences.known(declared.last_on)).turn
    await store.absences.save([AbsenceChange(declared, ended, [])], RECOVERY, turn)
    assert await store.absences.get(id_) == ended
    assert await store.absences.of_substitute(declared.substitute, declared.first_on)


def _at(followup: Followup, deputy: str) -> Followup:
    """The follow-up as it is when another deputy has taken it."""
    resolution = replace(followup.resolution, deputy=deputy)
    return replace(followup, resolution=resolution, version=followup.version + 1)


async def _clear_uploads(world: World) -> None:
    store = MongoFollowupRepository(world.ledger, "civil")
    uploads = world.admin[world.database.name]["evidence.uploads"]
    uploads.insert_one({"_id": new_id(), "abandoned": True, "at": NOW})
    assert await Uploads(store.files, _CLOCK, 60).clear() > 0


async def _upload(world: World) -> None:
    store = MongoFollowupRepository(world.ledger, "civil")
    uploads = Uploads(store.files, _CLOCK, 60)
    change = followup_changes.new(new_id())
    await store.save([change], CAUSE)
    async with AsyncExitStack() as kept:
        upload = await kept.enter_async_context(uploads.receive())
        await upload.write(b"photo")
        await upload.finish()
        piece = replace(a_file(b"photo"), evidence_id=new_id())
        file = ReceivedFile(upload.id, upload.size, piece.evidence_id)
        added = replace(followup_changes.step(change.after, piece), files=[file])
        await store.save([added], CAUSE)
    content = await store.content(piece)
    assert content is not None
    assert b"".join([part async for part in content]) == b"photo"
    async with uploads.receive() as abandoned:
        await abandoned.write(b"half")
        await abandoned.finish()
        assert await uploads._remove({"_id": abandoned.id})  # leaving the block would only log


async def _hand_over(world: World) -> None:
    about = new_id()
    reply = Reply(Keyed(new_id(), "fingerprint"), 200, (), b"{}", about)
    async with world.ledger.commit(replace(CAUSE, reply=reply), Effects()):
        pass
    taker = Ledger(world.others[0], clock=_CLOCK).replies
    async with world.ledger.commit(CAUSE, Effects()) as session:
        await world.ledger.replies.hand_over([about], taker, session)
    assert await taker.find(reply.keyed.id)


async def _link(world: World) -> None:
    links = MongoLinks([world.database, *world.others])
    ahead = await links.ahead([new_id()])
    async with world.ledger.commit(CAUSE, Effects()) as session:
        await links.take_turn(ahead, session)


async def _report(world: World) -> None:
    store = MongoExpectationRepository(world.ledger)
    await store.prepare()
    id_ = new_id()
    first = report_changes.of(id_)
    await report_changes.add(store, first)
    moved = after(first, Moved(BEFORE, replace(SESSION, starts_at=STARTS_AT), 2))
    await store.save([report_changes.step(first, moved)], CAUSE)
    assert await store.get(id_) == moved
    reads = MongoReadLog(world.ledger)
    await reads.prepare()
    await reads.add(RestrictedRead(NOW, "d.karimi", (), None, True, (id_,), ("security",)))
    circulars = MongoCircularRepository(world.ledger)
    circular = Circular(new_id(), 1, ("IR-09",), NOW, None)
    await circulars.add(circular, event(), CAUSE)
    assert await circulars.get(circular.circular_id) == circular


async def _schedule(world: World) -> None:
    world.admin[world.database.name]["marks"].delete_many({})
    store = MongoSchedulerRepository(world.ledger)
    await store.prepare()
    id_ = new_id()
    change = scheduler_changes.in_calendar(session_id=id_, season=None)
    await store.save([change], CAUSE)
    session = scheduler_changes.session_of(change)
    await store.save([scheduler_changes.step(session, Opened(NOW))], CAUSE)
    resolved = scheduler_changes.resolved(new_id())
    await store.save([resolved], CAUSE)
    assert isinstance(resolved.after, Resolution)
    amended = replace(resolved.after, version=2)
    await store.save([SchedulerChange(resolved.after, amended)], CAUSE)
    planned = replace(season(), season=new_id()[:8])
    await store.save([SchedulerChange(None, planned)], CAUSE)
    assert await store.season(planned.season) == planned
    assert await store.session(id_) is not None
    assert await store.resolutions([new_id()]) == {}


async def _notify(world: World) -> None:
    store = MongoNoticeRepository(world.ledger)
    await store.prepare()
    first = notice_changes.new(resolution(resolution_id=new_id()))
    await store.save([first], CAUSE)
    await store.save([notice_changes.moved(first.after, Delivered(NOW))], CAUSE)
    assert await store.get(first.after.notice_id) is not None
    await store.count_put_off()
    known = KnownSession(new_id(), scheduled_session(), revision=1)
    await store.save([known], CAUSE)
    await store.save([replace(known, revision=2)], CAUSE)
    assert await store.known_sessions([known.session_id])
    outcome = event()
    await store.keep_orphans([outcome], CAUSE)
    await store.orphan_outcomes([new_id()])


_EVERY_PROCESS: Final[Sequence[Deed]] = (_prepare_ledger, _recover, _detect_rollback)
_OWN: Final = {
    "scheduler": (_schedule,),
    "reports": (_report, _inbox, _show_put_off),
    "notify": (_notify,),
    "followups": (_follow_up, _inbox, _show_put_off),
}
