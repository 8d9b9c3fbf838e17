"""Stored replies to requests with a key: the same tests for those in memory and the real ones."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias

import httpx
import pytest

from shared.messaging.core.failpoints import Failpoint, no_faults
from shared.messaging.core.model import CommitContext, Effects, Event
from shared.messaging.inbound.flood import Pauses
from shared.messaging.ledger.ledger import Ledger
from shared.messaging.ledger.replies import MongoReplies
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.health import Health
from shared.runtime.http import create_app
from shared.runtime.idempotent_replies import AlreadyReplied, BeingReplied, Keyed, Reply
from shared.runtime.identity import OpenIdentity
from shared.runtime.metrics import Metrics
from shared.runtime.mongo import Database, transaction
from shared.service import operations
from tests.stores.fakes_replies import MemoryReplies
from tests.stores.outbox import NOW, Crash, Outbox, dies_at

AnyReplies: TypeAlias = MemoryReplies | MongoReplies

STEPS = [step for step in Failpoint if step.name.startswith("COMMIT_")]


class Clock(SystemMachineClock):
    """The machine's clock, set by hand."""

    def __init__(self) -> None:
        self.instant = NOW

    def now(self) -> datetime:
        return self.instant


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "mongodb"])
async def replies(request: pytest.FixtureRequest, database: Database, clock: Clock) -> AnyReplies:
    if request.param == "memory":
        return MemoryReplies(clock.now)
    replies = MongoReplies(database, clock)
    await replies.prepare()
    return replies


def reply(id_: str = "a", body: bytes = b"{}", about: str | None = None) -> Reply:
    headers = (("content-type", "application/json"), ("etag", '"1"'))
    return Reply(Keyed(id_, f"of {body!r}"), 201, headers, body, about)


async def test_a_reply_comes_back_as_it_was(replies: AnyReplies) -> None:
    assert await replies.find("a") is None
    first = reply(body="«پل»".encode(), about="f-1")
    await replies.add(first)
    assert await replies.find("a") == first
    assert await replies.about("f-1") == [first]
    assert await replies.about("f-2") == []


async def test_the_first_reply_stays(replies: AnyReplies) -> None:
    await replies.add(reply())
    with pytest.raises(AlreadyReplied):
        await replies.add(reply(body=b"[]"))
    assert await replies.find("a") == reply()


async def test_a_reply_counts_for_a_day(replies: AnyReplies, clock: Clock) -> None:
    await replies.add(reply(about="f-1"))
    clock.instant += timedelta(days=1, milliseconds=-1)
    assert await replies.find("a") == reply(about="f-1")
    with pytest.raises(AlreadyReplied):
        await replies.add(reply(body=b"[]"))
    clock.instant += timedelta(milliseconds=1)
    assert await replies.find("a") is None
    assert await replies.about("f-1") == []
    await replies.add(reply(body=b"[]"))
    assert await replies.find("a") == reply(body=b"[]")


async def test_mongodb_removes_expired_replies(database: Database, clock: Clock) -> None:
    await MongoReplies(database, clock).prepare()
    await MongoReplies(database, clock).prepare()
    indexes = await database["replies"].index_information()
    assert indexes["expiry"]["expireAfterSeconds"] > timedelta(days=1).total_seconds()


async def test_replies_about_something_move_with_it(database: Database, clock: Clock) -> None:
    giver = MongoReplies(database, clock)
    there = database.client.get_database(f"{database.name}-taker")
    taker = MongoReplies(there, clock)
    try:
        for one in (reply("a", about="f-1"), reply("b", about="f-2")):
            await giver.add(one)
        for side, other in ((giver, taker), (taker, giver), (giver, taker)):
            async with transaction(database.client) as session:
                await side.hand_over(["f-1", "f-3"], other, session)
            assert await side.find("a") is None
            assert await other.find("a") == reply("a", about="f-1")
        assert await giver.find("b") is not None
    finally:
        await database.client.drop_database(there.name)


def _event(name: str) -> Event:
    return Event(name, "t", "topic", name, name, 1, NOW, "x", b"{}")


async def _act(ledger: Ledger, name: str = "one") -> None:
    """Commit an effect under the key; `name` is a new id each time."""
    cause = CommitContext("request", "c.ahmadi", reply=reply(body=name.encode()))
    async with ledger.commit(cause, Effects([_event(name)])) as session:
        await ledger.database["things"].insert_one({"_id": name}, session=session)


async def _things(database: Database) -> list[str]:
    return [document["_id"] async for document in database["things"].find()]


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_it_takes_effect_once(outbox: Outbox, step: Failpoint) -> None:
    database = outbox.database
    dying = Ledger(database, clock=outbox.clock, failpoint=dies_at(step))
    with pytest.raises(Crash):
        await _act(dying)
    other = Ledger(database, clock=outbox.clock, failpoint=no_faults)
    found = await other.replies.find("a")
    assert (found is not None) == (step is Failpoint.COMMIT_DONE)
    if found is None:
        await _act(other, "two")
    with pytest.raises(AlreadyReplied):
        await _act(other, "three")
    found = await other.replies.find("a")
    assert found is not None
    assert await _things(database) == [found.body.decode()]
    assert (await other.pending())[0] == 1


async def test_of_many_at_once_one_takes_effect(outbox: Outbox) -> None:
    ledgers = [Ledger(outbox.database, clock=outbox.clock) for _ in range(8)]
    ends = await asyncio.gather(
        *(_act(ledger, str(n)) for n, ledger in enumerate(ledgers)), return_exceptions=True
    )
    refused = [end for end in ends if end is not None]
    assert len(refused) == 7
    assert all(isinstance(end, AlreadyReplied | BeingReplied) for end in refused), ends
    (thing,) = await _things(outbox.database)
    found = await outbox.ledger.replies.find("a")
    assert found is not None
    assert found.body.decode() == thing


async def test_a_request_during_the_commit_of_another_is_refused(outbox: Outbox) -> None:
    await outbox.ledger.replies.prepare()
    other = Ledger(outbox.database, clock=outbox.clock)
    cause = CommitContext("request", "c.ahmadi", reply=reply())
    async with outbox.ledger.commit(cause, Effects([_event("first")])):
        with pytest.raises(BeingReplied):
            await _act(other)
    assert await _things(outbox.database) == []


async def test_a_subscription_is_resumed_once_under_a_key(database: Database, clock: Clock) -> None:
    """It is in one of several databases, and the caller does not know which."""
    moved_out = database.client.get_database(f"{database.name}-other")
    app = create_app(
        title="Peygir",
        version="0",
        health=Health(),
        metrics=Metrics(),
        authenticator=OpenIdentity(),
    )
    app.include_router(operations.routes([moved_out, database], clock), prefix="/v1")
    pauses = Pauses(database)
    await pauses.pause("readers", "topic", NOW, "a flood")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://peygir") as http:

        async def resume(key: str) -> httpx.Response:
            headers = {"Idempotency-Key": key}
            return await http.post("/v1/subscriptions/readers/resume", headers=headers)

        try:
            first, again = await resume("a"), await resume("a")
            assert (first.status_code, again.content) == (200, first.content)
            assert again.headers["Idempotent-Replayed"] == "true"
            assert (await resume("b")).status_code == 404
            await pauses.pause("readers", "topic", NOW, "another flood")
            assert (await resume("b")).status_code == 200, "404 was not kept"
            assert await pauses.list() == []
        finally:
            await database.client.drop_database(moved_out.name)


async def test_nothing_is_resumed_if_the_reply_cannot_be_stored(
    database: Database, clock: Clock
) -> None:
    pauses, replies = Pauses(database), MongoReplies(database, clock)
    await replies.add(reply())
    await pauses.pause("readers", "topic", NOW, "a flood")
    with pytest.raises(AlreadyReplied):
        await pauses.resume("readers", keep=partial(replies.add, reply()))
    assert len(await pauses.list()) == 1
