"""Scorecards of today and of any past day, as JSON and as files for people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.followups.api.context import ApiContext, ApiContexts, query_all
from services.followups.domain.scorecard_table import Row, ScorecardTable, scorecard_table
from services.followups.domain.scores import By, Scorecard
from services.followups.domain.visibility import counted_by, has_scorecards, visible_counts
from shared.contracts.events.base import Day
from shared.runtime.access import Action, Reach, reach
from shared.runtime.calendar import tehran_date
from shared.runtime.clocks import DomainClock
from shared.runtime.http.access import may
from shared.runtime.http.disposition import attachment, inline
from shared.runtime.http.filters import Word, any_of
from shared.runtime.principals import Principal
from shared.runtime.problems import Problem, invalid_field
from shared.runtime.sentences import sentence

Reader: TypeAlias = Annotated[Principal, may(Action.READ_SCORECARDS)]


@dataclass(frozen=True, slots=True)
class Format:
    """A file format of scorecards."""

    media_type: str
    shown: bool  # in the browser; otherwise it is saved as a file
    write: Callable[[ScorecardTable], bytes]


AsOf: TypeAlias = Annotated[
    Day | None,
    Field(description="As of the end of that day in Asia/Tehran; today if left out."),
]


@dataclass(frozen=True)
class ScorecardQuery:
    """The query parameters of scorecards."""

    by: By = By.DEPUTY
    as_of: AsOf = None
    deputy: Annotated[tuple[Word, ...], any_of("Who answers for them.")] = ()


class OverdueByLevel(BaseModel):
    """Open and past due, by the level that was reached."""

    level_1: int = Field(description="the deputy")
    level_2: int = Field(description="coordination")
    level_3: int = Field(description="the Minister")


class ScorecardItem(BaseModel):
    """A count of follow-ups by their state."""

    total: int
    open: int
    in_time: int = Field(description="open, and not overdue")
    overdue: int = Field(description="open, and past due")
    overdue_by_level: OverdueByLevel
    ended: int = Field(description="verified, or closed with another outcome")
    verified: int
    verified_share: float | None = Field(
        description="of all, to four places; null if there are none"
    )
    on_time: int = Field(
        description="verified, and claimed on or before the original due date (Asia/Tehran)"
    )
    on_time_share: float | None = Field(
        description="of the verified ones, to four places; null if there are none"
    )
    median_age_days: float | None = Field(
        description="of the open ones, days since their approval; null if none is open"
    )
    extensions: int = Field(description="granted, to all of them together")


class SubjectItem(ScorecardItem):
    """One scorecard, with its subject."""

    id: str | None = Field(description="null for follow-ups without a province, axis or gathering")
    title_fa: str
    title_en: str


class Scorecards(BaseModel):
    """Scorecards of one kind; `partial` names deputies whose database did not answer."""

    by: By
    as_of: date = Field(description="in Asia/Tehran")
    items: list[SubjectItem]
    total: ScorecardItem
    partial: list[str]


def routes(contexts: ApiContexts, clock: DomainClock, formats: Mapping[str, Format]) -> APIRouter:
    """The routes of scorecards: one for JSON, and one per format; `formats` are by their suffix."""
    router = APIRouter(prefix="/scorecards", tags=["scorecards"])

    async def table(by: Reader, query: Annotated[ScorecardQuery, Depends()]) -> ScorecardTable:
        read = reach(by, Action.READ_SCORECARDS)
        if not has_scorecards(read, query.by):
            detail = "your roles have scorecards by deputy, and by the province or axis of the role"
            raise Problem(403, "not-allowed", "Not allowed", detail)
        return await _table(contexts, query, read, tehran_date(await clock.now()))

    @router.get("")
    async def scorecards(found: ScorecardTable = Depends(table)) -> Scorecards:
        """Scorecards of today, or as they were at the end of a past day."""
        return _scorecards(found)

    def add(suffix: str, format_: Format) -> None:
        async def file(found: ScorecardTable = Depends(table)) -> Response:
            content = await asyncio.to_thread(format_.write, found)
            header = inline if format_.shown else attachment
            name = header(f"scorecards-{found.by}-{found.as_of}.{suffix}")
            headers = {"Content-Disposition": name}
            return Response(content, media_type=format_.media_type, headers=headers)

        router.get(
            f".{suffix}",
            name=f"scorecards_{suffix}",
            summary=f"The same as {suffix.upper()}",
            response_class=Response,
            responses={200: {"content": {format_.media_type.partition(";")[0]: {}}}},
        )(file)

    for suffix, format_ in formats.items():
        add(suffix, format_)
    return router


async def _table(
    contexts: ApiContexts, query: ScorecardQuery, read: Reach, today: date
) -> ScorecardTable:
    if query.as_of is not None and query.as_of > today:
        raise invalid_field("as_of", sentence("is not past: it is {today} in Tehran", today=today))

    async def count(api: ApiContext) -> tuple[str, Mapping[str, Mapping[str, int]]]:
        deputy = api.context.deputy
        by, subjects = counted_by(read, query.by, deputy)
        counts = await api.store.counts(by, query.as_of)
        return deputy, visible_counts(counts, query.by, subjects)

    selected = {
        deputy: api
        for deputy, api in contexts.select(query.deputy).items()
        if counted_by(read, query.by, deputy)[1] != frozenset()
    }
    answers, partial = await query_all(selected, count) if selected else ([], [])
    whole = read.everything or bool(read.deputies)
    subjects = None if whole else read.provinces | read.axes
    return scorecard_table(query.by, query.as_of or today, answers, partial, subjects)


def _scorecards(found: ScorecardTable) -> Scorecards:
    return Scorecards(
        by=found.by,
        as_of=found.as_of,
        items=[_subject(row) for row in found.rows],
        total=_item(found.total),
        partial=list(found.partial),
    )


def _subject(row: Row) -> SubjectItem:
    card = _item(row.card).model_dump()
    return SubjectItem(id=row.id, title_fa=row.title_fa, title_en=row.title_en, **card)


def _item(card: Scorecard) -> ScorecardItem:
    one, two, three = card.overdue
    return ScorecardItem(
        total=card.total,
        open=card.open,
        in_time=card.in_time,
        overdue=card.overdue_in_all,
        overdue_by_level=OverdueByLevel(level_1=one, level_2=two, level_3=three),
        ended=card.ended,
        verified=card.verified,
        verified_share=card.verified_share,
        on_time=card.on_time,
        on_time_share=card.on_time_share,
        median_age_days=card.median_age_days,
        extensions=card.extensions,
    )
