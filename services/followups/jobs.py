"""Periodic work besides due dates: it removes uploads that never became evidence."""

from __future__ import annotations

import structlog

from shared.runtime.files import Uploads

_log = structlog.get_logger(__name__)


async def clear(uploads: Uploads) -> None:
    """Remove the remains of abandoned uploads. Raises the driver's errors."""
    cleared = await uploads.clear()
    if cleared:
        _log.info("uploads that were given up are removed", uploads=cleared)
