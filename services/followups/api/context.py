"""Whose follow-ups this process serves, how they are found, and how a refusal is answered."""

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
from services.followups.handlers import (
    HandlerContext,
    ManyFollowups,
    MovableFollowups,
    UnknownFollowup,
    Uploads,
)
from shared.messaging.core.errors import StillRecovering
from shared.messaging.core.model import Entry
from shared.runtime.http.refusals import refusal
from shared.runtime.idempotent_replies import Replies
from shared.runtime.list_queries import ListQuery, Value
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
}
"""The field of the body that a refusal is about."""

_REMEMBERED: Final = 10_000  # ids, some 2 MB


class ReadableFollowups(MovableFollowups, ManyFollowups, Protocol):
    """What the API needs of a store besides what the handlers do."""

    @property
    def replies(self) -> Replies: ...
    async def number(self) -> int: ...
    def ids(self, fields: Mapping[str, Collection[Value]]) -> AsyncIterator[Sequence[str]]: ...
    async def page(self, query: ListQuery) -> Sequence[Followup]: ...
    async def history(self, followup_id: str) -> Sequence[Entry]: ...
    async def counts(
        self, by: By, as_of: date | None = None
    ) -> Mapping[str, Mapping[str, int]]: ...


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class ApiContext:
    """One deputy's follow-ups and the rules of their tracking."""

    kept: ReadableFollowups
    context: HandlerContext
    uploads: Uploads
    require: Callable[[], None] = _nothing  # raises PyMongoError while `kept` may not be used

    @property
    def store(self) -> ReadableFollowups:
        """The follow-ups. Raises PyMongoError while nothing may be decided on them."""
        self.require()
        return self.kept


class ApiContexts:
    """The desks of the deputies that this process serves."""

    def __init__(self, contexts: Mapping[str, ApiContext]) -> None:
        self._desks = contexts
        self._found: dict[str, str] = {}  # deputy by follow-up id, the longest known first

    @property
    def first(self) -> ApiContext:
        """Of all, always the same one."""
        return self._desks[min(self._desks)]

    def wanted(
        self, deputies: Collection[str] = (), field: str = "deputy"
    ) -> Mapping[str, ApiContext]:
        """Those that a request is about; all where it names none.

        Raises Problem 422 for one of nobody's.
        """
        if not self._desks.keys() >= set(deputies):
            raise invalid_field(
                field, sentence("not served here; served are {served}", served=list(self._desks))
            )
        return {d: api for d, api in self._desks.items() if not deputies or d in deputies}

    async def find(self, followup_id: str) -> tuple[ApiContext, Followup]:
        """Find a follow-up wherever it is kept: an id does not tell whose it is for ever.

        Where it was found last is asked first, and everybody where it is there no more. Raises
        Problem 404, and 503 where it may be with one that does not answer.
        """
        last = self._found.get(followup_id)
        if last is not None:
            followup = await self._desks[last].store.get(followup_id)
            if followup is not None:
                return self._desks[last], followup
        return await self._search(followup_id)

    async def _search(self, followup_id: str) -> tuple[ApiContext, Followup]:
        async def look(api: ApiContext) -> tuple[ApiContext, Followup | None]:
            return api, await api.store.get(followup_id)

        answers, partial = await ask(self._desks, look)
        for api, followup in answers:
            if followup is not None:
                self._remember(followup_id, api.context.deputy)
                return api, followup
        if partial:
            template = "not found, but these deputies' databases do not answer: {partial}"
            told = sentence(template, partial=partial)
            raise Problem(503, "unavailable", "Part of the data is not available", told)
        raise not_found(sentence("no follow-up {followup_id}", followup_id=followup_id))

    def _remember(self, followup_id: str, deputy: str) -> None:
        self._found.pop(followup_id, None)
        self._found[followup_id] = deputy
        if len(self._found) > _REMEMBERED:
            del self._found[next(iter(self._found))]


async def ask(
    contexts: Mapping[str, ApiContext], question: Callable[[ApiContext], Awaitable[Result]]
) -> tuple[list[Result], list[str]]:
    """Ask several deputies' databases at once; name those that do not answer.

    Raises Problem 503 where none does.
    """

    async def answer_of(
        api: ApiContext,
    ) -> Result:  # one whose database is not to be had says so here
        return await question(api)

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
    if not results:
        raise unavailable("no deputy's database answers; try again")
    return results, partial


@contextmanager
def problems(followup_id: str) -> Iterator[None]:
    """Turn what a handler refuses into a problem."""
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
