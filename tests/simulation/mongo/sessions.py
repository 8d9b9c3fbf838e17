"""Sessions, with a transaction at a time."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from bson import Timestamp
from pymongo.errors import (
    ConnectionFailure,
    InvalidOperation,
    PyMongoError,
    ServerSelectionTimeoutError,
)

from tests.simulation.mongo import errors
from tests.simulation.mongo.requests import Abort, Commit, Handle

if TYPE_CHECKING:
    from tests.simulation.mongo.client import SimulatedClient


class SimulatedSession:
    """A session, with a transaction at a time."""

    def __init__(self, client: SimulatedClient, *, causal: bool, snapshot: bool) -> None:
        self.client = client
        client.server.sessions += 1
        self._number = client.server.sessions
        self.causal = causal
        self.snapshot = snapshot
        self.snapshot_time: int | None = None
        self.operation = 0
        self.open_transaction: Handle | None = None
        self._committing: Handle | None = None
        self.has_ended = False

    def after(self) -> int:
        """Which time its reads wait for."""
        return self.operation if self.causal else 0

    @property
    def session_id(self) -> Mapping[str, Any]:
        """What the server calls it."""
        return {"id": self._number}

    @property
    def operation_time(self) -> Timestamp | None:
        """The time of its latest operation, or what it was told to be after."""
        return Timestamp(self.operation, 1) if self.operation else None

    @property
    def cluster_time(self) -> Mapping[str, Any] | None:
        """The latest time that it has heard of."""
        time = self.operation_time
        return None if time is None else {"clusterTime": time}

    def advance_operation_time(self, time: Timestamp) -> None:
        """Read after that time from now on."""
        self.operation = max(self.operation, time.time)

    def advance_cluster_time(self, time: Mapping[str, Any]) -> None:
        """Hear of a time; it makes no read wait."""

    @property
    def in_transaction(self) -> bool:
        return self.open_transaction is not None

    def start_transaction(self, *_: Any, **__: Any) -> _Context:
        """Begin one on this side; the server hears of it with its first operation."""
        if self.open_transaction is not None:
            raise InvalidOperation("Transaction already in progress")
        self._committing = None
        self.open_transaction = Handle(self._number)
        return _Context(self)

    async def commit_transaction(self) -> None:
        """Commit, or ask again what became of it.

        Raises what the server says, or that nobody knows.
        """
        handle = self.open_transaction or self._committing
        if handle is None:
            raise InvalidOperation("No transaction started")
        self._committing = handle
        if not handle.began:
            self.open_transaction = None
            return
        try:
            try:
                await self._commit(handle)
            except ServerSelectionTimeoutError:
                raise
            except ConnectionFailure:
                await self._commit(handle)
        except ConnectionFailure as error:
            raise errors.labelled(error, errors.UNKNOWN, errors.RETRYABLE) from None
        finally:
            self.open_transaction = None

    async def _commit(self, handle: Handle) -> None:
        client = self.client
        await client.select()
        request = Commit(client, handle, self)
        request.send()
        await request.answer

    async def abort_transaction(self) -> None:
        """Abort; whether the server hears of it is of no concern."""
        handle, self.open_transaction = self.open_transaction, None
        if handle is None:
            raise InvalidOperation("No transaction started")
        if not handle.began:
            return
        try:
            await self.client.select()
            request = Abort(self.client, handle, self)
            request.send()
            await request.answer
        except PyMongoError:
            return

    async def end_session(self) -> None:
        """End it, with its transaction."""
        if not self.has_ended:
            self.has_ended = True
            if self.open_transaction is not None:
                await self.abort_transaction()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.end_session()


class _Context:
    """`async with session.start_transaction()`: commits, or aborts where the block raises."""

    def __init__(self, session: SimulatedSession) -> None:
        self._session = session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session.open_transaction is None:
            return
        if kind is None:
            await self._session.commit_transaction()
        else:
            await self._session.abort_transaction()
