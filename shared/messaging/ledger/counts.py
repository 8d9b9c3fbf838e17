"""Counters kept with the state, so that nobody has to count what is stored.

A transaction says by how much it changes them in its commit record: what is counted, of which
subject, and on which day. The relay adds that up when it marks the record, so that transactions
don't meet on one document. What is pending still is added when somebody reads.

A subject has a document of all its changes, one a month and one a day. As it stood at the end of
a day is the sum of the months before and of that month's days up to it: no copy is taken at
midnight, so none can be missed, and what is added late still lands on its own day.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from pymongo import UpdateOne

from shared.messaging.core.model import Counted, Tally
from shared.runtime.mongo import ClientSession, Collection, Database, Document


class Counts:
    """The counters of one database that were added up."""

    def __init__(self, database: Database) -> None:
        self._collection: Collection = database["counts"]

    async def add(self, tally: Tally, session: ClientSession) -> None:
        """Change them within a transaction. Raises the driver's errors."""
        changes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for (subject, day, name), change in tally.items():
            for id_ in _ids(subject, day):
                changes[id_][f"n.{name}"] += change
        updates = [
            UpdateOne({"_id": id_}, {"$inc": changed}, upsert=True)
            for id_, counter in changes.items()
            if (changed := {name: change for name, change in counter.items() if change})
        ]
        if updates:
            await self._collection.bulk_write(updates, ordered=False, session=session)

    async def read(
        self, kind: str, until: date | None, session: ClientSession
    ) -> defaultdict[str, Counter[str]]:
        """Return those of each subject of a kind, as they are in a transaction.

        `until`: with the changes of that day (Asia/Tehran) and those before it alone.
        """
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        wanted = [_range(f"{kind}|all|")] if until is None else _spans(kind, until)
        async for document in self._collection.find({"$or": wanted}, session=session):
            found[_which(document["_id"])].update(document.get("n", {}))
        return found


def written(tally: Tally) -> Document:
    """A tally as a commit record holds it: by subject, day and name."""
    document: Document = {}
    for (subject, day, name), change in tally.items():
        if change:
            document.setdefault(subject, {}).setdefault(day, {})[name] = change
    return document


def recorded(record: Mapping[str, Any]) -> Iterator[tuple[Counted, int]]:
    """The tally of a commit record; of one from before there were subjects, nothing."""
    for subject, days in record.get("tally", {}).items():
        if not isinstance(days, Mapping):
            continue  # what it changed has been counted by subject since, as it stood
        for day, names in days.items():
            for name, change in names.items():
                yield (subject, day, name), change


def include(
    counts: defaultdict[str, Counter[str]], record: Mapping[str, Any], kind: str, until: date | None
) -> None:
    """Add to the counts of a kind what a commit record says that nobody has added up."""
    last = None if until is None else until.isoformat()
    for (subject, day, name), change in recorded(record):
        of_kind, _, which = subject.partition("|")
        if of_kind == kind and (last is None or day <= last):
            counts[which][name] += change


def _ids(subject: str, day: str) -> tuple[str, str, str]:
    """The documents that a change of a day belongs to; by kind and time, for ranges."""
    kind, _, which = subject.partition("|")
    return f"{kind}|all|{which}", f"{kind}|month|{day[:7]}|{which}", f"{kind}|day|{day}|{which}"


def _which(id_: str) -> str:
    _kind, span, rest = id_.split("|", 2)
    return rest if span == "all" else rest.partition("|")[2]


def _spans(kind: str, until: date) -> list[Document]:
    day = until.isoformat()
    month = day[:7]
    months = {"_id": {"$gte": f"{kind}|month|", "$lt": f"{kind}|month|{month}"}}
    days = {"_id": {"$gte": f"{kind}|day|{month}", "$lt": _behind(f"{kind}|day|{day}|")}}
    return [months, days]


def _range(prefix: str) -> Document:
    return {"_id": {"$gte": prefix, "$lt": _behind(prefix)}}


def _behind(prefix: str) -> str:
    """The least text behind all that begin so."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
