"""Follow-ups move from one deputy's database to another's in one transaction, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import pytest

from deploy.local.cluster import Cluster
from services.followups import handlers
from services.followups.api import ApiContext
from services.followups.domain import decisions
from services.followups.domain.records import Followup
from services.followups.domain.scores import By
from services.followups.handlers import Command, HandlerContext, changed
from services.followups.store import MongoFollowupRepository, MongoLinks
from shared.messaging.core.errors import AlreadyExists, Stale
from shared.messaging.core.model import CommitContext
from shared.messaging.ledger.ledger import Ledger
from shared.runtime import mongo
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.files import Uploads
from shared.runtime.idempotent_replies import AlreadyReplied, Keyed, Reply
from shared.runtime.refusals import Refused
from shared.runtime.uploads import ReceivedFile
from tests.stores.fakes_followups import MemoryFollowups, MemoryLinks
from tests.stores.followups import new, step
from tests.stores.test_evidence import a_file
from tests.unit.followups.examples import (
    ACKNOWLEDGED,
    COORDINATION,
    LATER,
    LETTER,
    PROGRESSED,
    TRACKING,
    amended,
    principal,
)

Pair: TypeAlias = tuple[ApiContext, ApiContext]

OPERATOR = principal("o.rezaei", "operator")
CAUSE = CommitContext("request", "o.rezaei", roles=("operator",))


def _tracking(deputy: str) -> HandlerContext:
    return replace(TRACKING, deputy=deputy, topic=f"out.{deputy}")


def _in_memory(deputy: str, links: MemoryLinks) -> ApiContext:
    store = MemoryFollowups(deputy, links)
    return ApiContext(store, _tracking(deputy), store.files)


@asynccontextmanager
async def _in_mongodb(cluster: Cluster, namespace: str) -> AsyncIterator[Pair]:
    client, clock = mongo.connect(cluster.mongodb_uri, app="test"), SystemMachineClock()
    names = [f"{namespace}followups_{deputy}" for deputy in ("civil", "social")]
    links = MongoLinks([mongo.database(client, name) for name in names])

    async def side(deputy: str) -> ApiContext:
        database = mongo.database(client, f"{namespace}followups_{deputy}")
        store = MongoFollowupRepository(Ledger(database, clock=clock), deputy, links)
        await store.prepare()
        return ApiContext(store, _tracking(deputy), Uploads(store.files, clock, 60))

    civil, social = await side("civil"), await side("social")
    yield civil, social
    for deputy in ("civil", "social"):
        await client.drop_database(f"{namespace}followups_{deputy}")
    client.close()


@pytest.fixture(params=["memory", "mongodb"])
async def pair(request: pytest.FixtureRequest, namespace: str) -> AsyncIterator[Pair]:
    if request.param == "memory":
        links = MemoryLinks()
        yield _in_memory("civil", links), _in_memory("social", links)
        return
    async with _in_mongodb(request.getfixturevalue("cluster"), namespace) as pair:
        yield pair


async def begun(side: ApiContext, resolution_id: str = "R-1") -> Followup:
    """Return a follow-up with some history, a link and a file."""
    first = new(resolution_id, deputy=side.context.deputy)
    await side.store.save([first], replace(CAUSE, by="followups-civil"))
    second = step(first.after, ACKNOWLEDGED, PROGRESSED, LETTER)
    await side.store.save([second], replace(CAUSE, by="d.karimi"))
    async with side.uploads.receive() as upload:
        await upload.write(b"photo")
        await upload.finish()
        piece = a_file(b"photo")
        third = step(second.after, piece)
        kept = ReceivedFile(upload.id, upload.size, piece.evidence_id)
        await side.store.save([replace(third, files=[kept])], replace(CAUSE, by="d.karimi"))
    return third.after


async def move(giver: ApiContext, taker: ApiContext, *ids: str) -> list[str | None]:
    results = await handlers.move(
        ids, giver, taker, OPERATOR, "ادغام دو معاونت", LATER, None, dry_run=False
    )
    return [None if result.refused is None else result.refused.reason for result in results]


async def content(side: ApiContext, followup: Followup) -> list[bytes | None]:
    found = []
    for piece in followup.evidence:
        if piece.url is None:
            pieces = await side.store.content(piece)
            found.append(None if pieces is None else b"".join([data async for data in pieces]))
    return found


async def counts(side: ApiContext) -> dict[str, int]:
    store = side.store
    assert isinstance(store, MongoFollowupRepository | MemoryFollowups)
    found = (await store.counts(By.DEPUTY)).get("", {})
    return {name: count for name, count in found.items() if count}


async def test_stored_replies_move_along(pair: Pair) -> None:
    """The reply to the move itself stays with the giver."""
    civil, social = pair
    first = new("R-1")
    await civil.store.save([first], CAUSE)
    id_ = first.after.followup_id

    def reply(key: str, about: str | None) -> Reply:
        return Reply(Keyed(key, "f"), 200, (), b"{}", about)

    kept, moved = reply("acknowledge", id_), reply("move", None)
    second = step(first.after, ACKNOWLEDGED)
    await civil.store.save([second], replace(CAUSE, reply=kept))
    third = step(second.after, PROGRESSED)
    with pytest.raises(AlreadyReplied):
        await civil.store.save([third], replace(CAUSE, reply=kept))
    assert await civil.store.get(id_) == second.after

    for giver, taker, key in ((civil, social, "1"), (social, civil, "2"), (civil, social, "3")):
        answer = replace(moved, keyed=Keyed(f"move-{key}", "f"))
        await handlers.move(
            *([id_], giver, taker, OPERATOR, "ادغام", LATER, None),
            dry_run=False,
            reply=partial(_always, answer),
        )
        assert await taker.store.replies.find("acknowledge") == kept
        assert await giver.store.replies.find("acknowledge") is None
        assert await giver.store.replies.find(f"move-{key}") == answer


def _always(answer: Reply, _: object) -> Reply:
    return answer


async def test_it_moves_completely(pair: Pair) -> None:
    civil, social = pair
    before = await begun(civil)
    counted = await counts(civil)
    assert await move(civil, social, before.followup_id) == [None]
    assert await civil.store.get(before.followup_id) is None
    after = await social.store.get(before.followup_id)
    assert after is not None
    assert after == replace(
        before,
        version=6,
        changed_at=LATER,
        resolution=replace(before.resolution, deputy="social"),
        former_deputies=("civil",),
    )
    assert await content(social, after) == [b"photo"]
    assert (await counts(civil), await counts(social)) == ({}, counted)
    assert await civil.store.moved_out(["R-1"]) == {"R-1": after}
    assert await civil.store.here_or_moved_out([after.followup_id]) == {after.followup_id: after}

    history = await social.store.history(after.followup_id)
    assert [entry.event.version for entry in history] == [1, 2, 3, 4, 5, 6]
    assert [entry.by for entry in history] == ["followups-civil", *["d.karimi"] * 4, "o.rezaei"]
    assert {entry.event.topic for entry in history} == {"out.social"}
    left = await civil.store.history(after.followup_id)
    assert [entry.event.id for entry in left] == [entry.event.id for entry in history]


async def test_it_returns_with_what_happened_there(pair: Pair) -> None:
    civil, social = pair
    id_ = (await begun(civil)).followup_id
    await move(civil, social, id_)
    there = await social.store.get(id_)
    assert there is not None
    change = amended(replace(there.resolution, title="نو"))
    await social.store.save([step(there, change)], CAUSE)
    assert await move(social, civil, id_) == [None]
    back = await civil.store.get(id_)
    assert back is not None
    assert (back.version, back.deputy, back.resolution.title) == (8, "civil", "نو")
    assert back.former_deputies == ("civil", "social")
    history = await civil.store.history(id_)
    assert [entry.event.version for entry in history] == list(range(1, 9))
    assert await social.store.moved_out(["R-1"]) == {"R-1": back}
    assert await civil.store.moved_out(["R-1"]) == {}
    assert await counts(social) == {}
    assert await content(civil, back) == [b"photo"]
    assert await move(civil, social, id_) == [None]
    assert len(await social.store.history(id_)) == 9


async def test_a_stale_or_duplicate_follow_up_does_not_move(pair: Pair) -> None:
    civil, social = pair
    first, second = await begun(civil), await begun(civil, "R-2")
    own = new("R-2", deputy="social")
    await social.store.save([own], CAUSE)
    leaving = [
        changed(
            before,
            [decisions.move(before, OPERATOR, "social", None, "x", LATER)],
            civil.context,
            None,
        )
        for before in (first, second)
    ]
    arriving = [handlers.Change(None, change.after, (), None) for change in leaving]
    with pytest.raises(AlreadyExists):
        await civil.store.hand_over(leaving, social.store, arriving, CAUSE)
    await civil.store.save([step(first, PROGRESSED)], CAUSE)
    with pytest.raises(Stale):
        await civil.store.hand_over(leaving[:1], social.store, arriving[:1], CAUSE)
    assert set(await civil.store.of_resolutions(["R-1", "R-2"])) == {"R-1", "R-2"}
    assert set(await social.store.of_resolutions(["R-1", "R-2"])) == {"R-2"}
    assert await civil.store.moved_out(["R-1", "R-2"]) == {}
    assert await move(civil, social, first.followup_id, second.followup_id) == [
        None, "already-followed",
    ]  # fmt: skip


async def test_a_lost_file_does_not_prevent_the_move(pair: Pair) -> None:
    civil, social = pair
    before = await begun(civil)
    store = civil.store
    if isinstance(store, MongoFollowupRepository):
        await store.files.chunks.database["evidence.files"].delete_many({})
    else:
        assert isinstance(store, MemoryFollowups)
        store.files.lose(a_file(b"photo").evidence_id)
    assert await move(civil, social, before.followup_id) == [None]
    after = await social.store.get(before.followup_id)
    assert after is not None
    assert await content(social, after) == [None]


async def link(
    side: ApiContext, followup: Followup, predecessor: str, deputy: str | None = None
) -> str:
    """Try a link; return `linked`, or the slug of its refusal."""
    try:
        command = Command(followup.followup_id, side.store, side.context, COORDINATION, LATER)
        await handlers.link(command, predecessor, deputy)
    except Refused as refused:
        return refused.reason
    return "linked"


async def test_of_two_concurrent_links_that_close_a_circle_one_is_refused(pair: Pair) -> None:
    """Two replicas of the API may receive them: each writes what the other has only read."""
    civil, social = pair
    for number in range(5):
        here, there = new(f"H-{number}"), new(f"T-{number}", deputy="social")
        await civil.store.save([here], CAUSE)
        await social.store.save([there], CAUSE)
        became = await asyncio.gather(
            link(civil, here.after, f"T-{number}"), link(social, there.after, f"H-{number}")
        )
        assert sorted(became) == ["linked", "predecessor-circle"]


async def test_of_a_concurrent_link_and_move_that_close_a_circle_one_is_refused(
    pair: Pair,
) -> None:
    civil, social = pair
    for number in range(5):
        first, second = new(f"A-{number}"), new(f"B-{number}")
        await civil.store.save([first, second], CAUSE)
        assert await link(civil, second.after, f"A-{number}") == "linked"
        linked, (moved,) = await asyncio.gather(
            link(civil, first.after, f"B-{number}", "social"),
            move(civil, social, second.after.followup_id),
        )
        assert sorted([linked, str(moved)]) in (
            ["None", "predecessor-circle"],  # the move was first
            ["linked", "predecessor-circle"],
        )


async def test_predecessors_are_found_at_all_deputies(pair: Pair) -> None:
    civil, social = pair
    a, b = new("A"), new("B", deputy="social")
    await civil.store.save([a], CAUSE)
    await social.store.save([b], CAUSE)
    assert await link(civil, a.after, "B") == "linked"
    for side in pair:
        found = await side.store.ahead(["A"])
        assert {one.resolution_id for one in found.followups} == {"A", "B"}
    stale = await social.store.ahead([])
    assert await link(social, b.after, "elsewhere") == "linked"
    third = new("C")
    with pytest.raises(Stale):
        await civil.store.save([third], CAUSE, stale)
    assert await civil.store.get(third.after.followup_id) is None
