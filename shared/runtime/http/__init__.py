"""The parts of HTTP that all services share: errors, lists, limits, health, pages."""

from shared.runtime.http.app import create_app
from shared.runtime.http.bodies import LongBody
from shared.runtime.http.idempotency import Once, Repeatable
from shared.runtime.http.limits import RequestLimits
from shared.runtime.http.lists import Limit, Page, SortKeys
from shared.runtime.http.rates import RateLimits, Rates
from shared.runtime.http.requests import NewId, RequestBody, Traceparent

__all__ = [
    "Limit",
    "LongBody",
    "NewId",
    "Once",
    "Page",
    "RateLimits",
    "Rates",
    "Repeatable",
    "RequestBody",
    "RequestLimits",
    "SortKeys",
    "Traceparent",
    "create_app",
]
