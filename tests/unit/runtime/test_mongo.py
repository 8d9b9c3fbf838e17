"""Refused servers, and the guarantees of a transaction and a causal session, on a real MongoDB."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pymongo import MongoClient
from pymongo.errors import (
    ConnectionFailure,
    DuplicateKeyError,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.write_concern import WriteConcern

from deploy.local.cluster import Cluster
from deploy.local.layout import HOST
from deploy.local.mongod import find_mongod
from deploy.local.ports import reserve_ports
from deploy.local.processes import Command, Starter
from shared.runtime import mongo
from shared.runtime.mongo import Client, ClientSession, Database, Document

SET = "own"
PATIENCE_SECONDS = 30.0
WAIT_MS = 500  # for a primary that never appears
UNKNOWN = "UnknownTransactionCommitResult"

Admin = MongoClient[dict[str, Any]]


@contextmanager
def own_mongod(folder: Path, *arguments: str) -> Iterator[Admin]:
    """A mongod for this module, and a client of that one process."""
    reservation = reserve_ports()
    port = reservation.ports.mongod
    folder.mkdir()
    command = (
        *(str(find_mongod()), "--dbpath", str(folder), "--port", str(port), "--bind_ip", HOST),
        *("--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--quiet", *arguments),
    )
    with Starter() as starter:
        process = starter.start(
            Command(command, folder, os.environ), folder / "log", folder / "pid"
        )
        admin: Admin = MongoClient(HOST, port, directConnection=True)
        try:
            admin.admin.command("ping")  # waits for it, up to 30 seconds
            yield admin
        finally:
            admin.close()
            process.kill()
            reservation.close()


@pytest.fixture(scope="module")
def alone(test_folder: Path) -> Iterator[str]:
    """The address of a mongod outside any replica set."""
    with own_mongod(test_folder / "alone") as admin:
        yield _address(admin)


@pytest.fixture(scope="module")
def member(test_folder: Path) -> Iterator[Admin]:
    """The only member of a set, which a test can make fail."""
    failing = ("--setParameter", "enableTestCommands=1")
    with own_mongod(test_folder / "member", "--replSet", SET, *failing) as admin:
        members = [{"_id": 0, "host": _address(admin)}]
        admin.admin.command("replSetInitiate", {"_id": SET, "members": members})
        until = time.monotonic() + PATIENCE_SECONDS
        while not admin.admin.command("hello")["isWritablePrimary"]:
            assert time.monotonic() < until, "it does not become primary"
        yield admin


@pytest.fixture
async def client(member: Admin) -> AsyncIterator[Client]:
    async with connected(f"mongodb://{_address(member)}/?replicaSet={SET}") as client:
        yield client


@pytest.fixture
async def database(client: Client) -> Database:
    """A database for this test, with its collection."""
    found = mongo.database(client, f"t{uuid.uuid4().hex}")
    await found.create_collection("acts")
    return found


@asynccontextmanager
async def connected(uri: str) -> AsyncIterator[Client]:
    client = mongo.connect(uri, app="tests", wait_ms=WAIT_MS)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def failing(admin: Admin, point: str, mode: object, **data: object) -> Iterator[None]:
    """Let the server fail at a point of its code."""
    admin.admin.command({"configureFailPoint": point, "mode": mode, "data": data})
    try:
        yield
    finally:
        admin.admin.command({"configureFailPoint": point, "mode": "off"})


async def write(
    database: Database,
    *acts: Document,
    then: Callable[[ClientSession], None] = lambda session: None,
) -> None:
    async with mongo.transaction(database.client) as session:
        for act in acts:
            await database.acts.insert_one(act, session=session)
        then(session)


class Enough(Exception):
    """Leaves a transaction without waiting for its commit."""


async def count_in_a_transaction(database: Database) -> int:
    found = -1
    with suppress(Enough):
        async with mongo.transaction(database.client) as session:
            found = await database.acts.count_documents({}, session=session)
            raise Enough
    return found


def _address(admin: Admin) -> str:
    address = admin.address
    assert address is not None
    return f"{address[0]}:{address[1]}"


async def test_a_replica_set_of_one_member_is_accepted(cluster: Cluster) -> None:
    async with connected(cluster.mongodb_uri) as client:
        await mongo.require_replica_set(client)


@pytest.mark.parametrize("options", ["", "/?replicaSet=peygir"])
async def test_a_single_mongod_is_refused_in_one_line(alone: str, options: str) -> None:
    async with connected(f"mongodb://{alone}{options}") as client:
        with pytest.raises(mongo.NoReplicaSet, match="--replSet") as refusal:
            await mongo.require_replica_set(client)
    assert "\n" not in str(refusal.value)


async def test_two_single_mongods_are_refused_too(alone: str) -> None:
    async with connected(f"mongodb://{alone},{alone.replace(HOST, 'localhost')}") as client:
        with pytest.raises(mongo.NoReplicaSet):
            await mongo.require_replica_set(client)


async def test_another_replica_set_than_the_one_named_is_refused(member: Admin) -> None:
    async with connected(f"mongodb://{_address(member)}/?replicaSet=another") as client:
        with pytest.raises(mongo.NoReplicaSet, match="replicaSet="):
            await mongo.require_replica_set(client)


async def test_the_driver_finds_the_set_without_its_name(member: Admin) -> None:
    async with connected(f"mongodb://{_address(member)}") as client:
        await mongo.require_replica_set(client)


async def test_an_unreachable_server_is_not_refused() -> None:
    reservation = reserve_ports()
    async with connected(f"mongodb://{HOST}:{reservation.ports.mongod}/?replicaSet=x") as client:
        with pytest.raises(ServerSelectionTimeoutError):
            await mongo.require_replica_set(client)
    reservation.close()


async def test_mongos_is_accepted() -> None:
    """None runs here; this is its reply to `hello`."""

    async def command(name: str) -> Mapping[str, object]:
        assert name == "hello"
        return {"isWritablePrimary": True, "msg": "isdbgrid", "ok": 1.0}

    mongos = SimpleNamespace(admin=SimpleNamespace(command=command))
    await mongo.require_replica_set(cast(Client, mongos))


async def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    with pytest.raises(DuplicateKeyError):
        await write(database, {"_id": 1}, {"_id": 1})
    assert await database.acts.count_documents({}) == 0


@pytest.mark.parametrize(
    ("failure", "happened"),
    [
        ({"closeConnection": True}, "the commit never reached the server"),
        (
            {"writeConcernError": {"code": 64, "errmsg": "late", "errInfo": {"wtimeout": True}}},
            "it did, and the answer does not say so",
        ),
    ],
)
async def test_a_commit_is_repeated_until_its_result_is_known(
    database: Database, member: Admin, failure: Mapping[str, object], happened: str
) -> None:
    """Five times is more than the driver tries by itself."""
    commits = ["commitTransaction"]
    with failing(member, "failCommand", {"times": 5}, failCommands=commits, **failure):
        await write(database, {"k": 1})
    assert await database.acts.count_documents({"k": 1}) == 1, happened


async def test_a_result_that_stays_unknown_is_raised(
    database: Database, member: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo, "_COMMIT_SECONDS", 0.5)
    wtimeout = {"code": 64, "errmsg": "late", "errInfo": {"wtimeout": True}}
    commits = {"failCommands": ["commitTransaction"], "writeConcernError": wtimeout}
    with (
        failing(member, "failCommand", "alwaysOn", **commits),
        pytest.raises(PyMongoError) as error,
    ):
        await write(database, {"k": 1})
    assert error.value.has_error_label(UNKNOWN)
    assert not error.value.has_error_label("TransientTransactionError")


async def test_a_lost_transaction_is_raised_at_once(database: Database, member: Admin) -> None:
    """A new primary replies so if its predecessor did not replicate the transaction."""

    def kill(session: ClientSession) -> None:
        ended: Any = session.session_id  # not a method, whatever Motor's types say
        member.admin.command({"killSessions": [{"id": ended["id"]}]})

    began = time.monotonic()
    with pytest.raises(PyMongoError) as error:
        await write(database, {"k": 1}, then=kill)
    assert error.value.has_error_label("TransientTransactionError")
    assert time.monotonic() - began < mongo._COMMIT_SECONDS / 2
    assert await database.acts.count_documents({}) == 0


@pytest.mark.parametrize("lost", ["insert", "commitTransaction"])
async def test_the_locks_of_an_abandoned_transaction_are_freed_for_the_next(
    database: Database, member: Admin, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Otherwise a transaction whose abort was lost keeps its locks for a minute."""
    monkeypatch.setattr(mongo, "_COMMIT_SECONDS", 0.2)
    await database.acts.insert_one({"_id": 1})
    client = mongo.connect(f"mongodb://{_address(member)}/?replicaSet={SET}", app="tests")

    async def sign(by: int) -> None:
        acts = client[database.name].acts
        async with mongo.transaction(client) as session:
            await acts.update_one({"_id": 1}, {"$set": {"by": by}}, session=session)
            await acts.insert_one({}, session=session)

    unheard = {"failCommands": [lost, "abortTransaction"], "closeConnection": True}
    with failing(member, "failCommand", "alwaysOn", **unheard), pytest.raises(ConnectionFailure):
        await sign(1)
    await sign(2)
    assert await database.acts.find_one({"_id": 1}) == {"_id": 1, "by": 2}
    client.close()


async def test_a_causal_session_waits_for_what_the_primary_acknowledged(
    database: Database, member: Admin
) -> None:
    """A primary whose majority lags, as a new one's does: plain reads miss its newest writes."""
    single = member[database.name].get_collection("acts", write_concern=WriteConcern(1))

    async def count() -> int:
        async with mongo.causal(database.client) as session:
            return int(await database.acts.count_documents({}, session=session))

    with failing(member, "disableSnapshotting", "alwaysOn"):
        single.insert_one({"_id": 1})
        counting = asyncio.create_task(count())
        assert await database.acts.count_documents({}) == 0
        assert await count_in_a_transaction(database) == 1
        done, _ = await asyncio.wait([counting], timeout=0.3)
        assert not done, "it has to wait for the majority"
    single.insert_one({"_id": 2})  # makes the server check the majority again
    assert await asyncio.wait_for(counting, PATIENCE_SECONDS) >= 1
