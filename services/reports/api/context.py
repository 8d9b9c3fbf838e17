"""What the routes need, and how a refusal becomes a problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.reports.domain.circulars import Circular
from services.reports.domain.decisions import Faulty, UnknownSession
from services.reports.domain.reads import RestrictedRead
from services.reports.domain.records import Expectation
from services.reports.handlers import CircularRepository, ExpectationRepository, HandlerContext
from shared.runtime.http.refusals import refusal
from shared.runtime.idempotent_replies import Replies
from shared.runtime.list_queries import ListQuery
from shared.runtime.problems import Problem, invalid_field
from shared.runtime.refusals import Refused


class ReadableExpectations(ExpectationRepository, Protocol):
    """What the API needs of the store of expectations, besides what the handlers need."""

    @property
    def replies(self) -> Replies: ...
    async def of_report(self, report_id: str) -> Expectation | None: ...
    async def page(self, query: ListQuery) -> Sequence[Expectation]: ...
    async def page_of_reports(self, query: ListQuery) -> Sequence[Expectation]: ...


class ReadableCirculars(CircularRepository, Protocol):
    """What the API needs of the store of circulars, besides what the handlers need."""

    @property
    def replies(self) -> Replies: ...
    async def page(self, query: ListQuery) -> Sequence[Circular]: ...


class ReadLog(Protocol):
    """Keeps who read what is restricted; nothing is ever changed or removed."""

    def now(self) -> datetime:
        """Machine time: aware, UTC."""
        ...

    async def add(self, read: RestrictedRead) -> None:
        """Keep it for good. If this fails, nothing may be shown."""
        ...


@dataclass(frozen=True, slots=True)
class ApiContext:
    """The stores that the routes read and change, and the context of the handlers."""

    store: ReadableExpectations
    circulars: ReadableCirculars
    context: HandlerContext
    reads: ReadLog


@contextmanager
def problems() -> Iterator[None]:
    """Turn a refusal into a Problem."""
    try:
        yield
    except Refused as refused:
        raise _problem(refused) from refused


def _problem(refused: Refused) -> Problem:
    if isinstance(refused, Faulty):
        return invalid_field(refused.field, str(refused))
    if isinstance(refused, UnknownSession):
        return invalid_field("session_id", str(refused))
    return refusal(refused)
