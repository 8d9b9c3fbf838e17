"""The replies of one database in memory; they pass the same suite as the real ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta

from shared.runtime.idempotent_replies import AlreadyReplied, Reply


class MemoryReplies:
    """Implements `replies.Replies`."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._all: dict[str, tuple[datetime, Reply]] = {}

    async def find(self, id_: str) -> Reply | None:
        return self._counting().get(id_)

    async def about(self, what: str) -> Sequence[Reply]:
        return [reply for reply in self._counting().values() if reply.about == what]

    async def add(self, reply: Reply) -> None:
        self.require_free(reply)
        self.keep(reply)

    def require_free(self, reply: Reply | None) -> None:
        """Raise AlreadyReplied if the key of a reply is used."""
        if reply is not None and reply.keyed.id in self._counting():
            raise AlreadyReplied(reply.keyed.id)

    def keep(self, reply: Reply | None) -> None:
        """Store a reply, if there is one."""
        if reply is not None:
            self._all[reply.keyed.id] = self._now(), reply

    def hand_over(self, about: Collection[str], taker: MemoryReplies) -> None:
        """Move the replies about these to another store."""
        moved = {id_: kept for id_, kept in self._all.items() if kept[1].about in about}
        taker._all |= moved
        for id_ in moved:
            del self._all[id_]

    def _counting(self) -> dict[str, Reply]:
        over = self._now() - timedelta(days=1)
        return {id_: reply for id_, (at, reply) in self._all.items() if at > over}
