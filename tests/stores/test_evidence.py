"""Files of evidence in memory and in MongoDB: saved together with their fact or not at all."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import pytest
from gridfs import GridFSBucket
from pymongo import MongoClient

from deploy.local.cluster import Cluster
from services.followups.domain.facts import Fact
from services.followups.domain.records import EvidenceAdded, Followup
from services.followups.handlers import Uploads
from services.followups.store import MongoFollowupRepository
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import CommitContext
from shared.runtime import files
from shared.runtime.clocks import SystemMachineClock
from shared.runtime.files import CHUNK_BYTES, Files
from shared.runtime.mongo import Database
from shared.runtime.uploads import FileDamaged, ReceivedFile, UploadLost
from tests.component.harness import eventually
from tests.stores.databases import temporary_database
from tests.stores.fakes_followups import MemoryFollowups
from tests.stores.followups import CAUSE, new, prepared, step
from tests.unit.followups.examples import ACKNOWLEDGED, LETTER, PHOTO, PROGRESSED

AnyFollowups: TypeAlias = MemoryFollowups | MongoFollowupRepository

SIZES = (1, 1_000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7)
ABANDONED_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Shelf:
    """A store and its uploads."""

    store: AnyFollowups
    uploads: Uploads

    async def put(self, before: Followup, content: bytes, *facts: Fact) -> Followup:
        """Add a file as the handlers do, with further facts in the same change."""
        async with self.uploads.receive() as upload:
            for start in range(0, len(content), 100_000):
                await upload.write(content[start : start + 100_000])
            await upload.finish()
            assert upload.size == len(content)
            piece = a_file(content)
            kept = ReceivedFile(upload.id, upload.size, piece.evidence_id)
            change = replace(step(before, piece, *facts), files=[kept])
            await self.store.save([change], CAUSE)
        return change.after

    async def begun(self) -> Followup:
        first = new("R-1")
        await self.store.save([first], CAUSE)
        return first.after

    async def content(self, piece: EvidenceAdded) -> bytes | None:
        pieces = await self.store.content(piece)
        return None if pieces is None else b"".join([p async for p in pieces])


def a_file(content: bytes) -> EvidenceAdded:
    sha256 = hashlib.sha256(content).hexdigest()
    return replace(PHOTO, evidence_id=sha256[:8], sha256=sha256, bytes=len(content))


def uploads_of(store: MongoFollowupRepository) -> files.Uploads:
    return files.Uploads(store.files, SystemMachineClock(), ABANDONED_SECONDS)


@pytest.fixture(params=["memory", "mongodb"])
async def shelf(request: pytest.FixtureRequest, namespace: str) -> AsyncIterator[Shelf]:
    if request.param == "memory":
        memory = MemoryFollowups()
        yield Shelf(memory, memory.files)
        return
    async with temporary_database(request.getfixturevalue("cluster"), namespace) as database:
        real = await prepared(database)
        yield Shelf(real, files.Uploads(real.files, SystemMachineClock(), 60))


async def test_an_added_file_can_be_read(shelf: Shelf) -> None:
    followup = await shelf.begun()
    for size in SIZES:
        content = bytes(n % 251 for n in range(size))
        followup = await shelf.put(followup, content)
        assert await shelf.content(a_file(content)) == content
    assert await shelf.store.get(followup.followup_id) == followup
    assert [piece.bytes for piece in followup.evidence] == list(SIZES)


async def test_links_are_only_in_the_follow_up(shelf: Shelf) -> None:
    first = await shelf.begun()
    change = step(first, LETTER)
    await shelf.store.save([change], CAUSE)
    found = await shelf.store.get(first.followup_id)
    assert found == change.after
    assert found.evidence == (LETTER,)


async def test_an_upload_without_a_change_is_not_there(shelf: Shelf) -> None:
    await shelf.begun()
    async with shelf.uploads.receive() as upload:
        await upload.write(b"x" * 2 * CHUNK_BYTES)
        await upload.finish()
    assert await shelf.content(a_file(b"x" * 2 * CHUNK_BYTES)) is None


async def test_a_stale_change_saves_neither_fact_nor_file(shelf: Shelf) -> None:
    first = await shelf.begun()
    other = step(first, ACKNOWLEDGED)
    await shelf.store.save([other], CAUSE)
    with pytest.raises(Stale):
        await shelf.put(first, b"late")
    assert await shelf.content(a_file(b"late")) is None
    assert await shelf.store.get(first.followup_id) == other.after


async def test_an_upload_takes_effect_once(shelf: Shelf) -> None:
    first = await shelf.begun()
    async with shelf.uploads.receive() as upload:
        await upload.write(b"once")
        await upload.finish()
        kept = ReceivedFile(upload.id, upload.size, "e")
        change = replace(step(first, replace(a_file(b"once"), evidence_id="e")), files=[kept])
        await shelf.store.save([change], CAUSE)
        again = replace(step(change.after, PROGRESSED), files=[kept])
        with pytest.raises(UploadLost):
            await shelf.store.save([again], CAUSE)
    assert await shelf.store.get(first.followup_id) == change.after


async def test_a_lost_file_is_stored_again_without_a_fact(shelf: Shelf) -> None:
    """As after a restored copy: the fact comes from the topic, which has no content."""
    first = await shelf.begun()
    piece = a_file(b"lost")
    known = step(first, piece)
    await shelf.store.save([known], CommitContext("recovery", "recovery"))
    assert await shelf.content(piece) is None
    async with shelf.uploads.receive() as upload:
        await upload.write(b"lost")
        await upload.finish()
        kept = ReceivedFile(upload.id, upload.size, piece.evidence_id)
        await shelf.store.save([replace(step(known.after), files=[kept])], CAUSE)
    assert await shelf.content(piece) == b"lost"
    assert await shelf.store.get(first.followup_id) == known.after


# -- MongoDB alone ------------------------------------------------------------------------------


async def left(database: Database) -> list[int]:
    """Return the numbers of files, chunks and marks."""
    names = ("evidence.files", "evidence.chunks", "evidence.uploads")
    return [await database[name].count_documents({}) for name in names]


async def test_nothing_remains_of_an_upload_that_was_not_kept(database: Database) -> None:
    uploads = uploads_of(await prepared(database))
    for broken in (None, OSError("away"), asyncio.CancelledError()):
        try:
            async with uploads.receive() as upload:
                await upload.write(b"x" * 2 * CHUNK_BYTES)
                assert await left(database) == [0, 2, 1]
                if broken is not None:
                    raise broken
        except (OSError, asyncio.CancelledError):
            pass
        assert await left(database) == [0, 0, 0]


async def test_a_kept_file_has_no_mark_and_is_readable_by_gridfs(
    cluster: Cluster, database: Database
) -> None:
    store = await prepared(database)
    shelf = Shelf(store, uploads_of(store))
    content = b"abc" * CHUNK_BYTES
    await shelf.put(await shelf.begun(), content)
    assert await left(database) == [1, 3, 0]

    def downloaded() -> bytes:
        with MongoClient[dict[str, object]](cluster.mongodb_uri) as client:
            bucket = GridFSBucket(client[database.name], "evidence")
            return bucket.open_download_stream_by_name(a_file(content).evidence_id).read()

    assert await asyncio.to_thread(downloaded) == content


async def crashed(files_: Files) -> str:
    """Leave an upload as a killed process does: without closing it."""
    receiving = files.Uploads(files_, SystemMachineClock(), ABANDONED_SECONDS).receive()
    upload = await receiving.__aenter__()
    await upload.write(b"x" * 2 * CHUNK_BYTES)
    _CRASHED.append(receiving)  # otherwise it would be closed and removed
    return upload.id


_CRASHED: list[object] = []


async def test_uploads_of_a_killed_process_are_cleared_after_a_while(database: Database) -> None:
    store = await prepared(database)
    await crashed(store.files)
    uploads = uploads_of(store)
    assert await uploads.clear() == 0, "it may still go on"
    assert await left(database) == [0, 2, 1]

    async def cleared() -> bool:
        return await uploads.clear() == 1

    await eventually(cleared, 10, "clearing")
    assert await left(database) == [0, 0, 0]
    assert await uploads.clear() == 0


async def test_interrupted_clearing_goes_on(database: Database) -> None:
    store = await prepared(database)
    id_ = await crashed(store.files)
    await database["evidence.uploads"].update_one({"_id": id_}, {"$set": {"abandoned": True}})
    assert await uploads_of(store).clear() == 1
    assert await left(database) == [0, 0, 0]


async def test_concurrent_clearing_removes_each_upload_once(database: Database) -> None:
    store = await prepared(database)
    for _ in range(5):
        await crashed(store.files)
    await asyncio.sleep(ABANDONED_SECONDS + 0.1)  # by MongoDB's clock, which cannot be simulated
    await asyncio.gather(*(uploads_of(store).clear() for _ in range(4)))
    assert await left(database) == [0, 0, 0]


async def test_an_active_upload_is_not_cleared_however_long_it_takes(
    database: Database,
) -> None:
    store = await prepared(database)
    shelf, first = Shelf(store, uploads_of(store)), None
    first = await shelf.begun()
    content = b"x" * CHUNK_BYTES
    async with shelf.uploads.receive() as upload:
        for _ in range(10):
            await upload.write(content)
            await asyncio.sleep(ABANDONED_SECONDS / 5)
            assert await uploads_of(store).clear() == 0
        await upload.finish()
        piece = a_file(content * 10)
        kept = ReceivedFile(upload.id, upload.size, piece.evidence_id)
        await store.save([replace(step(first, piece), files=[kept])], CAUSE)
    assert await shelf.content(piece) == content * 10


@pytest.mark.parametrize("goes_on", [True, False])
async def test_a_cleared_upload_can_neither_go_on_nor_be_kept(
    database: Database, goes_on: bool
) -> None:
    store = await prepared(database)
    shelf = Shelf(store, uploads_of(store))
    first = await shelf.begun()
    async with shelf.uploads.receive() as upload:
        await upload.write(b"x" * CHUNK_BYTES)
        await asyncio.sleep(ABANDONED_SECONDS + 0.1)  # by MongoDB's clock
        assert await uploads_of(store).clear() == 1
        kept = ReceivedFile(upload.id, upload.size, "e")
        late = replace(step(first, PHOTO), files=[kept])
        with pytest.raises(UploadLost):
            await (upload.write(b"x" * CHUNK_BYTES) if goes_on else store.save([late], CAUSE))
    assert await left(database) == [0, 0, 0]
    assert await store.get(first.followup_id) == first


async def damaged(database: Database, content: bytes) -> tuple[Shelf, EvidenceAdded]:
    store = await prepared(database)
    shelf = Shelf(store, uploads_of(store))
    followup = await shelf.put(await shelf.begun(), content)
    return shelf, followup.evidence[0]


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_reading_a_damaged_file_fails(database: Database, number: int) -> None:
    shelf, piece = await damaged(database, b"x" * (2 * CHUNK_BYTES + 5))
    chunk = {"n": number}
    stored = await database["evidence.chunks"].find_one(chunk)
    assert stored is not None
    await database["evidence.chunks"].update_one(
        chunk, {"$set": {"data": b"y" + stored["data"][1:]}}
    )
    pieces = await shelf.store.content(piece)
    assert pieces is not None
    for _ in range(2):
        assert len(await anext(pieces)) == CHUNK_BYTES
    with pytest.raises(FileDamaged):
        await anext(pieces)


async def test_a_file_without_its_chunks_cannot_be_read(database: Database) -> None:
    shelf, piece = await damaged(database, b"x" * (2 * CHUNK_BYTES + 5))
    await database["evidence.chunks"].delete_one({"n": 2})
    with pytest.raises(FileDamaged):
        await shelf.content(piece)
