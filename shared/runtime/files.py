"""Files in MongoDB that take effect with a transaction, or never.

They are stored in the layout of GridFS, so that any tool for it can read them. Each chunk is
written as soon as it is full, so memory holds one chunk; the driver's own writer would hold 32 MB.
Readers see a file by its document, which is inserted in the transaction that refers to the file.
Until then a mark shows that an upload owns the chunks. Chunks of an abandoned upload are removed.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

import structlog
from bson.int64 import Int64
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import PyMongoError

from shared.runtime.clocks import MachineClock
from shared.runtime.mongo import ClientSession, Collection, Database, Document, ensure_indexes
from shared.runtime.refused_rights import refused_right
from shared.runtime.uploads import FileDamaged, ReceivedFile, UploadLost

CHUNK_BYTES: Final = 255 * 1024  # GridFS's default: with its metadata a document of 256 KiB
_CHUNKS_PER_FETCH: Final = 4
_LOST: Final = "the upload said nothing for so long that it counted as abandoned; send it again"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that has taken effect."""

    id: str
    size: int  # bytes


class Files:
    """The files of one kind in one database that have taken effect."""

    def __init__(self, database: Database, name: str) -> None:
        self._files: Collection = database[f"{name}.files"]
        self.chunks: Collection = database[f"{name}.chunks"]
        self.marks: Collection = database[f"{name}.uploads"]

    async def prepare(self) -> None:
        """Create the indexes. Safe to repeat."""
        by_position = IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
        await ensure_indexes(self.chunks, [by_position])
        by_name = IndexModel([("filename", ASCENDING), ("uploadDate", ASCENDING)])
        await ensure_indexes(self._files, [by_name])

    async def keep(self, received: ReceivedFile, at: datetime, session: ClientSession) -> None:
        """Let an upload take effect with the session's transaction; `at` is its date (UTC).

        Raises UploadLost.
        """
        mark = {"_id": received.upload, "abandoned": {"$exists": False}}
        if (await self.marks.delete_one(mark, session=session)).deleted_count == 0:
            raise UploadLost(_LOST)
        file = {
            "_id": received.upload,
            "length": Int64(received.size),
            "chunkSize": CHUNK_BYTES,
            "uploadDate": at,
            "filename": received.name,
        }
        await self._files.insert_one(file, session=session)

    async def find(self, name: str) -> StoredFile | None:
        """The file of that name; if there are several, the latest."""
        found = await self._files.find_one({"filename": name}, sort=[("uploadDate", DESCENDING)])
        return None if found is None else StoredFile(found["_id"], found["length"])

    async def read(self, file: StoredFile, sha256: str) -> AsyncIterator[bytes]:
        """The file's bytes, chunk by chunk.

        The last chunk is withheld until the hash of all of them is right: raises FileDamaged.
        """
        digest, size, last = hashlib.sha256(), 0, b""
        found = self.chunks.find({"files_id": file.id}, batch_size=_CHUNKS_PER_FETCH)
        async for chunk in found.sort([("n", ASCENDING)]):
            if last:
                yield last
            last = chunk["data"]
            digest.update(last)
            size += len(last)
        if (size, digest.hexdigest()) != (file.size, sha256):
            raise FileDamaged(f"the file {file.id} is not what was taken")
        yield last


class Upload:
    """A file that is being received: stored chunk by chunk, and hashed."""

    def __init__(self, uploads: Uploads) -> None:
        self.id = uuid4().hex
        self.size = 0
        self.heartbeat_due = 0.0  # on the monotonic clock
        self._uploads = uploads
        self._hash = hashlib.sha256()
        self._rest = bytearray()
        self._chunks = 0

    @property
    def sha256(self) -> str:
        """The hash of all bytes so far, in hexadecimal."""
        return self._hash.hexdigest()

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises UploadLost and the driver's errors."""
        self._hash.update(data)
        self.size += len(data)
        self._rest += data
        while len(self._rest) >= CHUNK_BYTES:
            await self._store(bytes(self._rest[:CHUNK_BYTES]))
            del self._rest[:CHUNK_BYTES]

    async def finish(self) -> None:
        """Store the rest. The file is then complete, but has not taken effect."""
        if self._rest:
            await self._store(bytes(self._rest))
            self._rest.clear()

    async def _store(self, chunk: bytes) -> None:
        await self._uploads.store(self, self._chunks, chunk)
        self._chunks += 1


class Uploads:
    """The unfinished uploads of files of one kind to one database."""

    def __init__(self, files: Files, clock: MachineClock, abandoned_seconds: float) -> None:
        """An upload without a heartbeat for `abandoned_seconds` counts as abandoned."""
        self._chunks = files.chunks
        self._marks = files.marks
        self._clock = clock
        self._abandoned_millis = int(abandoned_seconds * 1_000)
        self._heartbeat_seconds = abandoned_seconds / 4

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[Upload]:
        """Receive a file. On leaving the block it is removed, unless a transaction has kept it.

        If the database does not answer at that time, or the process is killed, `clear` removes
        it later.
        """
        upload = Upload(self)
        await self._beat(upload, first=True)
        try:
            yield upload
        finally:
            try:
                await self._remove({"_id": upload.id})
            except PyMongoError as error:
                why = refused_right(error) or type(error).__name__
                _log.warning("an upload is left to be cleared", error=why)

    async def store(self, upload: Upload, number: int, chunk: bytes) -> None:
        """Store one chunk. Raises UploadLost."""
        if self._clock.monotonic() >= upload.heartbeat_due:
            await self._beat(upload)
        await self._chunks.insert_one({"files_id": upload.id, "n": number, "data": chunk})

    async def clear(self, limit: int = 100) -> int:
        """Remove what abandoned uploads left, of at most `limit` uploads; return how many.

        Safe to run in several processes at once, and to interrupt at any point.
        """
        silent = {"$lt": ["$at", {"$subtract": ["$$NOW", self._abandoned_millis]}]}
        abandoned = {"$or": [{"abandoned": True}, {"$expr": silent}]}
        marks = await self._marks.find(abandoned).to_list(limit)
        return sum([await self._remove({"_id": m["_id"], "at": m["at"]}) for m in marks])

    async def _beat(self, upload: Upload, *, first: bool = False) -> None:
        """Record that an upload goes on, by MongoDB's clock, which all processes share."""
        asked = self._clock.monotonic()
        heartbeat: list[Document] = [{"$set": {"at": "$$NOW"}}]
        mark: Document = {"_id": upload.id, "abandoned": {"$exists": False}}
        updated = await self._marks.update_one(mark, heartbeat, upsert=first)
        if not (updated.matched_count or first):
            raise UploadLost(_LOST)
        upload.heartbeat_due = asked + self._heartbeat_seconds

    async def _remove(self, mark: Document) -> bool:
        """Remove an upload if it still has this mark; return whether it had.

        The mark is claimed first. The claim waits for a transaction that keeps the file, if one
        is running; after it the upload can neither go on nor take effect.
        """
        claimed = await self._marks.update_one(mark, {"$set": {"abandoned": True}})
        if claimed.matched_count == 0:
            return False
        await self._chunks.delete_many({"files_id": mark["_id"]})
        await self._marks.delete_one({"_id": mark["_id"]})
        return True
