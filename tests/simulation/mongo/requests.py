"""One message to the primary and its answer, with all that may befall it on its way."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pymongo.errors import ExecutionTimeout, PyMongoError

from tests.simulation.mongo import errors
from tests.simulation.mongo.operations import Work
from tests.simulation.mongo.server import Locked, ReplicaSet, Transaction

if TYPE_CHECKING:
    from tests.simulation.mongo.client import SimulatedClient
    from tests.simulation.mongo.sessions import SimulatedSession

Done = Callable[[Work], Any]

_FIRST_STEP: Final = 0.0002  # seconds that a message is under way, at least
_LOCK_WAIT: Final = 0.01


class Request:
    """One message, from the client to the primary, and back."""

    __slots__ = (
        "_after",
        "_client",
        "_done",
        "_level",
        "_session",
        "_stalled",
        "_term",
        "_transaction",
        "_until",
        "_work",
        "_writes",
        "answer",
    )

    def __init__(
        self,
        client: SimulatedClient,
        work: Done,
        session: SimulatedSession | None,
        level: str | None,
        writes: bool,
        until: float = 0.0,
    ) -> None:
        self._client = client
        self._until = until  # 0: it may take as long as it will
        self._stalled = False
        self._work = work
        self._session = session
        self._transaction = session.open_transaction if session is not None else None
        self._level = level
        self._writes = writes
        self._done: list[tuple[int, int, Any]] = []  # when, in which term, with which result
        self._term = 0
        self._after = session.after() if session is not None else 0
        self.answer: asyncio.Future[Any] = client.server.loop.create_future()

    def again(self) -> Request:
        """The same once more; what was done is not done twice."""
        other = Request(
            self._client, self._work, self._session, self._level, self._writes, self._until
        )
        other._done = self._done
        return other

    def send(self) -> None:
        server, rng = self._client.server, self._client.rng
        self._term = server.term
        weather = server.weather
        if weather.request_lost and rng.random() < weather.request_lost:
            server.loop.at(rng.random() * 0.01, self._fail, errors.lost_connection())
            return
        server.loop.at(_delay(server, rng), self._arrive)

    def _fail(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def _arrive(self) -> None:
        server = self._client.server
        late = server.weather.stalled_until - server.loop.time()
        if late > 0:
            self._stalled = True
            server.loop.at(late + self._client.rng.random() * 0.01, self._arrive)
            return
        if not server.primary or server.term != self._term:
            error = errors.not_primary() if server.primary else errors.lost_connection()
            self._fail(error)
            return
        if self._until and server.loop.time() > self._until:
            self._reply(None, ExecutionTimeout("operation exceeded time limit", 50, {"code": 50}))
            return
        if self._after > server.majority and self._transaction is None:
            server.loop.at(_LOCK_WAIT, self._arrive)  # a read waits for what its session has seen
            return
        try:
            self._serve(server)
        except Locked:
            server.loop.at(_LOCK_WAIT * (0.5 + self._client.rng.random()), self._arrive)
        except PyMongoError as error:
            self._reply(None, error)

    def _serve(self, server: ReplicaSet) -> None:
        """Do it now. Raises what the server answers, and Locked."""
        if self._transaction is not None:
            if self._stalled and self._transaction.ran_out(server):
                raise errors.too_long()
            self._reply(self._transaction.serve(self._work, server, self._client), None)
            return
        for time, term, result in self._done:
            if server.survived(time, term):
                self._when_majority(time, result)
                return
        work = Work(server, None, self._reads_at(server), self._client.new_id)
        failed: PyMongoError | None = None
        result = None
        try:
            result = self._work(work)
        except PyMongoError as error:
            if not work.writes:
                raise
            failed = error  # of a bulk, what went before has its effect
        if not self._writes:
            self._saw(work.time)
            self._reply(result, failed)
            return
        time = server.committed(work.writes) if work.writes else server.time
        if failed is None:
            self._done.append((time, server.term, result))
        self._saw(time)
        self._when_majority(time, result, failed)

    def _reads_at(self, server: ReplicaSet) -> int:
        session = self._session
        if session is not None and session.snapshot:
            if session.snapshot_time is None:
                session.snapshot_time = server.majority
            return session.snapshot_time
        return server.time if self._writes or self._level != "majority" else server.majority

    def _saw(self, time: int) -> None:
        if self._session is not None:
            self._session.operation = max(self._session.operation, time)

    def _when_majority(self, time: int, result: Any, failed: PyMongoError | None = None) -> None:
        """Answer once a majority holds it; a bulk that failed in part waits for its other part."""
        server = self._client.server
        if time <= server.majority:
            self._reply(result, failed)
            return
        held: asyncio.Future[Any] = server.loop.create_future()
        held.add_done_callback(partial(self._held, failed), context=server.loop.server)
        server.when_majority(time, held, result)

    def _held(self, failed: PyMongoError | None, future: asyncio.Future[Any]) -> None:
        error = future.exception()
        if error is not None:
            self._fail(error)
        else:
            self._reply(future.result(), failed)

    def _reply(self, result: Any, error: PyMongoError | None) -> None:
        server, rng = self._client.server, self._client.rng
        weather = server.weather
        if (weather.answer_lost and rng.random() < weather.answer_lost) or self._client.cut:
            server.loop.at(rng.random() * 0.01, self._fail, errors.lost_connection())
        elif error is not None:
            server.loop.at(_delay(server, rng), self._fail, error)
        else:
            server.loop.at(_delay(server, rng), self._succeed, result)

    def _succeed(self, result: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(result)


def _delay(server: ReplicaSet, rng: random.Random) -> float:
    return _FIRST_STEP + rng.random() * (0.002 + server.weather.slow)


class Handle:
    """A transaction as the client knows it."""

    __slots__ = ("_session", "began", "on_server", "term")

    def __init__(self, session: int) -> None:
        self._session = session
        self.began = False
        self.on_server: Transaction | None = None
        self.term = 0

    def ran_out(self, server: ReplicaSet) -> bool:
        """Whether the server has ended it while an operation of it was at work."""
        open_ = self.on_server
        return open_ is not None and not open_.open and server.term == self.term

    def serve(self, work: Done, server: ReplicaSet, client: SimulatedClient) -> Any:
        """One operation of the transaction. Raises what the server answers."""
        if not self.began:
            self.began = True
            self.term = server.term
            self.on_server = server.begin(self._session)
        open_ = self.on_server
        assert open_ is not None
        if not open_.open or server.term != self.term:
            raise errors.no_such_transaction()
        return work(Work(server, open_, open_.snapshot, client.new_id))


class Commit(Request):
    __slots__ = ("_handle",)

    def __init__(self, client: SimulatedClient, handle: Handle, session: SimulatedSession) -> None:
        super().__init__(client, _nothing, None, None, False)
        self._handle = handle
        self._session = session

    def _serve(self, server: ReplicaSet) -> None:
        on_server = self._handle.on_server
        assert on_server is not None
        if on_server.committed is not None:
            if not server.survived(on_server.committed, self._handle.term):
                raise errors.no_such_transaction()
            time = on_server.committed
        elif server.term != self._handle.term:
            raise errors.no_such_transaction()
        else:
            time = server.commit(on_server)
        if self._session is not None:
            self._session.operation = max(self._session.operation, time)
        self._when_majority(time, None)


class Abort(Request):
    __slots__ = ("_handle",)

    def __init__(self, client: SimulatedClient, handle: Handle, session: SimulatedSession) -> None:
        super().__init__(client, _nothing, None, None, False)
        self._handle = handle

    def _serve(self, server: ReplicaSet) -> None:
        if self._handle.on_server is not None:
            server.abort(self._handle.on_server)
        self._reply(None, None)


def _nothing(_: Work) -> None:
    pass
