"""Files in MongoDB that take effect with a transaction, or never.

They lie in the layout of GridFS, so that every tool that knows it reads them; a piece of one is
written as soon as it is whole, so that memory holds one piece, where the driver's own writer holds
32 MB of them. The file's document, without which no reader sees a file, is inserted in the
transaction that tells of it. Until then a mark says that the pieces are somebody's: who
never comes to an end, is cleared away.
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
from shared.runtime.uploads import FileDamaged, ReceivedFile, UploadLost

PIECE_BYTES: Final = 255 * 1024  # as GridFS has it: a document of 256 KiB with what surrounds it
_PIECES_A_FETCH: Final = 4
_LOST: Final = "the upload said nothing for so long that it counted as abandoned; send it again"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that took effect."""

    id: str
    size: int  # bytes


class Files:
    """The files of one kind in one database that took effect."""

    def __init__(self, database: Database, name: str) -> None:
        self._files: Collection = database[f"{name}.files"]
        self.pieces: Collection = database[f"{name}.chunks"]
        self.marks: Collection = database[f"{name}.uploads"]

    async def prepare(self) -> None:
        """Create the indexes. Safe to repeat."""
        place = IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)
        await ensure_indexes(self.pieces, [place])
        named = IndexModel([("filename", ASCENDING), ("uploadDate", ASCENDING)])
        await ensure_indexes(self._files, [named])

    async def keep(self, kept: ReceivedFile, at: datetime, session: ClientSession) -> None:
        """Let an upload take effect with the session's transaction, at an instant (UTC).

        Raises UploadLost.
        """
        mark = {"_id": kept.upload, "abandoned": {"$exists": False}}
        if (await self.marks.delete_one(mark, session=session)).deleted_count == 0:
            raise UploadLost(_LOST)
        file = {
            "_id": kept.upload,
            "length": Int64(kept.size),
            "chunkSize": PIECE_BYTES,
            "uploadDate": at,
            "filename": kept.name,
        }
        await self._files.insert_one(file, session=session)

    async def find(self, name: str) -> StoredFile | None:
        """The file of that name, the latest where there are several."""
        found = await self._files.find_one({"filename": name}, sort=[("uploadDate", DESCENDING)])
        return None if found is None else StoredFile(found["_id"], found["length"])

    async def read(self, file: StoredFile, sha256: str) -> AsyncIterator[bytes]:
        """The file's bytes, piece by piece.

        The last piece comes only where all of them are what was taken: raises FileDamaged.
        """
        digest, size, last = hashlib.sha256(), 0, b""
        found = self.pieces.find({"files_id": file.id}, batch_size=_PIECES_A_FETCH)
        async for piece in found.sort([("n", ASCENDING)]):
            if last:
                yield last
            last = piece["data"]
            digest.update(last)
            size += len(last)
        if (size, digest.hexdigest()) != (file.size, sha256):
            raise FileDamaged(f"the file {file.id} is not what was taken")
        yield last


class Upload:
    """A file while it comes in: piece by piece, hashed on the way."""

    def __init__(self, uploads: Uploads) -> None:
        self.id = uuid4().hex
        self.size = 0
        self.word_due = 0.0  # on the monotonic clock: when it has to say that it goes on
        self._uploads = uploads
        self._hash = hashlib.sha256()
        self._rest = bytearray()
        self._pieces = 0

    @property
    def sha256(self) -> str:
        """Of all that came, as hexadecimal figures."""
        return self._hash.hexdigest()

    async def write(self, data: bytes) -> None:
        """Take what comes next. Raises UploadLost and the driver's errors."""
        self._hash.update(data)
        self.size += len(data)
        self._rest += data
        while len(self._rest) >= PIECE_BYTES:
            await self._store(bytes(self._rest[:PIECE_BYTES]))
            del self._rest[:PIECE_BYTES]

    async def finish(self) -> None:
        """Store what is left. The file is whole then, and has no effect yet."""
        if self._rest:
            await self._store(bytes(self._rest))
            self._rest.clear()

    async def _store(self, piece: bytes) -> None:
        await self._uploads.store(self, self._pieces, piece)
        self._pieces += 1


class Uploads:
    """Files of one kind on their way into one database."""

    def __init__(self, files: Files, clock: MachineClock, abandoned_seconds: float) -> None:
        """`abandoned_seconds`: without a word for so long, an upload counts as given up."""
        self._pieces = files.pieces
        self._marks = files.marks
        self._clock = clock
        self._abandoned_millis = int(abandoned_seconds * 1_000)
        self._word_seconds = abandoned_seconds / 4

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[Upload]:
        """A file to come. On leaving it is gone, unless a transaction has kept it.

        Where the database does not answer just then, or the process is killed, `clear` removes
        it later.
        """
        upload = Upload(self)
        await self._say(upload, first=True)
        try:
            yield upload
        finally:
            try:
                await self._remove({"_id": upload.id})
            except PyMongoError as error:
                _log.warning("an upload is left to be cleared", error=type(error).__name__)

    async def store(self, upload: Upload, number: int, piece: bytes) -> None:
        """Store one piece. Raises UploadLost."""
        if self._clock.monotonic() >= upload.word_due:
            await self._say(upload)
        await self._pieces.insert_one({"files_id": upload.id, "n": number, "data": piece})

    async def clear(self, limit: int = 100) -> int:
        """Remove what abandoned uploads left, at most so many of them; return how many.

        Safe to run in several processes at once, and to be broken off anywhere.
        """
        silent = {"$lt": ["$at", {"$subtract": ["$$NOW", self._abandoned_millis]}]}
        given_up = {"$or": [{"abandoned": True}, {"$expr": silent}]}
        marks = await self._marks.find(given_up).to_list(limit)
        return sum([await self._remove({"_id": m["_id"], "at": m["at"]}) for m in marks])

    async def _say(self, upload: Upload, *, first: bool = False) -> None:
        """Say that an upload goes on. By MongoDB's clock, which all processes share."""
        asked = self._clock.monotonic()
        word: list[Document] = [{"$set": {"at": "$$NOW"}}]
        mark: Document = {"_id": upload.id, "abandoned": {"$exists": False}}
        said = await self._marks.update_one(mark, word, upsert=first)
        if not (said.matched_count or first):
            raise UploadLost(_LOST)
        upload.word_due = asked + self._word_seconds

    async def _remove(self, mark: Document) -> bool:
        """Remove an upload as long as it has this mark; whether it had it.

        The mark is claimed first. That waits for a transaction that keeps the file, if one is
        under way, and from then on the upload can neither go on nor take effect.
        """
        claimed = await self._marks.update_one(mark, {"$set": {"abandoned": True}})
        if claimed.matched_count == 0:
            return False
        await self._pieces.delete_many({"files_id": mark["_id"]})
        await self._marks.delete_one({"_id": mark["_id"]})
        return True
