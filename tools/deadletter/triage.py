"""What operators decided about dead letters, in a database that all operators share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from pymongo.errors import DuplicateKeyError

from shared.messaging.core.model import Origin
from shared.runtime.mongo import Database, Document
from tools.deadletter.dead_letters import DeadLetterNotes, Headers, format_origin, parse_origin

DATABASE: Final = "deadletters"


class TriageStatus(StrEnum):
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
        """The value without `replayed: `, to print the result of a replay."""
        return self.value.removeprefix("replayed: ")


MENDABLE: Final = frozenset({TriageStatus.OPEN, TriageStatus.REFUSED})
"""States in which a letter waits for an operator to mend or discard it."""


@dataclass(frozen=True, slots=True)
class OperatorAction:
    """Something that an operator did about a dead letter."""

    kind: str  # mended, replayed, discarded
    by: str
    at: datetime  # machine time, UTC
    why: str = ""
    diff: str = ""  # of the message, unified; empty unless it was mended


@dataclass(frozen=True, slots=True)
class MessageContent:
    """The value and the headers of a message, as it came or mended."""

    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Triage:
    """The state of one dead letter, and what operators did about it.

    It has revision 0 until an operator does something; each change adds 1.
    """

    origin: Origin
    revision: int = 0
    status: TriageStatus = TriageStatus.OPEN
    mended_message: MessageContent | None = None  # sent instead of the original
    replay_id: str | None = None  # of the last replay
    refusal: str = ""  # why the last replay was refused
    actions: tuple[OperatorAction, ...] = ()

    def with_notes(self, notes: DeadLetterNotes) -> Triage:
        """Return the triage as refused if the notes are those of its last replay.

        A service that refuses a replay writes the dead letter again, with the id of that replay.
        """
        if self.status is not TriageStatus.WAITING or notes.replay_id != self.replay_id:
            return self
        return replace(self, status=TriageStatus.REFUSED, refusal=f"{notes.reason}: {notes.error}")


class TriageConflict(Exception):
    """Another operator has changed the triage; the message says who and how."""


class TriageRepository:
    """Stores the triage of each dead letter of one service, with compare-and-set."""

    def __init__(self, database: Database, service: str) -> None:
        self._collection = database["letters"]
        self._service = service

    async def find(self, origin: Origin) -> Triage:
        """Return the triage of one dead letter; a new one if none is stored."""
        found = await self._collection.find_one({"_id": self._id(origin)})
        return Triage(origin) if found is None else _from_document(found)

    async def find_all(self) -> Mapping[Origin, Triage]:
        """Return all that are stored, without their messages and actions."""
        found = self._collection.find({"service": self._service}, {"mended": 0, "deeds": 0})
        triages = [_from_document(document) async for document in found]
        return {triage.origin: triage for triage in triages}

    async def update(self, before: Triage, after: Triage) -> Triage:
        """Replace the triage `before`, as it was read; return the new one with its revision.

        Raises TriageConflict if the stored one has another revision.
        """
        after = replace(after, revision=before.revision + 1)
        document = self._to_document(after)
        if before.revision == 0:
            try:
                await self._collection.insert_one(document)
            except DuplicateKeyError:
                raise await self._conflict(before) from None
            return after
        result = await self._collection.replace_one(
            {"_id": document["_id"], "revision": before.revision}, document
        )
        if result.matched_count == 0:
            raise await self._conflict(before)
        return after

    async def _conflict(self, before: Triage) -> TriageConflict:
        return conflict_with(await self.find(before.origin))

    def _id(self, origin: Origin) -> str:
        return f"{self._service} {format_origin(origin)}"

    def _to_document(self, triage: Triage) -> Document:
        mended = triage.mended_message
        return {
            "_id": self._id(triage.origin),
            "service": self._service,
            "origin": format_origin(triage.origin),
            "revision": triage.revision,
            "status": triage.status.name,
            "replay_id": triage.replay_id,
            "told": triage.refusal,
            "mended": None if mended is None else _message_document(mended),
            "deeds": [
                {"what": a.kind, "by": a.by, "at": a.at, "why": a.why, "difference": a.diff}
                for a in triage.actions
            ],
        }


def conflict_with(current: Triage) -> TriageConflict:
    """Return an error that says who did what last."""
    if not current.actions:
        return TriageConflict(
            f"{format_origin(current.origin)} was changed by somebody else meanwhile"
        )
    last = current.actions[-1]
    why = f" ({last.why})" if last.why else ""
    return TriageConflict(
        f"{format_origin(current.origin)} was {last.kind} by {last.by} "
        f"at {last.at:%Y-%m-%d %H:%M:%S} UTC{why}; it is at revision {current.revision}"
    )


def _message_document(message: MessageContent) -> Document:
    return {"value": message.value, "headers": [list(header) for header in message.headers]}


def _message(document: Mapping[str, Any]) -> MessageContent:
    return MessageContent(
        document["value"], tuple((name, raw) for name, raw in document["headers"])
    )


def _from_document(document: Mapping[str, Any]) -> Triage:
    mended = document.get("mended")
    return Triage(
        origin=parse_origin(document["origin"]),
        revision=document["revision"],
        status=TriageStatus[document["status"]],
        mended_message=None if mended is None else _message(mended),
        replay_id=document["replay_id"],
        refusal=document["told"],
        actions=tuple(_action(action) for action in document.get("deeds", ())),
    )


def _action(document: Mapping[str, Any]) -> OperatorAction:
    return OperatorAction(
        kind=document["what"],
        by=document["by"],
        at=document["at"],
        why=document["why"],
        diff=document["difference"],
    )
