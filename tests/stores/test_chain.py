"""The chains that a real database holds, as the audit tool verifies them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient

from deploy.local.cluster import Cluster
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext, Effects, Event
from shared.messaging.ledger.ledger import Ledger
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.mongo import Database
from shared.runtime.principals import Authority
from tests.stores.outbox import NOW, Outbox
from tests.stores.test_moving import Pair, _in_mongodb, begun, move
from tools.audit.trail import Selection, committed, count
from tools.audit.verifying import Verified, verify

_CAUSE = CommitContext(
    "request",
    "c.ahmadi",
    ("coordination",),
    authority=Authority("t-1", "board", "10.0.0.7", ("coordination",)),
)


def event(aggregate: str, version: int) -> Event:
    return Event(
        id=f"{aggregate}{version}",
        type="peygir.FollowupProgressed.v1",
        topic="t",
        key=aggregate,
        aggregate_id=aggregate,
        version=version,
        time=NOW,
        dataschema="x",
        data=b"{}",
    )


async def commit(ledger: Ledger, *events: Event) -> None:
    async with ledger.commit(_CAUSE, Effects(events)):
        pass


def verified(cluster: Cluster, *databases: str) -> Verified:
    found = Verified()
    with MongoClient[dict[str, Any]](cluster.mongodb_uri) as client:
        for name in databases:
            events = list(verify(committed(client, name, Selection()), found, {}))
            assert len(events) == count(client, name, Selection())
    return found


async def test_two_processes_continue_one_chain(database: Database, cluster: Cluster) -> None:
    """Each looks up what the other has committed; what it has committed itself it remembers."""
    one, other = (Ledger(database, clock=SystemMachineClock()) for _ in range(2))
    await one.prepare()
    await commit(one, *(event(f"f{n}", 1) for n in range(600)))  # two records
    await commit(other, event("f0", 2), event("f599", 2), event("f0", 3))
    await commit(one, event("f0", 4), event("f599", 3))
    await commit(one, event("f0", 5))
    found = await asyncio.to_thread(verified, cluster, database.name)
    assert found.broken == []
    assert (found.events, found.aggregates, found.unchained) == (606, 600, 0)
    (entry, *_) = await one.history("f0")
    assert entry.authority == _CAUSE.authority
    assert entry.hash is not None


async def test_a_commit_that_fails_leaves_no_trace_in_a_chain(
    database: Database, cluster: Cluster
) -> None:
    one, other = (Ledger(database, clock=SystemMachineClock()) for _ in range(2))
    await one.prepare()
    await commit(one, event("f", 1))
    with suppress(RuntimeError):
        async with one.commit(_CAUSE, Effects([replace(event("f", 2), data=b"[]")])):
            raise RuntimeError("the process changes its mind")
    await commit(other, event("f", 2))
    with pytest.raises(Stale):
        await commit(one, replace(event("f", 2), data=b"[1]"))
    await commit(one, event("f", 3))
    found = await asyncio.to_thread(verified, cluster, database.name)
    assert (found.broken, found.events) == ([], 3)


async def test_what_was_stored_without_hashes_is_continued(
    database: Database, cluster: Cluster
) -> None:
    ledger = Ledger(database, clock=SystemMachineClock())
    await ledger.prepare()
    await commit(ledger, event("f", 1), event("f", 2))
    await database["commits"].update_many({}, {"$unset": {"chain": ""}})
    later = Ledger(database, clock=SystemMachineClock())
    await commit(later, event("f", 3))
    await commit(Ledger(database, clock=SystemMachineClock()), event("f", 4))
    found = await asyncio.to_thread(verified, cluster, database.name)
    assert (found.broken, found.events, found.unchained) == ([], 4, 2)


@pytest.mark.parametrize("versions", [1, 3])
async def test_many_at_once_keep_every_chain(
    database: Database, cluster: Cluster, versions: int
) -> None:
    ledgers = [Ledger(database, clock=SystemMachineClock()) for _ in range(3)]
    await ledgers[0].prepare()

    async def live(number: int) -> None:
        for version in range(1, versions + 1):
            await commit(ledgers[(number + version) % 3], event(f"f{number}", version))

    await asyncio.gather(*map(live, range(20)))
    found = await asyncio.to_thread(verified, cluster, database.name)
    assert (found.broken, found.events) == ([], 20 * versions)


async def test_the_relay_changes_no_chain(outbox: Outbox, cluster: Cluster) -> None:
    await outbox.commit(["a", "b"])
    await outbox.commit(["a"])
    relay = await outbox.relay()
    assert await relay.flush() == 3
    found = await asyncio.to_thread(verified, cluster, outbox.database.name)
    assert (found.broken, found.events) == ([], 3)


@pytest.mark.parametrize(
    ("change", "what", "version"),
    [
        ({"$set": {"events.0.data": b"{ }"}}, "changed", 2),
        ({"$set": {"by": "somebody"}}, "changed", 2),
        ({"$set": {"authority.address": "10.0.0.8"}}, "changed", 2),
        ({"$unset": {"authority": ""}}, "changed", 2),
        ({"$unset": {"chain": ""}}, "changed", 2),
        (None, "missing", 2),
    ],
)
async def test_a_hand_in_the_database_is_found(
    database: Database, cluster: Cluster, change: Any, what: str, version: int
) -> None:
    ledger = Ledger(database, clock=SystemMachineClock())
    await ledger.prepare()
    for number in (1, 2, 3):
        await commit(ledger, event("f", number), event("g", number))
    touched = {"events": {"$elemMatch": {"aggregate_id": "f", "version": 2}}}
    if change is None:
        await database["commits"].delete_one(touched)
    else:
        await database["commits"].update_one(touched, change)
    found = await asyncio.to_thread(verified, cluster, database.name)
    places = {(broken.aggregate, broken.what, broken.version) for broken in found.broken}
    assert ("f", what, version) in places
    data_alone = change is not None and "events.0.data" in change.get("$set", {})
    assert len(places) == (1 if data_alone else 2)  # the others' record is the same


@pytest.fixture
async def pair(cluster: Cluster, namespace: str) -> AsyncIterator[Pair]:
    async with _in_mongodb(cluster, namespace) as pair:
        yield pair


async def test_a_follow_up_takes_its_chain_to_another_deputy_and_back(
    pair: Pair, cluster: Cluster, namespace: str
) -> None:
    civil, social = pair
    followup = await begun(civil)
    assert await move(civil, social, followup.followup_id) == [None]
    assert await move(social, civil, followup.followup_id) == [None]
    databases = [f"{namespace}followups_{deputy}" for deputy in ("civil", "social")]
    found = await asyncio.to_thread(verified, cluster, *databases)
    assert found.broken == []
    assert found.unchained == 0
    assert found.events > 10
