"""MongoDB: connections, transactions and other sessions. The only module that imports Motor.

Other modules use the names declared here, so a change of driver changes only this file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from bson.codec_options import CodecOptions
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorClientSession,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import IndexModel
from pymongo.errors import (
    ConnectionFailure,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
)
from pymongo.monitoring import (
    ServerHeartbeatFailedEvent,
    ServerHeartbeatListener,
    ServerHeartbeatStartedEvent,
    ServerHeartbeatSucceededEvent,
    TopologyClosedEvent,
    TopologyDescriptionChangedEvent,
    TopologyListener,
    TopologyOpenedEvent,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

Document: TypeAlias = dict[str, Any]
Client: TypeAlias = AsyncIOMotorClient[Document]
Database: TypeAlias = AsyncIOMotorDatabase[Document]
Collection: TypeAlias = AsyncIOMotorCollection[Document]
ClientSession: TypeAlias = AsyncIOMotorClientSession

_DURABLE = WriteConcern("majority", j=True)
_MAJORITY = ReadConcern("majority")
_SNAPSHOT = ReadConcern("snapshot")
_UNKNOWN = "UnknownTransactionCommitResult"
_COMMIT_SECONDS = 30.0  # longer than an election of a primary takes
_COMMIT_PAUSE_SECONDS = 0.1
_INDEX_CONFLICTS = frozenset({85, 86})  # IndexOptionsConflict, IndexKeySpecsConflict


class IndexConflict(Exception):
    """An index of that name or key exists with other options; the message shows both."""


class NoReplicaSet(Exception):
    """The server is not in a replica set: it has no transactions, and no second copy.

    The message is one line and says what to do.
    """


class _LostServers(ServerHeartbeatListener):
    """Calls a function when a server stops answering; in the driver's own thread."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost

    def started(self, event: ServerHeartbeatStartedEvent) -> None:
        pass

    def succeeded(self, event: ServerHeartbeatSucceededEvent) -> None:
        pass

    def failed(self, event: ServerHeartbeatFailedEvent) -> None:
        self._lost()


class Link(TopologyListener):
    """Whether there is a primary, as far as the driver knows; asking it is free."""

    def __init__(self) -> None:
        self._away_since: float | None = None  # monotonic

    def away_seconds(self) -> float:
        """Seconds without a primary; 0 if there is one."""
        since = self._away_since
        return 0.0 if since is None else time.monotonic() - since

    def opened(self, event: TopologyOpenedEvent) -> None:
        pass

    def description_changed(self, event: TopologyDescriptionChangedEvent) -> None:
        if event.new_description.has_writable_server():
            self._away_since = None
        elif self._away_since is None:
            self._away_since = time.monotonic()

    def closed(self, event: TopologyClosedEvent) -> None:
        pass


def connect(
    uri: str,
    *,
    app: str,
    wait_ms: int = 2_000,
    lost: Callable[[], None] = lambda: None,
    link: Link | None = None,
) -> Client:
    """Build a client, which connects with its first operation.

    `lost` is called, in the driver's thread, when a server stops answering; `link` then knows
    whether there is a primary. An operation that finds no primary fails after `wait_ms`
    milliseconds; the caller decides whether to wait longer.
    """
    return AsyncIOMotorClient(
        uri,
        appname=app,
        serverSelectionTimeoutMS=wait_ms,
        connectTimeoutMS=wait_ms,
        retryWrites=True,
        event_listeners=[_LostServers(lost), *([] if link is None else [link])],
        tz_aware=True,
        tzinfo=UTC,
    )


def database(client: Client, name: str) -> Database:
    """A service's own database, with writes that survive a crash."""
    return client.get_database(name, write_concern=_DURABLE, read_concern=_MAJORITY)


async def require_replica_set(client: Client) -> None:
    """Refuse a MongoDB without transactions.

    A replica set of one member is accepted, and so is a sharded cluster behind mongos. Raises
    NoReplicaSet, and the driver's errors if no server answers: only for these does waiting help.
    """
    try:
        hello: Mapping[str, Any] = await client.admin.command("hello")
    except ServerSelectionTimeoutError:
        # The driver drops for good servers that answer but are not members of the named set.
        topology: Any = client.topology_description  # not a method, whatever Motor's types say
        if topology.server_descriptions():
            raise
        raise NoReplicaSet(
            "none of these addresses is a member of the replica set that replicaSet= names, or of "
            "any: compare with rs.conf(). A single mongod has to be started with --replSet "
            "and initiated"
        ) from None
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise NoReplicaSet(
            "this is a single mongod, which has no transactions and no second copy: start it "
            "with --replSet and initiate the set; three members survive the loss of one"
        )


@asynccontextmanager
async def transaction(client: Client) -> AsyncIterator[ClientSession]:
    """One transaction: it commits when the block ends, and aborts if the block raises.

    Reads in it see one snapshot, the newest that the primary has: they miss no acknowledged write.

    If the primary changes during the commit, the commit is repeated until its result is known, for
    up to 30 seconds. It is the same transaction, so nothing happens twice. An error raised after
    that with the label UnknownTransactionCommitResult leaves open whether it was committed; a
    caller that runs the block again has to find out by reading. All other errors mean that nothing
    was written. Raises the driver's errors unchanged; `shared.messaging.core.errors` classifies
    them.
    """
    await _end_left_open(client)
    async with await client.start_session() as session:
        try:
            async with session.start_transaction(read_concern=_SNAPSHOT, write_concern=_DURABLE):
                yield session
                await _commit(session)
        except (ConnectionFailure, asyncio.CancelledError):
            session_id: Any = session.session_id  # not a method, whatever Motor's types say
            _left_open.setdefault(client, []).append(session_id)
            raise


_left_open: Final[WeakKeyDictionary[Client, list[Document]]] = WeakKeyDictionary()
"""Sessions with a transaction that the server may still hold open."""


async def _end_left_open(client: Client) -> None:
    """End transactions that were abandoned while the server did not answer.

    The driver sends the abort once. If it is lost, the transaction's locks block others for a
    minute, by MongoDB's own setting. Raises the driver's errors except a refusal: a user without
    the right to end its own sessions waits for that minute.
    """
    sessions = _left_open.get(client, [])
    if not sessions:
        return
    ended = list(sessions)
    with suppress(OperationFailure):
        await client.admin.command("killSessions", ended)
    sessions[:] = [session for session in sessions if session not in ended]


async def _commit(session: ClientSession) -> None:
    """Commit, and repeat while the result is unknown. The driver itself tries only twice."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _COMMIT_SECONDS
    while True:
        try:
            await session.commit_transaction()
            return
        except PyMongoError as error:
            if not error.has_error_label(_UNKNOWN) or loop.time() >= until:
                raise
        await asyncio.sleep(_COMMIT_PAUSE_SECONDS)


@asynccontextmanager
async def causal(client: Client) -> AsyncIterator[ClientSession]:
    """A session whose reads see everything that was acknowledged, to any client, before it began.

    On a new primary, majority reads may miss such writes: it has what its predecessor acknowledged,
    but does not know yet that a majority has it too. These reads wait for that. It costs one round
    trip more than a read without a session; pass the session to each read as `session=`.

    Raises the driver's errors unchanged.
    """
    async with await client.start_session(causal_consistency=True) as session:
        await client.admin.command("ping", session=session)  # the answer has the primary's time
        yield session


@asynccontextmanager
async def snapshot(client: Client) -> AsyncIterator[ClientSession]:
    """A session whose reads see one snapshot. It needs no commit, one round trip less than a
    transaction.

    A majority has the snapshot. It may miss acknowledged writes, see `causal`. Raises the driver's
    errors unchanged.
    """
    async with await client.start_session(snapshot=True) as session:
        yield session


async def ensure_indexes(collection: Collection, indexes: Sequence[IndexModel]) -> None:
    """Create missing indexes. Safe to repeat and to run in several processes at once.

    Raises IndexConflict if the same index exists with other options.
    """
    try:
        await collection.create_indexes(list(indexes))
    except OperationFailure as error:
        if error.code in _INDEX_CONFLICTS:
            raise IndexConflict(f"{collection.full_name}: {error.details}") from error
        raise


def due(field: str, by: datetime) -> Document:
    """The filter for documents due by an instant, for a partial index on dates in that field.

    The type is named although the instant implies it: without it MongoDB reads the whole partial
    index, including everything that is not due yet.
    """
    return {field: {"$lte": by, "$type": "date"}}


async def ping(client: Client) -> None:
    """Check that the primary answers. Raises the driver's error if it does not."""
    await client.admin.command("ping")


async def server_time(client: Client) -> datetime:
    """The time by MongoDB's clock (aware, UTC)."""
    hello: Mapping[str, Any] = await client.admin.command(
        "hello", codec_options=CodecOptions(tz_aware=True, tzinfo=UTC)
    )
    instant: datetime = hello["localTime"]
    return instant


__all__ = [
    "Client",
    "ClientSession",
    "Collection",
    "Database",
    "Document",
    "IndexConflict",
    "Link",
    "NoReplicaSet",
    "causal",
    "connect",
    "database",
    "due",
    "ensure_indexes",
    "ping",
    "require_replica_set",
    "server_time",
    "snapshot",
    "transaction",
]
