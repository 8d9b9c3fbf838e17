"""Files in memory; they pass the same tests as those in MongoDB."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from shared.runtime.uploads import FileDamaged, ReceivedFile, UploadLost


class MemoryUpload:
    """Implements `handlers.Upload`."""

    def __init__(self) -> None:
        self.id = uuid4().hex
        self.content = b""

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    async def write(self, data: bytes) -> None:
        self.content += data

    async def finish(self) -> None:
        pass


class MemoryFiles:
    """Implements `handlers.Uploads`, and the files of a store in memory."""

    def __init__(self) -> None:
        self.under_way: dict[str, MemoryUpload] = {}
        self.kept: dict[str, bytes] = {}

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[MemoryUpload]:
        upload = MemoryUpload()
        self.under_way[upload.id] = upload
        try:
            yield upload
        finally:
            self.under_way.pop(upload.id, None)

    def require(self, kept: ReceivedFile) -> None:
        if kept.upload not in self.under_way:
            raise UploadLost(kept.upload)

    def keep(self, kept: ReceivedFile) -> None:
        self.kept[kept.name] = self.under_way.pop(kept.upload).content

    def read(self, name: str, sha256: str) -> AsyncIterator[bytes] | None:
        content = self.kept.get(name)
        return None if content is None else self._pieces(content, sha256)

    def lose(self, name: str) -> None:
        """Lose a file, as a restored older copy does."""
        del self.kept[name]

    async def _pieces(self, content: bytes, sha256: str) -> AsyncIterator[bytes]:
        if hashlib.sha256(content).hexdigest() != sha256:
            raise FileDamaged(sha256)
        yield content
