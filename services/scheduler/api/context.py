"""What the routes need, and how a refusal becomes a problem."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from services.scheduler.domain.decisions import Invalid
from services.scheduler.domain.records import Resolution, Season, Session
from services.scheduler.handlers import (
    HandlerContext,
    SchedulerRepository,
    UnknownResolution,
    UnknownSession,
)
from shared.runtime.clocks import DomainClock
from shared.runtime.http.refusals import refusal
from shared.runtime.idempotent_replies import Replies
from shared.runtime.list_queries import ListQuery
from shared.runtime.problems import FieldError, invalid, not_found
from shared.runtime.refusals import Refused
from shared.runtime.sentences import sentence


class ReadableRepository(SchedulerRepository, Protocol):
    """What the API needs of the store, besides what the handlers need."""

    @property
    def replies(self) -> Replies: ...
    async def sessions_of_season(self, season: str) -> Sequence[Session]: ...
    async def page_of_seasons(self, query: ListQuery) -> Sequence[Season]: ...
    async def page_of_sessions(self, query: ListQuery) -> Sequence[Session]: ...
    async def page_of_resolutions(self, query: ListQuery) -> Sequence[Resolution]: ...


@dataclass(frozen=True, slots=True)
class ApiContext:
    """The store, the context of the handlers, and the clock."""

    store: ReadableRepository
    context: HandlerContext
    clock: DomainClock


@contextmanager
def problems() -> Iterator[None]:
    """Turn a refusal into a Problem."""
    try:
        yield
    except UnknownSession as unknown:
        raise not_found(sentence("no session {session_id}", session_id=str(unknown))) from None
    except UnknownResolution as unknown:
        raise not_found(
            sentence("no resolution {resolution_id}", resolution_id=str(unknown))
        ) from None
    except Invalid as refused:
        raise invalid([_field(fault.field, fault.detail) for fault in refused.faults]) from refused
    except Refused as refused:
        raise refusal(refused) from refused


def _field(name: str, detail: str) -> FieldError:
    return FieldError(name, detail, "/" + name.replace(".", "/"))
