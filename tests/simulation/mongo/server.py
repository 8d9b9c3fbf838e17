"""A replica set: one primary at a time, a majority that follows, transactions, step-downs.

Times are numbers that rise with each commit. What the majority holds is known to the primary a
little later; a new primary learns it anew. What no majority held when a primary fell may be lost.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from tests.simulation.clocks import EPOCH
from tests.simulation.loop import SimulatedLoop
from tests.simulation.mongo import errors
from tests.simulation.mongo.data import Data
from tests.simulation.mongo.documents import Document, stored

LIFETIME_SECONDS: Final = 60.0  # transactionLifetimeLimitSeconds


class Locked(Exception):
    """Another's transaction is in the way: a plain write waits until that has ended."""


@dataclass(slots=True, eq=False)
class Transaction:
    """One that is open on the primary."""

    session: int
    snapshot: int
    expires: float
    writes: dict[tuple[str, Any], tuple[int, Document | None]] = field(default_factory=dict)
    claimed: set[tuple[str, Any]] = field(default_factory=set)  # documents that others can't write
    keys: set[tuple[str, str, Any]] = field(default_factory=set)
    open: bool = True
    committed: int | None = None  # when


@dataclass(slots=True)
class Weather:
    """How the network and the servers are just now; the schedule changes it."""

    request_lost: float = 0.0  # shares of the operations
    answer_lost: float = 0.0
    slow: float = 0.0  # seconds more, at most, on each way
    stalled_until: float = 0.0  # nothing is served before
    lag: float = 0.0  # seconds until a majority holds what was written


class ReplicaSet:
    """The servers, seen from outside."""

    def __init__(self, loop: SimulatedLoop, rng: random.Random) -> None:
        self.loop = loop
        self.rng = rng
        self.weather = Weather()
        self.lifetime = LIFETIME_SECONDS
        self.data: defaultdict[str, Data] = defaultdict(Data)
        self.primary = True
        self.term = 0
        self.time = 0  # of the latest commit
        self.majority = 0  # as far as the primary knows
        self.held_by_majority = 0
        self.records = 0
        self.cuts: list[int] = []  # by term: what came later was lost
        self.transactions: list[Transaction] = []
        self.sessions = 0  # begun so far
        self.locks: dict[tuple[str, Any], Transaction] = {}
        self.key_locks: dict[tuple[str, str, Any], Transaction] = {}
        self.skew = timedelta(0)
        self.on_loss: list[Callable[[], None]] = []  # drivers that hear of a lost server
        self._waiting: list[tuple[int, int, asyncio.Future[Any], Any]] = []
        self._elected: list[asyncio.Future[None]] = []

    def now(self) -> datetime:
        """The primary's own clock, to the millisecond."""
        now: datetime = stored(EPOCH + timedelta(seconds=self.loop.time()) + self.skew)
        return now

    # -- writing ------------------------------------------------------------------------------

    def record(self) -> int:
        """The next place in the natural order."""
        self.records += 1
        return self.records

    def committed(self, writes: dict[tuple[str, Any], tuple[int, Document | None]]) -> int:
        """Commit writes together; return when that was."""
        self.time += 1
        for (namespace, id_), (record, document) in writes.items():
            self.data[namespace].write(id_, record, self.time, document)
        self._replicate(self.time)
        return self.time

    def _replicate(self, time: int) -> None:
        delay = 0.0005 + self.rng.random() * 0.003 + self.weather.lag
        self.loop.at(delay, self._follow, self.term, time)

    def _follow(self, term: int, time: int) -> None:
        if term != self.term or time <= self.majority:
            return
        self.held_by_majority = max(self.held_by_majority, time)
        self.majority = time
        still = []
        for entry in self._waiting:
            if entry[0] <= time:
                if not entry[2].done():
                    entry[2].set_result(entry[3])
            else:
                still.append(entry)
        self._waiting = still

    def when_majority(self, time: int, future: asyncio.Future[Any], result: Any) -> None:
        """Answer once a majority holds what was committed at a time."""
        if time <= self.majority:
            future.set_result(result)
        else:
            self._waiting.append((time, self.term, future, result))

    def survived(self, time: int, term: int) -> bool:
        """Whether what was committed in a term is still there."""
        return all(time <= cut for cut in self.cuts[term:])

    # -- transactions -------------------------------------------------------------------------

    def begin(self, session: int) -> Transaction:
        """Open a transaction of a session; it sees what is committed now."""
        transaction = Transaction(session, self.time, self.loop.time() + self.lifetime)
        self.transactions.append(transaction)
        self.loop.at(self.lifetime, self.abort, transaction)
        return transaction

    def abort(self, transaction: Transaction) -> None:
        """End a transaction without effect, if it is open."""
        if transaction.open:
            self._close(transaction)

    def kill(self, sessions: Collection[int]) -> None:
        """End the open transactions of these sessions without effect."""
        for transaction in [one for one in self.transactions if one.session in sessions]:
            self.abort(transaction)

    def commit(self, transaction: Transaction) -> int:
        """End a transaction with effect; return when that was. Raises what the server answers."""
        if transaction.committed is not None:
            return transaction.committed
        if not transaction.open:
            raise errors.no_such_transaction()
        self._close(transaction)
        if not transaction.writes:
            transaction.committed = self.time
        else:
            transaction.committed = self.committed(transaction.writes)
        return transaction.committed

    def _close(self, transaction: Transaction) -> None:
        transaction.open = False
        self.transactions.remove(transaction)
        for place in transaction.claimed:
            self.locks.pop(place, None)
        for key in transaction.keys:
            self.key_locks.pop(key, None)

    # -- who serves ---------------------------------------------------------------------------

    def elected(self) -> asyncio.Future[None]:
        """Comes true when there is a primary again."""
        future: asyncio.Future[None] = self.loop.create_future()
        self._elected.append(future)
        return future

    def fall(self, seconds: float, *, keep: float = 1.0, seen: bool = True) -> None:
        """Lose the primary; another is elected after some seconds.

        `keep`: how much of what no majority held is on the new one, as a share. `seen`: drivers
        miss its heartbeats; of one that only gives way they do not.
        """
        if not self.primary:
            return
        self.primary = False
        first, last = self.held_by_majority, self.time
        cut = first + round((last - first) * keep)
        self.cuts.append(cut)
        self.term += 1
        for transaction in list(self.transactions):
            self.abort(transaction)
        lately = max(0, first - 60)
        for data in self.data.values():
            data.forget_after(cut)
            data.reorder(lately, self.rng, 1 + int(self.rng.random() * 12))
        waiting, self._waiting = self._waiting, []
        for _, _, future, _ in waiting:
            if not future.done():
                future.set_exception(errors.lost_connection())
        self.held_by_majority = cut
        # What a new primary knows of the majority's point trails: it heard of it by heartbeats.
        self.majority = max(0, cut - int(self.rng.random() * 6))
        for told in self.on_loss if seen else ():
            told()
        self.loop.at(seconds, self._rise, self.term)

    def _rise(self, term: int) -> None:
        if term != self.term:
            return
        self.primary = True
        self.skew = timedelta(milliseconds=(self.rng.random() - 0.5) * 600)
        self.time += 1  # the new primary's first entry, which makes the ones before certain
        self.loop.at(
            0.05 + self.rng.random() * 0.8 + self.weather.lag, self._follow, term, self.time
        )
        elected, self._elected = self._elected, []
        for future in elected:
            if not future.done():
                future.set_result(None)

    # -- copies -------------------------------------------------------------------------------

    def copy(self, database: str) -> dict[str, Data]:
        """A copy of a database, as the majority holds it."""
        prefix = f"{database}."
        return {
            namespace: data.copied(self.held_by_majority)
            for namespace, data in self.data.items()
            if namespace.startswith(prefix)
        }

    def restore(self, database: str, copy: dict[str, Data], seconds: float) -> None:
        """Put a copy in the place of a database; nothing answers meanwhile."""
        self.fall(seconds)
        prefix = f"{database}."
        for namespace in [name for name in self.data if name.startswith(prefix)]:
            del self.data[namespace]
        for namespace, data in copy.items():
            self.data[namespace] = data.copied(self.time)
