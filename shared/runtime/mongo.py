"""MongoDB: how to connect to it, and what a transaction is. The one module that imports Motor.

Everybody else takes the names declared here; a change of driver is a change of this file.
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
_COMMIT_SECONDS = 30.0  # longer than an election takes
_COMMIT_PAUSE_SECONDS = 0.1
_INDEX_CONFLICTS = frozenset({85, 86})  # IndexOptionsConflict, IndexKeySpecsConflict


class IndexConflict(Exception):
    """An index of that name or key exists with other options; the message shows both."""


class NoReplicaSet(Exception):
    """What answers is no replica set: no transactions, and nothing is kept twice.

    The message is one line and says what to do.
    """


class _Lost(ServerHeartbeatListener):
    """Calls somebody when a server stops answering; from the driver's own thread."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost

    def started(self, event: ServerHeartbeatStartedEvent) -> None:
        pass

    def succeeded(self, event: ServerHeartbeatSucceededEvent) -> None:
        pass

    def failed(self, event: ServerHeartbeatFailedEvent) -> None:
        self._lost()


class Link(TopologyListener):
    """Whether a primary is there, as the driver has heard last; asking costs nothing."""

    def __init__(self) -> None:
        self._away_since: float | None = None  # monotonic

    def away_seconds(self) -> float:
        """How long there has been no primary; 0 where there is one."""
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
    """Build a client. Nothing is connected before its first operation.

    `lost` is called, in the driver's thread, when a server that answered stops doing so; `link`
    hears of the primary.

    An operation that finds no primary fails after `wait_ms` milliseconds; whoever asked decides
    whether to wait on.
    """
    return AsyncIOMotorClient(
        uri,
        appname=app,
        serverSelectionTimeoutMS=wait_ms,
        connectTimeoutMS=wait_ms,
        retryWrites=True,
        event_listeners=[_Lost(lost), *([] if link is None else [link])],
        tz_aware=True,
        tzinfo=UTC,
    )


def database(client: Client, name: str) -> Database:
    """One service's own data, with writes that a crash cannot take back."""
    return client.get_database(name, write_concern=_DURABLE, read_concern=_MAJORITY)


async def require_replica_set(client: Client) -> None:
    """Refuse a MongoDB without transactions, before anything is promised on it.

    A set of one member is one, and so is a sharded cluster behind mongos. Raises NoReplicaSet, and
    the driver's errors where nobody answers: waiting helps against these alone.
    """
    try:
        hello: Mapping[str, Any] = await client.admin.command("hello")
    except ServerSelectionTimeoutError:
        # The driver strikes out for good what answers and is no member of the set that it is told.
        topology: Any = client.topology_description  # a method by Motor's types, yet it is none
        if topology.server_descriptions():
            raise
        raise NoReplicaSet(
            "none of these addresses is a member of the replica set that replicaSet= names, or of "
            "any: compare with rs.conf(). A mongod of its own has to be started with --replSet "
            "and initiated"
        ) from None
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise NoReplicaSet(
            "a single mongod answers, which has no transactions and keeps nothing twice: start it "
            "with --replSet and initiate the set; three members survive the loss of one"
        )


@asynccontextmanager
async def transaction(client: Client) -> AsyncIterator[ClientSession]:
    """One transaction: commits on leaving, aborts where the block raises.

    Reads in it see one moment, and that is the newest that the primary has: they trail nothing.

    Where the primary changes while the commit is answered, it is asked again until it is known
    what became of it, up to half a minute: it is the same transaction, so nothing happens twice.
    What is raised after that with the label UnknownTransactionCommitResult may have happened;
    whoever runs the block again has to find out by what it reads. All other errors mean that
    nothing was written. Raises the driver's errors as they are; `shared.messaging.core.errors`
    classifies them.
    """
    await _end_what_was_left_open(client)
    async with await client.start_session() as session:
        try:
            async with session.start_transaction(read_concern=_SNAPSHOT, write_concern=_DURABLE):
                yield session
                await _commit(session)
        except (ConnectionFailure, asyncio.CancelledError):
            told: Any = session.session_id  # a method by Motor's types, yet it is none
            _left_open.setdefault(client, []).append(told)
            raise


_left_open: Final[WeakKeyDictionary[Client, list[Document]]] = WeakKeyDictionary()
"""Sessions with a transaction of whose end the server may not have heard."""


async def _end_what_was_left_open(client: Client) -> None:
    """End transactions that were given up while nobody answered.

    The driver tells the server once, and what it had locked would stay so for a minute by MongoDB's
    own setting, in everybody's way. Raises the driver's errors but for a refusal: who may not end
    his own sessions waits as long as the server wants.
    """
    sessions = _left_open.get(client, [])
    if not sessions:
        return
    ended = list(sessions)
    with suppress(OperationFailure):
        await client.admin.command("killSessions", ended)
    sessions[:] = [session for session in sessions if session not in ended]


async def _commit(session: ClientSession) -> None:
    """Commit, again and again while the answer is not known. The driver itself asks twice."""
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
    """A session whose reads see all that was acknowledged, to whomever, before it began.

    Reads of what a majority holds may trail that on a fresh primary, which holds what its
    predecessor acknowledged but does not know yet that others do. Here they wait for it. A round
    trip more than a read without a session; the reads have to be told `session=`.

    Raises the driver's errors as they are.
    """
    async with await client.start_session(causal_consistency=True) as session:
        await client.admin.command("ping", session=session)  # brings how far the primary is
        yield session


@asynccontextmanager
async def snapshot(client: Client) -> AsyncIterator[ClientSession]:
    """Reads that all see one moment; nothing to commit, so a round trip less than a transaction.

    The moment is one that a majority holds. It may trail what was acknowledged, see `causal`.
    Raises the driver's errors as they are.
    """
    async with await client.start_session(snapshot=True) as session:
        yield session


async def ensure_indexes(collection: Collection, indexes: Sequence[IndexModel]) -> None:
    """Create what is missing. Safe to repeat and to run in several processes at once.

    Raises IndexConflict where the same index exists with other options.
    """
    try:
        await collection.create_indexes(list(indexes))
    except OperationFailure as error:
        if error.code in _INDEX_CONFLICTS:
            raise IndexConflict(f"{collection.full_name}: {error.details}") from error
        raise


def due(field: str, by: datetime) -> Document:
    """The filter for what is due by an instant, by an index over those that have a date there.

    The type is said although the instant implies it: without it MongoDB reads the whole partial
    index, everything that is not due yet included.
    """
    return {field: {"$lte": by, "$type": "date"}}


async def ping(client: Client) -> None:
    """Ask the primary whether it is there. Raises the driver's error where it is not."""
    await client.admin.command("ping")


async def server_time(client: Client) -> datetime:
    """MongoDB's own clock (aware, UTC)."""
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
