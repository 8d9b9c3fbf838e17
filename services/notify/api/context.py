"""What the routes need of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from services.notify.domain.notices import Notice
from shared.runtime.list_queries import ListQuery


class ReadableNotices(Protocol):
    """What the API needs of a store."""

    async def get(self, notice_id: str) -> Notice | None: ...
    async def page(self, query: ListQuery) -> Sequence[Notice]: ...
