"""The HTTP that every service speaks in the same way: errors, lists, limits, health, pages."""

from shared.runtime.http.app import create_app
from shared.runtime.http.lists import Limit, Page, SortKeys

__all__ = ["Limit", "Page", "SortKeys", "create_app"]
