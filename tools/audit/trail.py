"""Reading of the audit trail: every event of the commit records, aggregate by aggregate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.database import Database

from shared.messaging.core.model import Event
from shared.messaging.ledger.chain import Provenance, provenance_of
from shared.messaging.ledger.ledger import loaded

Document: TypeAlias = dict[str, Any]
Client: TypeAlias = MongoClient[Document]

_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries are wanted; None: all. `since` is included, `until` is not (UTC)."""

    aggregate: str | None = None
    by: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def of_commits(self) -> Document:
        """The filter for commit records."""
        wanted = self._of_all()
        if self.aggregate is not None:
            wanted["events.aggregate_id"] = self.aggregate
        return wanted

    def of_reads(self) -> Document:
        """The filter for reads of restricted axes; the aggregate is a report."""
        wanted = self._of_all()
        if self.aggregate is not None:
            wanted["reports"] = self.aggregate
        return wanted

    def _of_all(self) -> Document:
        spans = {"$gte": self.since, "$lt": self.until}
        times = {operator: at for operator, at in spans.items() if at is not None}
        wanted: Document = {} if self.by is None else {"by": self.by}
        return {**wanted, "at": times} if times else wanted


@dataclass(frozen=True, slots=True)
class Committed:
    """One event, with who committed it and its hash."""

    database: str
    kind: str
    event: Event
    who: Provenance
    hash: bytes | None  # None: it is older than the chains


def databases(service_deputies: Sequence[str], namespace: str) -> Sequence[str]:
    """The databases that have commit records."""
    own = ["scheduler", "reports", "notify"]
    return [namespace + name for name in (*own, *(f"followups_{d}" for d in service_deputies))]


def count(client: Client, database: str, selection: Selection) -> int:
    """How many events the selected commit records have. Raises the driver's errors."""
    rows = client[database]["commits"].aggregate(
        [
            {"$match": selection.of_commits()},
            {"$group": {"_id": None, "n": {"$sum": {"$size": "$events"}}}},
        ]
    )
    return next((int(row["n"]) for row in rows), 0)


def committed(client: Client, database: str, selection: Selection) -> Iterator[Committed]:
    """Yield the selected events by aggregate and version. MongoDB sorts them, if need be on disk.

    Raises the driver's errors.
    """
    wanted = (
        []
        if selection.aggregate is None
        else [{"$match": {"events.aggregate_id": selection.aggregate}}]
    )
    pipeline: list[Mapping[str, Any]] = [
        {"$match": selection.of_commits()},
        {"$unwind": {"path": "$events", "includeArrayIndex": "place"}},
        *wanted,
        {
            "$project": {
                **dict.fromkeys(("at", "by", "roles", "authority", "kind", "events"), 1),
                "hash": {"$arrayElemAt": ["$chain", "$place"]},
            }
        },
        {"$sort": {"events.aggregate_id": 1, "events.version": 1}},
    ]
    commits = _aware(client, database)["commits"]
    for row in commits.aggregate(pipeline, allowDiskUse=True, batchSize=_BATCH):
        hashed = row.get("hash")
        yield Committed(
            database,
            row["kind"],
            loaded(row["events"]),
            provenance_of(row),
            None if hashed is None else bytes(hashed),
        )


def reads(client: Client, database: str, selection: Selection) -> Iterator[Document]:
    """Yield the selected reads of restricted axes, the oldest first. Raises the driver's errors."""
    yield from _aware(client, database)["reads"].find(selection.of_reads()).sort("at", 1)


def _aware(client: Client, database: str) -> Database[Document]:
    return client.get_database(database, codec_options=CodecOptions(tz_aware=True))
