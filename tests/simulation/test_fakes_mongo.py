"""The MongoDB in memory and the real one, held against each other."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import pytest
from bson import Binary
from pymongo import ASCENDING, DeleteOne, IndexModel, InsertOne, ReplaceOne, UpdateMany, UpdateOne
from pymongo.errors import BulkWriteError, OperationFailure, PyMongoError

from deploy.local.cluster import Cluster
from shared.messaging.ledger.leases import Lease, Leases
from shared.runtime import mongo
from shared.runtime.mongo import Database
from tests.simulation.loop import SimulatedLoop
from tests.simulation.mongo.client import SimulatedClient
from tests.simulation.mongo.server import ReplicaSet

Scenario = Callable[[Database], Awaitable[Any]]

LIFETIME_SECONDS: Final = 2.0
NOON: Final = datetime(2024, 3, 11, 12, tzinfo=UTC)
SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(ask: Scenario) -> Scenario:
    """Note a scenario; what it returns has to be the same on both."""
    SCENARIOS[ask.__name__] = ask
    return ask


async def told(work: Awaitable[Any]) -> Any:
    """What an operation answers: its result, or its error without words."""
    try:
        return await work
    except BulkWriteError as error:
        failed = [(e["index"], e["code"]) for e in error.details["writeErrors"]]
        return type(error).__name__, failed, error.details["nInserted"], _labels(error)
    except OperationFailure as error:
        return type(error).__name__, error.code, _labels(error)
    except PyMongoError as error:
        return type(error).__name__, _labels(error)


def _labels(error: PyMongoError) -> list[str]:
    known = ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")
    return [label for label in known if error.has_error_label(label)]


async def everything(database: Database, name: str = "c") -> list[Any]:
    """All documents of a collection, by their ids."""
    return [document async for document in database[name].find().sort([("_id", ASCENDING)])]


# -- transactions --


@scenario
async def two_transactions_write_one_document(database: Database) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "a", "n": 0})
    client = database.client
    async with await client.start_session() as one, await client.start_session() as other:
        one.start_transaction()
        other.start_transaction()
        first = await told(c.update_one({"_id": "a"}, {"$inc": {"n": 1}}, session=one))
        second = await told(c.update_one({"_id": "a"}, {"$inc": {"n": 5}}, session=other))
        after = await told(c.find_one({"_id": "a"}, session=other))
        await one.commit_transaction()
        await told(other.abort_transaction())
    return first.modified_count, second, after, await everything(database)


@scenario
async def what_a_session_has_open_is_ended_by_another(database: Database) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "a", "n": 0})
    client = database.client
    async with await client.start_session() as one:
        one.start_transaction()
        await c.update_one({"_id": "a"}, {"$inc": {"n": 1}}, session=one)
        ended: Any = one.session_id  # a method by Motor's types, yet it is none
        unknown = {"id": Binary.from_uuid(uuid.UUID(int=1))}
        await client.admin.command("killSessions", [{"id": ended["id"]}, unknown])
        free = await told(c.update_one({"_id": "a"}, {"$inc": {"n": 5}}))
        gone = await told(one.commit_transaction())
    return free.modified_count, gone, await everything(database)


@scenario
async def two_transactions_insert_one_id(database: Database) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "other"})
    client = database.client
    async with await client.start_session() as one, await client.start_session() as other:
        one.start_transaction()
        other.start_transaction()
        await c.insert_one({"_id": "a", "by": 1}, session=one)
        lost = await told(c.insert_one({"_id": "a", "by": 2}, session=other))
        await one.commit_transaction()
        await told(other.abort_transaction())
    return lost, await everything(database)


@scenario
async def a_transaction_inserts_what_came_after_its_moment(database: Database) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "x"})
    async with await database.client.start_session() as session:
        session.start_transaction(read_concern=mongo._SNAPSHOT)
        await c.find_one({"_id": "x"}, session=session)
        await c.insert_one({"_id": "a"})
        unseen = await c.find_one({"_id": "a"}, session=session)
        late = await told(c.insert_one({"_id": "a"}, session=session))
        gone = await told(c.insert_one({"_id": "b"}, session=session))
        end = await told(session.commit_transaction())
    return unseen, late, gone, end, await everything(database)


@scenario
async def a_key_that_is_there_ends_a_transaction(database: Database) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "a"})
    answers = []
    for insert in (
        lambda session: c.insert_one({"_id": "a"}, session=session),
        lambda session: c.insert_many([{"_id": "b"}, {"_id": "a"}, {"_id": "d"}], session=session),
        lambda session: c.bulk_write(
            [InsertOne({"_id": "a"}), UpdateOne({"_id": "a"}, {"$set": {"n": 1}})],
            ordered=False,
            session=session,
        ),
    ):
        async with await database.client.start_session() as session:
            session.start_transaction()
            answers.append(await told(insert(session)))
            answers.append(await told(c.find_one({"_id": "a"}, session=session)))
            await told(session.abort_transaction())
    return answers, await everything(database)


@scenario
async def a_bulk_in_a_transaction_meets_a_conflict(database: Database) -> Any:
    c = database["c"]
    await c.insert_many([{"_id": "a", "n": 0}, {"_id": "b", "n": 0}])
    client = database.client
    async with await client.start_session() as one, await client.start_session() as other:
        one.start_transaction()
        other.start_transaction()
        await c.update_one({"_id": "a"}, {"$inc": {"n": 1}}, session=one)
        updates: list[Any] = [UpdateOne({"_id": id_}, {"$inc": {"n": 5}}) for id_ in "ba"]
        met = await told(c.bulk_write(updates, ordered=False, session=other))
        await one.commit_transaction()
        await told(other.abort_transaction())
    return met, await everything(database)


@scenario
async def a_plain_write_waits_for_a_transaction(database: Database) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "a", "n": 1})
    async with await database.client.start_session() as session:
        session.start_transaction()
        await c.update_one({"_id": "a"}, {"$inc": {"n": 1}}, session=session)
        plain = asyncio.ensure_future(c.update_one({"_id": "a"}, {"$inc": {"n": 10}}))
        await asyncio.sleep(0.1)
        waited = not plain.done()
        await session.commit_transaction()
        result = await plain
    return waited, result.modified_count, await everything(database)


@scenario
async def a_commit_can_be_asked_for_again(database: Database) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "x"})
    async with await database.client.start_session() as session:
        async with session.start_transaction():
            await c.insert_one({"_id": "a"}, session=session)
            await session.commit_transaction()
            await session.commit_transaction()
        open_ = session.in_transaction
        nothing = await told(session.abort_transaction())
    return open_, nothing, await everything(database)


@scenario
async def a_block_that_raises_leaves_nothing(database: Database) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "x"})
    seen = []
    with suppress(LookupError):
        async with mongo.transaction(database.client) as session:
            await c.insert_one({"_id": "a"}, session=session)
            seen.append(await c.count_documents({}, session=session))
            raise LookupError
    return seen, await everything(database)


@scenario
async def a_transaction_that_ran_out(database: Database) -> Any:
    c = database["c"]
    await c.insert_one({"_id": "a", "n": 0})
    async with await database.client.start_session() as session:
        session.start_transaction()
        await c.update_one({"_id": "a"}, {"$inc": {"n": 1}}, session=session)
        async with asyncio.timeout(60):
            await c.update_one({"_id": "a"}, {"$inc": {"n": 10}})  # waits until it is over
        answers = [await told(c.find_one({"_id": "a"}, session=session))]
        answers.append(await told(session.commit_transaction()))
    return answers, await everything(database)


@scenario
async def reads_of_one_moment(database: Database) -> Any:
    c = database["c"]
    await c.insert_many([{"_id": "a", "n": 1}, {"_id": "b", "n": 1}])
    async with mongo.snapshot(database.client) as moment:
        first = [d["_id"] async for d in c.find({}, session=moment).sort("_id", ASCENDING)]
        await c.update_one({"_id": "b"}, {"$set": {"n": 2}})
        await c.insert_one({"_id": "d"})
        again = [d async for d in c.find({}, session=moment).sort("_id", ASCENDING)]
    return first, again, await everything(database)


# -- keys and indexes --


@scenario
async def a_history_has_each_version_once(database: Database) -> Any:
    c = database["c"]
    keys = [("events.aggregate_id", ASCENDING), ("events.version", ASCENDING)]
    await c.create_indexes([IndexModel(keys, name="history", unique=True)])

    def record(id_: str, *events: tuple[str, int]) -> dict[str, Any]:
        return {"_id": id_, "events": [{"aggregate_id": a, "version": v} for a, v in events]}

    answers = [
        await told(_inserted(c.insert_one(record("1", ("a", 1), ("a", 2), ("b", 1))))),
        await told(_inserted(c.insert_one(record("2", ("a", 3), ("b", 2))))),
        await told(_inserted(c.insert_one(record("3", ("d", 1), ("a", 2))))),
        await told(_inserted(c.insert_one(record("4", ("a", 4), ("a", 4))))),
        await told(_inserted(c.insert_one({"_id": "5"}))),
        await told(_inserted(c.insert_one({"_id": "6"}))),
    ]
    return answers, [d["_id"] for d in await everything(database)]


async def _inserted(work: Awaitable[Any]) -> Any:
    return (await work).inserted_id


@scenario
async def what_is_pending_in_the_order_of_its_index(database: Database) -> Any:
    c = database["c"]
    partial = {"pending": True}
    index = IndexModel([("pending", ASCENDING)], name="pending", partialFilterExpression=partial)
    await c.create_indexes([index])
    await c.insert_many([{"_id": id_, "pending": True, "n": n} for n, id_ in enumerate("dbac")])
    await c.update_one({"_id": "b"}, {"$unset": {"pending": ""}})
    await c.insert_one({"_id": "e", "n": 9})
    hinted = [d["_id"] async for d in c.find(partial, {"_id": 1}).hint("pending")]
    some = [d async for d in c.find({"_id": {"$in": ["c", "a", "z"]}}, {"n": 1})]
    grouped = {"_id": None, "n": {"$sum": {"$size": {"$ifNull": ["$left", ["$n", "$n"]]}}}}
    found = c.aggregate([{"$match": partial}, {"$group": grouped}], hint="pending")
    return hinted, some, [row async for row in found]


@scenario
async def an_index_that_is_not_there_cannot_be_dropped(database: Database) -> Any:
    await database["c"].insert_one({"_id": "a"})
    return await told(database["c"].drop_index("order"))


# -- what is found --


@scenario
async def filters(database: Database) -> Any:
    c = database["c"]
    await c.insert_many(
        [
            {"_id": "a", "at": NOON, "n": 1, "tags": ["x", "y"], "in": {"k": 1}},
            {"_id": "b", "at": NOON + timedelta(hours=1), "n": 2, "tags": [], "in": {"k": 2}},
            {"_id": "c", "at": None, "n": "2", "tags": ["y"]},
            {"_id": "d", "n": 3.5, "flag": True},
        ]
    )
    wanted: Sequence[dict[str, Any]] = [
        {"at": {"$lte": NOON, "$type": "date"}},
        {"at": {"$lte": NOON + timedelta(days=1)}},
        {"at": None},
        {"at": {"$exists": False}},
        {"n": {"$gt": 1}},
        {"n": {"$in": [1, "2"]}},
        {"n": {"$ne": 1}},
        {"n": {"$nin": [1, 2]}},
        {"tags": "y"},
        {"tags": {"$size": 0}},
        {"in.k": {"$gte": 2}},
        {"flag": 1},
        {"flag": True},
        {"$or": [{"_id": {"$gte": "c", "$lt": "d"}}, {"n": 1}]},
        {"$and": [{"n": {"$gte": 1}}, {"n": {"$lt": 3}}]},
        {"$expr": {"$gte": ["$n", 2]}},
    ]
    return [
        [d["_id"] async for d in c.find(one, {"_id": 1}).sort("_id", ASCENDING)] for one in wanted
    ]


@scenario
async def orders_and_projections(database: Database) -> Any:
    c = database["c"]
    await c.insert_many([{"_id": n, "a": n % 2, "b": {"x": n, "y": [n]}} for n in range(5)])
    order = [("a", ASCENDING), ("_id", -1)]
    return [
        [d["_id"] async for d in c.find().sort(order)],
        [d async for d in c.find({}, {"b.x": 1}).sort("_id", ASCENDING).limit(2)],
        [d async for d in c.find({}, {"_id": 0, "a": 1}).sort("_id", ASCENDING).skip(3)],
        [d async for d in c.find({}, {"b": 0}).sort("_id", -1).limit(1)],
        await c.count_documents({"a": 1}),
        await c.find_one({"a": 7}),
    ]


# -- what is changed --


@scenario
async def updates(database: Database) -> Any:
    c = database["c"]
    answers: list[Any] = []

    async def update(wanted: Any, change: Any, **options: Any) -> None:
        result = await c.update_one(wanted, change, **options)
        answers.append((result.matched_count, result.modified_count, result.upserted_id))

    await update({"_id": "a"}, {"$set": {"n": 1}})
    await update({"_id": "a"}, {"$max": {"n": 4}, "$setOnInsert": {"new": True}}, upsert=True)
    await update({"_id": "a"}, {"$max": {"n": 3}, "$setOnInsert": {"new": False}}, upsert=True)
    await update({"_id": "a", "n": 4}, {"$inc": {"n": 2, "m.k": 1}})
    await update({"_id": "a"}, {"$unset": {"new": "", "none": ""}})
    await update({"_id": "a"}, [{"$set": {"n": {"$add": ["$n", 1]}, "o": {"$cond": [True, 1, 2]}}}])
    many = await c.update_many({}, {"$set": {"all": True}})
    answers.append((many.matched_count, many.modified_count))
    replaced = await c.replace_one({"_id": "b"}, {"n": 1}, upsert=True)
    answers.append((replaced.matched_count, replaced.modified_count, replaced.upserted_id))
    return answers, await everything(database)


@scenario
async def bulks(database: Database) -> Any:
    c = database["c"]
    await c.insert_many([{"_id": "a", "n": 1}, {"_id": "b", "n": 1}])
    requests: list[Any] = [
        InsertOne({"_id": "d", "n": 1}),
        UpdateOne({"_id": "a", "n": 1}, {"$set": {"n": 2}}),
        UpdateOne({"_id": "a", "n": 1}, {"$set": {"n": 3}}),
        UpdateOne({"_id": "e"}, {"$max": {"n": 7}}, upsert=True),
        UpdateMany({}, {"$inc": {"m": 1}}),
        ReplaceOne({"_id": "b"}, {"n": 9}),
        DeleteOne({"_id": "d"}),
    ]
    result = await c.bulk_write(requests)
    failing: list[Any] = [InsertOne({"_id": id_}) for id_ in ("x", "a", "y", "b", "z")]
    return (
        (result.matched_count, result.modified_count, result.upserted_ids, result.deleted_count),
        await told(c.bulk_write(failing)),
        await told(c.bulk_write(failing[2:], ordered=False)),
        await everything(database),
    )


@scenario
async def what_a_bson_document_keeps(database: Database) -> Any:
    c = database["c"]
    odd = NOON + timedelta(microseconds=123_456)
    await c.insert_one({"_id": "a", "at": odd, "t": (1, 2), "b": b"\x00\xff", "n": None})
    return await everything(database)


# -- leases --


@scenario
async def a_lease_is_one_processs_at_a_time(database: Database) -> Any:
    one, other = (Lease(database, "relay", holder, 0.4) for holder in ("one", "other"))
    answers: list[Any] = [await one.acquire(), await other.acquire(), one.fence.number]
    await asyncio.sleep(0.6)
    answers += [await other.acquire(), await one.acquire(), other.fence.number]
    async with mongo.transaction(database.client) as session:
        await Leases(database).touch(other.fence, session)
    await other.release()
    answers += [await one.acquire(), one.fence.number]
    entry = await database["leases"].find_one({"_id": "relay"}, {"_id": 1, "number": 1})
    return answers, entry


# -- both --


def simulated(ask: Scenario) -> Any:
    """What the one in memory answers."""
    rng = random.Random(1)
    loop = SimulatedLoop(rng)  # type: ignore[abstract]  # it has what asyncio asks for
    server = ReplicaSet(loop, rng)
    server.lifetime = LIFETIME_SECONDS
    client = SimulatedClient(server, rng)
    database = mongo.database(cast(mongo.Client, client), "d")

    async def run() -> Any:
        return await ask(database)

    try:
        return loop.run(run(), 600.0, 100_000)
    finally:
        loop.close()


@pytest.fixture
async def short_transactions(cluster: Cluster) -> AsyncIterator[None]:
    """Transactions run out after two seconds, as long as a test lasts."""
    client = mongo.connect(cluster.mongodb_uri, app="tests")
    name = "transactionLifetimeLimitSeconds"
    before = (await client.admin.command({"getParameter": 1, name: 1}))[name]
    await client.admin.command({"setParameter": 1, name: int(LIFETIME_SECONDS)})
    yield
    await client.admin.command({"setParameter": 1, name: before})
    client.close()


@pytest.fixture
async def database(cluster: Cluster, namespace: str) -> AsyncIterator[Database]:
    client = mongo.connect(cluster.mongodb_uri, app="tests")
    name = f"{namespace}{uuid.uuid4().hex[:8]}"
    yield mongo.database(client, name)
    await client.drop_database(name)
    client.close()


@pytest.mark.usefixtures("short_transactions")
@pytest.mark.parametrize("name", SCENARIOS)
async def test_both_answer_the_same(name: str, database: Database) -> None:
    ask = SCENARIOS[name]
    in_memory = await asyncio.get_running_loop().run_in_executor(None, simulated, ask)
    assert in_memory == await ask(database)
