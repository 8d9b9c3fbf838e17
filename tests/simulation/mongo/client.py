"""Clients and databases, as Motor shows them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any

from bson import ObjectId
from pymongo.errors import ConnectionFailure, InvalidOperation, ServerSelectionTimeoutError

from tests.simulation.mongo import errors
from tests.simulation.mongo.collections import SimulatedCollection
from tests.simulation.mongo.operations import Work
from tests.simulation.mongo.requests import Done, Request
from tests.simulation.mongo.server import ReplicaSet
from tests.simulation.mongo.sessions import SimulatedSession


class SimulatedClient:
    """One process's connections to the replica set."""

    def __init__(self, server: ReplicaSet, rng: random.Random, *, wait_ms: int = 2_000) -> None:
        self.server = server
        self.rng = rng
        self.wait = wait_ms / 1000
        self.cut = False  # the network between this client and all servers
        self.admin = _Admin(self)
        self._machine = rng.randbytes(5)
        self._count = 0

    def get_database(
        self, name: str, write_concern: Any = None, read_concern: Any = None, **_: Any
    ) -> SimulatedDatabase:
        """A database; what is read of it is what a majority holds, where that is asked for."""
        level = getattr(read_concern, "level", None)
        return SimulatedDatabase(self, name, level)

    def __getitem__(self, name: str) -> SimulatedDatabase:
        return SimulatedDatabase(self, name, None)

    async def start_session(
        self,
        causal_consistency: bool | None = None,
        default_transaction_options: Any = None,
        snapshot: bool | None = False,
    ) -> SimulatedSession:
        """A session; nothing is sent yet."""
        if snapshot and causal_consistency:
            raise InvalidOperation("snapshot reads and causal consistency exclude each other")
        causal = not snapshot if causal_consistency is None else causal_consistency
        return SimulatedSession(self, causal=causal, snapshot=bool(snapshot))

    def close(self) -> None:
        """Close the connections."""

    def new_id(self) -> ObjectId:
        """The next id of this process."""
        self._count += 1
        seconds = int(self.server.now().timestamp())
        return ObjectId(seconds.to_bytes(4, "big") + self._machine + self._count.to_bytes(3, "big"))

    # -- one message to the primary and its answer ---------------------------------------------

    async def ask(
        self,
        work: Done,
        *,
        session: SimulatedSession | None,
        level: str | None = None,
        writes: bool = False,
        again: bool = True,
        max_time_ms: int | None = None,
    ) -> Any:
        """Do something on the primary. Outside a transaction it is tried twice, and done once."""
        transaction = session.open_transaction if session is not None else None
        if transaction is not None:
            try:
                return await self._ask(Request(self, work, session, level, writes))
            except (ConnectionFailure, ServerSelectionTimeoutError) as error:
                raise errors.labelled(error, errors.TRANSIENT) from None
        until = 0.0 if max_time_ms is None else self.server.loop.time() + max_time_ms / 1000
        request = Request(self, work, session, level, writes, until)
        try:
            return await self._ask(request)
        except ServerSelectionTimeoutError:
            raise
        except ConnectionFailure as error:
            if not again:
                raise
            try:
                return await self._ask(request.again())
            except ConnectionFailure as second:
                if writes:
                    raise errors.labelled(second, errors.RETRYABLE) from error
                raise

    async def _ask(self, request: Request) -> Any:
        await self.select()
        request.send()
        return await request.answer

    async def select(self) -> None:
        """Wait until there is a primary to ask. Raises ServerSelectionTimeoutError."""
        server = self.server
        if server.primary and not self.cut:
            return
        until = server.loop.time() + self.wait
        while not server.primary or self.cut:
            left = until - server.loop.time()
            if left <= 0:
                told = f"No replica set members match selector, Timeout: {self.wait}s"
                raise ServerSelectionTimeoutError(told)
            if self.cut:
                await asyncio.sleep(min(left, 0.2))
            else:
                await asyncio.wait((server.elected(),), timeout=left)


class _Admin:
    def __init__(self, client: SimulatedClient) -> None:
        self._client = client

    async def command(
        self,
        name: str,
        value: Sequence[Mapping[str, Any]] = (),
        session: SimulatedSession | None = None,
        **_: Any,
    ) -> Mapping[str, Any]:
        """`ping` and `hello`, and `killSessions` of some.

        A session hears from it how far the primary is.
        """

        def answer(work: Work) -> Mapping[str, Any]:
            if name == "killSessions":
                work.server.kill([one["id"] for one in value])
            if session is not None:
                session.operation = max(session.operation, work.server.time)
            now = work.server.now()
            return {"ok": 1.0, "localTime": now, "setName": "peygir", "isWritablePrimary": True}

        result: Mapping[str, Any] = await self._client.ask(answer, session=session, level="local")
        return result


class SimulatedDatabase:
    """One database."""

    def __init__(self, client: SimulatedClient, name: str, level: str | None) -> None:
        self.client = client
        self.name = name
        self.level = level

    def __getitem__(self, name: str) -> SimulatedCollection:
        return SimulatedCollection(self, name, self.level)

    def get_collection(
        self, name: str, *, read_concern: Any = None, **_: Any
    ) -> SimulatedCollection:
        """A collection, perhaps read otherwise."""
        level = self.level if read_concern is None else read_concern.level
        return SimulatedCollection(self, name, level)

    def with_options(self, *, read_concern: Any = None, **_: Any) -> SimulatedDatabase:
        """The same, read otherwise."""
        level = self.level if read_concern is None else read_concern.level
        return SimulatedDatabase(self.client, self.name, level)

    async def command(self, name: str, **options: Any) -> Mapping[str, Any]:
        """`ping` and `hello`."""
        return await self.client.admin.command(name, **options)
