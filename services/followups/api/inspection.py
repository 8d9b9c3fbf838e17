"""Samples of follow-ups for inspection, which everybody can draw again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.followups.api.context import ApiContext, ApiContexts, query_all
from services.followups.api.lists import Filters
from services.followups.api.schemas import FollowupItem, followup_item
from services.followups.domain.inspection import SampleDraw
from services.followups.domain.records import State
from services.followups.domain.visibility import within
from shared.runtime.access import Action, reach
from shared.runtime.clocks import DomainClock
from shared.runtime.http.access import may
from shared.runtime.http.filters import Word, any_of
from shared.runtime.list_queries import Value
from shared.runtime.principals import Principal

Inspector: TypeAlias = Annotated[Principal, may(Action.INSPECT_FOLLOWUPS)]


@dataclass(frozen=True)
class Population:
    """The follow-ups from which the sample is drawn, and how it is drawn."""

    seed: Annotated[
        str, Field(min_length=1, max_length=100, description="any text, announced before the draw")
    ]
    size: Annotated[int, Field(ge=1, le=500, description="how many are drawn")] = 20
    state: Annotated[tuple[State, ...], any_of("Their state.")] = (State.VERIFIED,)
    deputy: Annotated[tuple[Word, ...], any_of("Who answers for them.")] = ()
    province: Annotated[tuple[Word, ...], any_of("ISO 3166-2:IR code.")] = ()
    axis: Annotated[tuple[Word, ...], any_of("An axis of the catalogue.")] = ()
    session_id: Annotated[tuple[Word, ...], any_of("The session that approved them.")] = ()

    def fields(self) -> dict[str, Collection[Value]]:
        """The accepted values of each stored field."""
        filters = Filters(
            state=self.state, province=self.province, axis=self.axis, session_id=self.session_id
        )
        return filters.fields()


class InspectionSample(BaseModel):
    """What was drawn, in the order of the draw."""

    seed: str
    size: int
    population: int = Field(description="number of follow-ups that took part")
    digest: str = Field(description="equal for equal populations: to compare two draws")
    drawn_at: datetime
    items: list[FollowupItem]
    partial: list[str] = Field(
        description="deputies whose database did not answer: their follow-ups took no part, or, if "
        "it stopped answering during the draw, are missing from the items"
    )


def routes(contexts: ApiContexts, clock: DomainClock) -> APIRouter:
    """The route that draws a sample."""
    router = APIRouter(tags=["inspections"])

    @router.get("/inspections")
    async def inspections(
        by: Inspector, population: Annotated[Population, Depends()]
    ) -> InspectionSample:
        """Draw follow-ups for inspection: a seed always draws the same from the same population."""
        selected, now = contexts.select(population.deputy), await clock.now()
        read = reach(by, Action.INSPECT_FOLLOWUPS)

        async def look(api: ApiContext) -> SampleDraw:
            draw = SampleDraw(population.seed, population.size)
            narrowed = within(read, api.context.deputy, now)
            async for ids in api.store.ids(population.fields(), narrowed):
                draw.look_at(ids)
            return draw

        draws, partial = await query_all(selected, look)
        sample = SampleDraw(population.seed, population.size)
        for draw in draws:
            sample.take_in(draw)
        ids = sample.drawn
        answers, lost = await query_all(selected, lambda api: api.store.of_ids(ids))
        found = {id_: followup for answer in answers for id_, followup in answer.items()}
        return InspectionSample(
            seed=population.seed,
            size=population.size,
            population=sample.population,
            digest=sample.digest,
            drawn_at=now,
            items=[followup_item(found[id_], now) for id_ in ids if id_ in found],
            partial=sorted({*partial, *lost}),
        )

    return router
