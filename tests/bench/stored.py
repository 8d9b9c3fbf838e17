"""Fills a deputy's database as the service itself would have filled it, by the million.

One life of each kind and day is made by the domain's own decisions, and its stored form by the
service's own code. All others are copies of its bytes with other ids, provinces and axes. A batch's
tally is not noted in its commit record, only added to the counters, as it is in the end.
`python -m tests.bench.stored` fills one database and says how long that takes.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

import bson
import typer
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from services.followups.domain.records import (
    ENDED,
    followup_id,
)
from services.followups.domain.scores import By, Counted, tally
from services.followups.handlers import Change
from services.followups.store import MongoFollowupRepository
from services.followups.store.documents import stored
from shared.contracts.reference import AXES, PROVINCES
from shared.messaging.core.model import event_id
from shared.messaging.ledger import ledger as ledgers
from shared.messaging.ledger.counts import Counts
from shared.messaging.ledger.ledger import EVENTS_PER_RECORD
from shared.runtime import mongo
from shared.runtime.mongo import Document
from tests.bench.lives import (
    BLANK,
    DAYS,
    Kind,
    Life,
    Lives,
    Place,
    Stock,
    stock,
    store_of,
    tracking_of,
)
from tests.bench.screen import on_a_cluster
from tests.bench.turns import save

_console = Console()

_CHUNK: Final = 5_000
_COUNTED_AT_ONCE: Final = 20_000


class Mould:
    """The stored form of one life; copies of it differ in their place alone."""

    def __init__(self, life: Life) -> None:
        self._change = life.change
        self._told = list(zip(self._change.events, life.distinctions, strict=True))
        self._tally = tally(self._change.steps())
        self._names = _names(
            BLANK, self._change.after.followup_id, [event.id for event in life.events]
        )
        self._pieces: dict[str, tuple[list[bytes], list[int]]] = {}  # by axis: lengths differ

    def copy(self, place: Place) -> list[RawBSONDocument]:
        """A follow-up and, behind it, its events."""
        if place.axis not in self._pieces:
            self._pieces[place.axis] = self._cut(place.axis)
        pieces, bounds = self._pieces[place.axis]
        id_ = followup_id(self._change.after.deputy, place.resolution_id)
        events = [event_id(event.type, id_, distinction) for event, distinction in self._told]
        other = dict(zip(self._names, _names(place, id_, events), strict=True))
        whole = b"".join([other.get(piece, piece) for piece in pieces])
        return [RawBSONDocument(whole[start:end]) for start, end in itertools.pairwise(bounds)]

    def _cut(self, axis: str) -> tuple[list[bytes], list[int]]:
        """All of it end to end, cut where a copy has its own; and where each document ends."""
        was, is_ = (f'"axis":"{id_}"'.encode() for id_ in (BLANK.axis, axis))
        events = [ledgers._stored(event) for event in self._change.events]
        raw = [
            bson.encode({**stored(self._change), "axis": axis}),
            *(bson.encode({**e, "data": e["data"].replace(was, is_)}) for e in events),
        ]
        pieces = re.split(b"(%s)" % b"|".join(self._names), b"".join(raw))
        return pieces, [0, *itertools.accumulate(map(len, raw))]

    def counts(self, places: Sequence[Place]) -> Iterator[tuple[Counted, int]]:
        """What all copies count as together."""
        provinces = Counter(f"{By.PROVINCE}|{place.province}" for place in places)
        axes = Counter(f"{By.AXIS}|{place.axis}" for place in places)
        for (subject, day, name), change in self._tally.items():
            kind = subject.partition("|")[0]
            others = {By.PROVINCE: provinces, By.AXIS: axes}.get(By(kind), {subject: len(places)})
            for which, copies in others.items():
                yield (which, day, name), change * copies


def _names(place: Place, id_: str, events: Iterable[str]) -> list[bytes]:
    """What every copy has of its own, in each as long as in all others."""
    names = (place.resolution_id, place.fingerprint, place.province, id_, *events)
    return [name.encode() for name in names]


class _Writer:
    """Inserts plainly while the next copies are made."""

    def __init__(self, database: Database[Any], advance: Callable[[int], None]) -> None:
        self._database = database
        self._advance = advance
        self._documents: list[RawBSONDocument] = []
        self._events: list[RawBSONDocument] = []
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def add(self, document: RawBSONDocument, *events: RawBSONDocument) -> None:
        self._documents.append(document)
        self._events += events
        if len(self._documents) == _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Hand over what there is, once what was handed over before is stored."""
        self.wait()
        self._writing = self._thread.submit(self._insert, self._documents, self._events)
        self._documents, self._events = [], []

    def wait(self) -> None:
        """Raises the driver's errors."""
        if self._writing is not None:
            self._writing.result()

    def _insert(self, documents: list[RawBSONDocument], events: list[RawBSONDocument]) -> None:
        at = datetime.now(UTC)
        records = [
            {"at": at, "kind": "event", "by": "bench", "roles": [], "read": [], "events": share}
            for start in range(0, len(events), EVENTS_PER_RECORD)
            if (share := events[start : start + EVENTS_PER_RECORD])
        ]
        if documents:
            self._database["followups"].insert_many(documents, ordered=False)
            self._database["commits"].insert_many(records, ordered=False)
        self._advance(len(documents))


Sample: TypeAlias = tuple[Kind, int, Place]


async def fill(uri: str, namespace: str, deputy: str, wanted: Stock, progress: Progress) -> None:
    """Fill a database that is empty, and check it.

    Raises AssertionError where what is stored is not what the service would have stored.
    """
    client = mongo.connect(uri, app="bench")
    plain: MongoClient[Any] = MongoClient(uri, directConnection=True)
    store, database = store_of(client, deputy, namespace)
    counts = Counts(database)
    await store.prepare()
    lives = Lives(tracking_of(deputy, namespace), datetime.now(UTC))
    task = progress.add_task(f"storing for {deputy}", total=sum(wanted.values()))
    writer = _Writer(plain[database.name], partial(progress.advance, task))
    samples: dict[Kind, Sample] = {}
    total: Counter[Counted] = Counter()
    for kind, number, places in _places(wanted, random.Random(database.name)):
        mould = Mould(lives.of(kind, number, BLANK))
        for place in places:
            writer.add(*mould.copy(place))
        for counted, change in mould.counts(places):
            total[counted] += change
        samples[kind] = (kind, number, places[-1])
        if len(total) > _COUNTED_AT_ONCE:
            await _add(counts, total, client)
            total.clear()
    await _add(counts, total, client)
    writer.flush()
    writer.wait()
    for sample in samples.values():
        await check(lives.of(*sample).change, store, database)
    await check_counts(store, database)
    progress.remove_task(task)
    client.close()
    plain.close()


def _places(wanted: Stock, chance: random.Random) -> Iterator[tuple[Kind, int, list[Place]]]:
    """By kind and day, the kinds spread evenly over the days."""
    for number in range(DAYS):
        for kind, count in wanted.items():
            of_day = count * (number + 1) // DAYS - count * number // DAYS
            if of_day:
                yield kind, number, [_place(chance) for _ in range(of_day)]


def _place(chance: random.Random) -> Place:
    bits = chance.getrandbits(128)
    province, axis = PROVINCES[bits % len(PROVINCES)], AXES[(bits >> 64) % len(AXES)]
    return Place(str(UUID(int=bits, version=4)), province.code, axis.id)


async def _add(counts: Counts, total: Counter[Counted], client: mongo.Client) -> None:
    async with mongo.transaction(client) as session:
        await counts.add(total, session)


async def check(meant: Change, store: MongoFollowupRepository, database: mongo.Database) -> None:
    """A stored copy is what the service's own code makes of that life, and reads as that."""
    id_ = meant.after.followup_id
    assert await database["followups"].find_one({"_id": id_}) == stored(meant)
    assert await store.get(id_) == meant.after
    assert [entry.event for entry in await store.history(id_)] == meant.events


async def check_counts(store: MongoFollowupRepository, database: mongo.Database) -> None:
    """The counters by province say what is stored."""
    found: dict[str, dict[str, int]] = {}
    by = {"province": "$province", "state": "$state", "level": "$level"}
    async for row in database["followups"].aggregate([{"$group": {"_id": by, "n": {"$sum": 1}}}]):
        names = found.setdefault(row["_id"]["province"], Counter())
        names[f"state:{row['_id']['state']}"] += row["n"]
        if row["_id"]["level"] and row["_id"]["state"] not in ENDED:
            names[f"overdue:{row['_id']['level']}"] += row["n"]
    counted = {
        province: {name: n for name, n in names.items() if name.startswith(("state", "over")) and n}
        for province, names in (await store.counts(By.PROVINCE)).items()
    }
    assert counted == found


async def _measure(uri: str, wanted: Stock, progress: Progress) -> Mapping[str, float]:
    begun = time.monotonic()
    await fill(uri, "b", "civil", wanted, progress)
    seconds = time.monotonic() - begun
    sizes: dict[str, float] = {"seconds": seconds}
    with MongoClient[Document](uri, directConnection=True) as client:
        for name in ("followups", "commits", "counts"):
            found = client["bfollowups_civil"].command("collStats", name)
            sizes |= {f"{name}, {key}": found[key] for key in ("count", "size", "storageSize")}
            sizes[f"{name}, indexes"] = found["totalIndexSize"]
    return sizes


def main(
    stored: Annotated[int, typer.Option(help="Follow-ups.")] = 1_000_000,
    verified: Annotated[int, typer.Option(help="Of a hundred, verified.")] = 70,
    overdue: Annotated[
        tuple[int, int, int], typer.Option(help="Of a hundred, overdue by level.")
    ] = (1, 1, 3),
    due: Annotated[int, typer.Option(help="On top: due now, and not announced yet.")] = 0,
    output: Annotated[Path | None, typer.Option(help="A JSON file for the figures.")] = None,
) -> None:
    """Fill one deputy's database, check it against the service's own code, and say how long it
    took."""
    wanted = stock(stored, verified, overdue, due)
    with (
        tempfile.TemporaryDirectory(prefix="peygir-bench-") as folder,
        on_a_cluster(Path(folder), _console) as (cluster, progress),
    ):
        found = asyncio.run(_measure(cluster.mongodb_uri, wanted, progress))
    table = Table("", "", title=f"{sum(wanted.values()):,} follow-ups stored")
    for name, figure in found.items():
        table.add_row(name, f"{figure:,.0f}")
    _console.print(table)
    save(output, stored=wanted, **found)


if __name__ == "__main__":
    typer.run(main)
