"""Whose follow-ups this process serves, how they are found, and how a refusal is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import structlog
from pymongo.errors import PyMongoError

from services.followups.domain.decisions import (
    BadDueDate,
    BadProgress,
    NotAllowed,
    ReasonMissing,
    Refused,
)
from services.followups.domain.records import Followup
from services.followups.handlers import Followups, Query, Tracking, UnknownFollowup
from shared.messaging.ledger import Entry
from shared.runtime.problems import Problem, invalid_field, not_found, unavailable

_log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_FIELDS: Final = {BadProgress: "progress", BadDueDate: "due_on", ReasonMissing: "note"}
"""The field of the body that a refusal is about."""


class ReadableFollowups(Followups, Protocol):
    """What the API needs of a store besides what the handlers do."""

    async def page(self, query: Query) -> Sequence[Followup]: ...
    async def history(self, followup_id: str) -> Sequence[Entry]: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """One deputy's follow-ups and the rules of their tracking."""

    store: ReadableFollowups
    tracking: Tracking


def wanted(desks: Mapping[str, Desk], deputy: str | None) -> Mapping[str, Desk]:
    if deputy is None:
        return desks
    if deputy not in desks:
        raise invalid_field("deputy", f"not served here; served are {', '.join(desks)}")
    return {deputy: desks[deputy]}


async def ask(
    desks: Mapping[str, Desk], question: Callable[[Desk], Awaitable[Result]]
) -> tuple[list[Result], list[str]]:
    """Ask several deputies' databases at once; name those that do not answer.

    Raises Problem 503 where none does.
    """
    answers = await asyncio.gather(*(question(d) for d in desks.values()), return_exceptions=True)
    results: list[Result] = []
    partial: list[str] = []
    for deputy, answer in zip(desks, answers, strict=True):
        if isinstance(answer, PyMongoError):
            _log.warning("a deputy's database does not answer", deputy=deputy, error=str(answer))
            partial.append(deputy)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            results.append(answer)
    if not results:
        raise unavailable("no deputy's database answers; try again")
    return results, partial


async def find(desks: Mapping[str, Desk], followup_id: str) -> tuple[Desk, Followup]:
    """Find a follow-up wherever it is kept: an id does not tell whose it is for ever."""

    async def look(desk: Desk) -> tuple[Desk, Followup | None]:
        return desk, await desk.store.get(followup_id)

    answers, partial = await ask(desks, look)
    for desk, followup in answers:
        if followup is not None:
            return desk, followup
    if partial:
        told = f"not found, but these deputies' databases do not answer: {', '.join(partial)}"
        raise Problem(503, "unavailable", "Part of the data is not available", told)
    raise not_found(f"no follow-up {followup_id}")


@contextmanager
def problems(followup_id: str) -> Iterator[None]:
    """Turn what a handler refuses into a problem."""
    try:
        yield
    except UnknownFollowup:
        raise not_found(f"no follow-up {followup_id}") from None
    except Refused as refused:
        field = _FIELDS.get(type(refused))
        if field is not None:
            raise invalid_field(field, str(refused)) from refused
        status = 403 if isinstance(refused, NotAllowed) else 409
        title = "Not allowed" if status == 403 else "Not possible as things stand"
        raise Problem(status, refused.reason, title, str(refused)) from refused
