"""The deputies that this process serves, how a follow-up is found, and refusals as problems."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol, TypeVar

import structlog
from pymongo.errors import PyMongoError

from services.followups.domain.absences import BadFirstDay, BadLastDay, BadSubstitute
from services.followups.domain.evidence import BadName, EmptyFile
from services.followups.domain.records import Followup
from services.followups.domain.refusals import BadBlocker, BadDueDate, BadProgress, ReasonMissing
from services.followups.domain.scores import By
from services.followups.domain.teamwork import (
    BadDelegate,
    BadPredecessor,
    BadUntil,
    DueAfterFollowup,
    NoPart,
    UnknownItem,
)
from services.followups.domain.visibility import sees
from services.followups.handlers import (
    HandlerContext,
    ManyFollowups,
    MovableFollowups,
    UnknownFollowup,
    Uploads,
)
from shared.messaging.core.errors import StillRecovering
from shared.messaging.core.model import Entry
from shared.runtime.access import Action, Reach, reach
from shared.runtime.clocks import DomainClock
from shared.runtime.http.refusals import refusal
from shared.runtime.idempotent_replies import Replies
from shared.runtime.list_queries import ListQuery, Value, Within
from shared.runtime.principals import Principal
from shared.runtime.problems import Problem, invalid_field, not_found, unavailable
from shared.runtime.refusals import Refused
from shared.runtime.sentences import sentence
from shared.runtime.uploads import UploadLost

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_FIELDS: Final = {
    BadProgress: "progress",
    BadDueDate: "due_on",
    BadBlocker: "blocked_by",
    ReasonMissing: "note",
    BadDelegate: "to",
    BadUntil: "until",
    DueAfterFollowup: "due_on",
    NoPart: "body",
    BadPredecessor: "predecessor",
    BadName: "name",
    EmptyFile: "body",
    BadSubstitute: "substitute",
    BadFirstDay: "first_on",
    BadLastDay: "last_on",
}
"""The field of the request body that a refusal is about."""

_REMEMBERED: Final = 10_000  # ids, some 2 MB


class ReadableFollowups(MovableFollowups, ManyFollowups, Protocol):
    """What the API needs of a store, besides what the handlers need."""

    @property
    def replies(self) -> Replies:
        """The stored answers to requests with a key."""
        ...

    async def number(self) -> int:
        """Return the number of follow-ups, as MongoDB estimates it."""
        ...

    def ids(
        self, fields: Mapping[str, Collection[Value]], within: Within | None = None
    ) -> AsyncIterator[Sequence[str]]:
        """Yield the ids of the follow-ups with these fields, some at a time, in no order."""
        ...

    async def page(self, query: ListQuery) -> Sequence[Followup]:
        """Return one page."""
        ...

    async def history(self, followup_id: str) -> Sequence[Entry]:
        """Return everything that happened to a follow-up, by version."""
        ...

    async def counts(self, by: By, as_of: date | None = None) -> Mapping[str, Mapping[str, int]]:
        """Return the counts of scorecards by subject, today or as of the end of a day (Tehran)."""
        ...


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class ApiContext:
    """One deputy's follow-ups, with what the handlers need to act on them."""

    kept: ReadableFollowups
    context: HandlerContext
    uploads: Uploads
    require: Callable[[], None] = _nothing  # raises PyMongoError while `kept` must not be used

    @property
    def store(self) -> ReadableFollowups:
        """The follow-ups. Raises PyMongoError while they must not be used."""
        self.require()
        return self.kept


class ApiContexts:
    """The contexts of the deputies that this process serves."""

    def __init__(self, contexts: Mapping[str, ApiContext], clock: DomainClock) -> None:
        self._contexts = contexts
        self._clock = clock
        self._last_deputies: dict[str, str] = {}  # by follow-up id, the oldest entry first

    @property
    def first(self) -> ApiContext:
        """One of them, always the same."""
        return self._contexts[min(self._contexts)]

    def get(self, deputy: str) -> ApiContext | None:
        """The context of a deputy; None if that deputy is not served here."""
        return self._contexts.get(deputy)

    def select(
        self, deputies: Collection[str] = (), field: str = "deputy"
    ) -> Mapping[str, ApiContext]:
        """The contexts of these deputies; all if there are none.

        Raises Problem 422 about `field` for a deputy that is not served here.
        """
        if not self._contexts.keys() >= set(deputies):
            raise invalid_field(
                field, sentence("not served here; served are {served}", served=list(self._contexts))
            )
        return {d: api for d, api in self._contexts.items() if not deputies or d in deputies}

    async def find(self, followup_id: str, by: Principal) -> tuple[ApiContext, Followup]:
        """Find a follow-up that somebody may see, in any deputy's database: it may move.

        Who may see all is helped by where it was found last. Everybody else has all databases
        asked, so that the time tells nothing of what they may not see.
        Raises Problem 404, and 503 if a database that may have it does not answer.
        """
        read = reach(by, Action.READ_FOLLOWUPS)
        last = self._last_deputies.get(followup_id) if read.everything else None
        if last is not None:
            followup = await self._contexts[last].store.get(followup_id)
            if followup is not None:
                return self._contexts[last], followup
        return await self._search(followup_id, read)

    async def _search(self, followup_id: str, read: Reach) -> tuple[ApiContext, Followup]:
        now = await self._clock.now()

        async def look(api: ApiContext) -> tuple[ApiContext, Followup | None]:
            return api, await api.store.get(followup_id)

        answers, partial = await query_all(self._contexts, look)
        for api, followup in answers:
            if followup is not None and sees(read, followup, now):
                self._remember(followup_id, api.context.deputy)
                return api, followup
        if partial:
            template = "not found, but these deputies' databases do not answer: {partial}"
            detail = sentence(template, partial=partial)
            raise Problem(503, "unavailable", "Part of the data is not available", detail)
        raise not_found(sentence("no follow-up {followup_id}", followup_id=followup_id))

    def _remember(self, followup_id: str, deputy: str) -> None:
        self._last_deputies.pop(followup_id, None)
        self._last_deputies[followup_id] = deputy
        if len(self._last_deputies) > _REMEMBERED:
            del self._last_deputies[next(iter(self._last_deputies))]


async def query_all(
    contexts: Mapping[str, ApiContext], query: Callable[[ApiContext], Awaitable[Result]]
) -> tuple[list[Result], list[str]]:
    """Query several deputies' databases at once; name the deputies whose database does not answer.

    Raises Problem 503 if none answers.
    """
    results, partial = await query_each(contexts, query)
    if not results:
        raise unavailable("no deputy's database answers; try again")
    return results, partial


async def query_each(
    contexts: Mapping[str, ApiContext], query: Callable[[ApiContext], Awaitable[Result]]
) -> tuple[list[Result], list[str]]:
    """The same, also if no database answers."""

    # Within a coroutine, so that `gather` also collects what `query` raises before its first await.
    async def answer_of(api: ApiContext) -> Result:
        return await query(api)

    answers = await asyncio.gather(*map(answer_of, contexts.values()), return_exceptions=True)
    results: list[Result] = []
    partial: list[str] = []
    for deputy, answer in zip(contexts, answers, strict=True):
        if isinstance(answer, PyMongoError | StillRecovering):
            _log.warning("a deputy's database does not answer", deputy=deputy, error=str(answer))
            partial.append(deputy)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            results.append(answer)
    return results, partial


@contextmanager
def problems(followup_id: str) -> Iterator[None]:
    """Turn the refusals of a handler into problems."""
    try:
        yield
    except UnknownFollowup:
        raise not_found(sentence("no follow-up {followup_id}", followup_id=followup_id)) from None
    except UploadLost as lost:
        raise Problem(409, "upload-lost", "The upload was given up", str(lost)) from lost
    except UnknownItem as refused:
        raise not_found(str(refused)) from refused
    except Refused as refused:
        field = _FIELDS.get(type(refused))
        if field is not None:
            raise invalid_field(field, str(refused)) from refused
        raise refusal(refused) from refused
