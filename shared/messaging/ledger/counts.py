"""Counters kept with the state, so that no reader has to count documents.

A transaction writes its changes of counters into its commit record: what is counted, of which
subject, and on which day. The relay adds them up when it marks the record, so that transactions
don't conflict on one document. A read includes what is still pending.

A subject has one document for all of its changes, one per month and one per day. Its value at the
end of a day is the sum of the months before and of that month's days up to that day. So nothing has
to be copied at midnight, and a change that is added late still counts on its own day.
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
    """The counters of one database, as far as they were added up."""

    def __init__(self, database: Database) -> None:
        self._collection: Collection = database["counts"]

    async def add(self, tally: Tally, session: ClientSession) -> None:
        """Add changes within a transaction. Raises the driver's errors."""
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
        """Return the counters of each subject of a kind, as a transaction sees them.

        `until`: only changes up to the end of that day (Asia/Tehran); None for all.
        """
        found: defaultdict[str, Counter[str]] = defaultdict(Counter)
        ranges = [_range(f"{kind}|all|")] if until is None else _spans(kind, until)
        async for document in self._collection.find({"$or": ranges}, session=session):
            found[_which(document["_id"])].update(document.get("n", {}))
        return found


def written(tally: Tally) -> Document:
    """Return a tally as a commit record stores it: by subject, day and name."""
    document: Document = {}
    for (subject, day, name), change in tally.items():
        if change:
            document.setdefault(subject, {}).setdefault(day, {})[name] = change
    return document


def recorded(record: Mapping[str, Any]) -> Iterator[tuple[Counted, int]]:
    """Yield the tally of a commit record; nothing for a record older than subjects."""
    for subject, days in record.get("tally", {}).items():
        if not isinstance(days, Mapping):
            continue  # its changes were counted again by subject later
        for day, names in days.items():
            for name, change in names.items():
                yield (subject, day, name), change


def include(
    counts: defaultdict[str, Counter[str]], record: Mapping[str, Any], kind: str, until: date | None
) -> None:
    """Add the changes of a pending commit record to the counts of a kind."""
    last = None if until is None else until.isoformat()
    for (subject, day, name), change in recorded(record):
        of_kind, _, which = subject.partition("|")
        if of_kind == kind and (last is None or day <= last):
            counts[which][name] += change


def _ids(subject: str, day: str) -> tuple[str, str, str]:
    """The ids of the documents that a change belongs to; they sort by kind and time."""
    kind, _, which = subject.partition("|")
    return f"{kind}|all|{which}", f"{kind}|month|{day[:7]}|{which}", f"{kind}|day|{day}|{which}"


def _which(id_: str) -> str:
    _kind, span, rest = id_.split("|", 2)
    return rest if span == "all" else rest.partition("|")[2]


def _spans(kind: str, until: date) -> list[Document]:
    day = until.isoformat()
    month = day[:7]
    months = {"_id": {"$gte": f"{kind}|month|", "$lt": f"{kind}|month|{month}"}}
    days = {"_id": {"$gte": f"{kind}|day|{month}", "$lt": _after(f"{kind}|day|{day}|")}}
    return [months, days]


def _range(prefix: str) -> Document:
    return {"_id": {"$gte": prefix, "$lt": _after(prefix)}}


def _after(prefix: str) -> str:
    """The least text after all texts with this prefix."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
