"""HTTP under /v1: parse, ask the store, answer."""

from services.notify.api.context import ReadableNotices
from services.notify.api.notices import routes

__all__ = ["ReadableNotices", "routes"]
