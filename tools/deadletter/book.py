"""What operators did about dead letters: shared by all of them, changed by compare-and-set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from shared.messaging.core.model import Origin
from shared.runtime.mongo import Database, Document
from tools.deadletter.letters import Headers, Notes, read_origin, written

DATABASE: Final = "deadletters"


class Status(StrEnum):
    """The state of a dead letter."""

    OPEN = "open"
    MENDED = "mended"
    WAITING = "replayed: no answer yet"
    APPLIED = "replayed: applied"
    DUPLICATE = "replayed: duplicate"
    IGNORED = "replayed: ignored"
    FORWARDED = "replayed: forwarded"
    REFUSED = "replayed: refused again"
    DISCARDED = "discarded"

    @property
    def short(self) -> str:
        """What became of a replay, in its own words."""
        return self.value.removeprefix("replayed: ")


MENDABLE: Final = frozenset({Status.OPEN, Status.REFUSED})
"""States in which a letter waits for an operator."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that an operator did about a letter."""

    what: str  # mended, replayed, discarded
    by: str
    at: datetime  # machine time, UTC
    why: str = ""
    difference: str = ""  # unified


@dataclass(frozen=True, slots=True)
class Mended:
    """The message that is sent instead of the original."""

    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Page:
    """A letter's page in the book. One that nobody touched has revision 0."""

    origin: Origin
    revision: int = 0
    status: Status = Status.OPEN
    mended: Mended | None = None
    replay_id: str | None = None  # of the last replay
    told: str = ""  # why it was refused again
    deeds: tuple[Deed, ...] = ()

    def seen_with(self, notes: Notes) -> Page:
        """The page as the topic completes it: the last replay may have come back refused."""
        if self.status is not Status.WAITING or notes.replay_id != self.replay_id:
            return self
        return replace(self, status=Status.REFUSED, told=f"{notes.reason}: {notes.error}")


class Moved(Exception):
    """Somebody else changed the page meanwhile; the message says who and what."""


class Book:
    """The pages of one service's letters."""

    def __init__(self, database: Database, service: str) -> None:
        self._collection = database["letters"]
        self._service = service

    async def page(self, origin: Origin) -> Page:
        """One letter's page."""
        found = await self._collection.find_one({"_id": self._id(origin)})
        return Page(origin) if found is None else _loaded(found)

    async def statuses(self) -> Mapping[Origin, Page]:
        """The pages that exist, without messages and deeds."""
        found = self._collection.find({"service": self._service}, {"mended": 0, "deeds": 0})
        return {page.origin: page async for page in (_loaded(document) async for document in found)}

    async def turn(self, before: Page, after: Page) -> Page:
        """Put a page in the place of the one that was read; return it with its new revision.

        Raises Moved.
        """
        after = replace(after, revision=before.revision + 1)
        document = self._stored(after)
        if before.revision == 0:
            try:
                await self._collection.insert_one(document)
            except DuplicateKeyError:
                raise await self._moved(before) from None
            return after
        result = await self._collection.replace_one(
            {"_id": document["_id"], "revision": before.revision}, document
        )
        if result.matched_count == 0:
            raise await self._moved(before)
        return after

    async def _moved(self, before: Page) -> Moved:
        return moved(await self.page(before.origin))

    def _id(self, origin: Origin) -> str:
        return f"{self._service} {written(origin)}"

    def _stored(self, page: Page) -> Document:
        mended = page.mended
        return {
            "_id": self._id(page.origin),
            "service": self._service,
            "origin": written(page.origin),
            "revision": page.revision,
            "status": page.status.name,
            "replay_id": page.replay_id,
            "told": page.told,
            "mended": None if mended is None else _written(mended),
            "deeds": [
                {"what": d.what, "by": d.by, "at": d.at, "why": d.why, "difference": d.difference}
                for d in page.deeds
            ],
        }


def moved(now: Page) -> Moved:
    """Say who did what last."""
    if not now.deeds:
        return Moved(f"{written(now.origin)} was changed by somebody else meanwhile")
    last = now.deeds[-1]
    why = f" ({last.why})" if last.why else ""
    return Moved(
        f"{written(now.origin)} was {last.what} by {last.by} at {last.at:%Y-%m-%d %H:%M:%S} UTC"
        f"{why}; it is at revision {now.revision}"
    )


def _written(mended: Mended) -> Document:
    return {"value": mended.value, "headers": [list(header) for header in mended.headers]}


def _read(document: Mapping[str, Any]) -> Mended:
    return Mended(document["value"], tuple((name, raw) for name, raw in document["headers"]))


def _loaded(document: Mapping[str, Any]) -> Page:
    mended = document.get("mended")
    return Page(
        origin=read_origin(document["origin"]),
        revision=document["revision"],
        status=Status[document["status"]],
        mended=None if mended is None else _read(mended),
        replay_id=document["replay_id"],
        told=document["told"],
        deeds=tuple(Deed(**deed) for deed in document.get("deeds", ())),
    )
