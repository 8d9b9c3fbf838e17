"""Samples for inspection, which everybody can draw again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.followups.api.context import ApiContext, ApiContexts, ask
from services.followups.api.lists import Filters
from services.followups.api.schemas import FollowupItem, followup_item
from services.followups.domain.inspection import SampleDraw
from services.followups.domain.records import State
from shared.runtime.clocks import DomainClock
from shared.runtime.http.lists import Word, any_of
from shared.runtime.identity import Caller
from shared.runtime.list_queries import Value


@dataclass(frozen=True)
class Population:
    """Of which follow-ups is drawn, and how."""

    seed: Annotated[str, Field(min_length=1, max_length=100, description="any text, told before")]
    size: Annotated[int, Field(ge=1, le=500, description="how many are drawn")] = 20
    state: Annotated[tuple[State, ...], any_of("Where they stand.")] = (State.VERIFIED,)
    deputy: Annotated[tuple[Word, ...], any_of("Who answers for them.")] = ()
    province: Annotated[tuple[Word, ...], any_of("ISO 3166-2:IR code.")] = ()
    axis: Annotated[tuple[Word, ...], any_of("Of the catalogue.")] = ()
    session_id: Annotated[tuple[Word, ...], any_of("Where they were resolved.")] = ()

    def fields(self) -> dict[str, Collection[Value]]:
        """The wanted values of each stored field."""
        same = Filters(
            state=self.state, province=self.province, axis=self.axis, session_id=self.session_id
        )
        return same.fields()


class InspectionSample(BaseModel):
    """What was drawn, in the order of the draw."""

    seed: str
    size: int
    population: int = Field(description="follow-ups that took part")
    digest: str = Field(description="the same for the same population: to compare two draws")
    drawn_at: datetime
    items: list[FollowupItem]
    partial: list[str] = Field(
        description="deputies whose database did not answer: theirs took no part, or, where it "
        "went away meanwhile, are missing from the items"
    )


def routes(contexts: ApiContexts, clock: DomainClock) -> APIRouter:
    """The route that draws."""
    router = APIRouter(tags=["inspections"])

    @router.get("/inspections")
    async def inspections(_: Caller, wanted: Annotated[Population, Depends()]) -> InspectionSample:
        """Draw follow-ups for inspection: the same seed draws the same of the same follow-ups."""
        asked = contexts.wanted(wanted.deputy)

        async def look(api: ApiContext) -> SampleDraw:
            own = SampleDraw(wanted.seed, wanted.size)
            async for ids in api.store.ids(wanted.fields()):
                own.look_at(ids)
            return own

        draws, partial = await ask(asked, look)
        drawing = SampleDraw(wanted.seed, wanted.size)
        for draw in draws:
            drawing.take_in(draw)
        now = await clock.now()
        drawn = drawing.drawn
        answers, away = await ask(asked, lambda api: api.store.of_ids(drawn))
        known = {id_: followup for answer in answers for id_, followup in answer.items()}
        return InspectionSample(
            seed=wanted.seed,
            size=wanted.size,
            population=drawing.population,
            digest=drawing.digest,
            drawn_at=now,
            items=[followup_item(known[id_], now) for id_ in drawn if id_ in known],
            partial=sorted({*partial, *away}),
        )

    return router
