"""Moving follow-ups from one deputy to another: where two are merged, or one is dissolved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from services.followups import handlers
from services.followups.api.context import ApiContext, ApiContexts, problems
from services.followups.api.texts import BriefSaying
from services.followups.domain import permissions
from services.followups.handlers import Moving
from shared.contracts.events.base import Id, Slug
from shared.contracts.reference import DEPUTY_TITLES_FA
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Repeatable, RequestBody, Traceparent
from shared.runtime.idempotent_replies import Replying
from shared.runtime.identity import Caller
from shared.runtime.list_queries import ListQuery, Place
from shared.runtime.principals import MINISTER_OFFICE, OPERATOR
from shared.runtime.problems import Problem, invalid_field
from shared.runtime.sentences import sentence


class Move(RequestBody):
    to: Slug = Field(description="the deputy who answers for them from now on")
    reason: BriefSaying
    resolution_ids: list[Id] | None = Field(
        None, max_length=handlers.MOST_AT_ONCE, description="only these; all where left out"
    )
    after: Id | None = Field(None, description="`next_after` of the answer before")
    limit: int = Field(handlers.MOST_AT_ONCE, ge=1, le=handlers.MOST_AT_ONCE)
    dry_run: bool = Field(True, description="Only say what would become of them.")


class MoveLine(BaseModel):
    """What became of one follow-up."""

    followup_id: str
    resolution_id: str
    outcome: str = Field(description="`moved` or `refused`")
    error: str | None
    message: str | None


class MoveAnswer(BaseModel):
    """What became of some of a deputy's follow-ups; where `dry_run`, what would become of them."""

    dry_run: bool
    from_title_fa: str
    to_title_fa: str
    moved: int
    refused: int
    remaining: int = Field(description="follow-ups that the first deputy still has")
    lines: list[MoveLine]
    next_after: str | None = Field(description="to go on with; null: these were the last")


def routes(contexts: ApiContexts, clock: DomainClock) -> APIRouter:
    """The route that moves."""
    router = APIRouter(tags=["deputies"])

    @router.post("/deputies/{deputy}/move")
    async def move(
        by: Caller,
        deputy: Annotated[str, Path(description="who answers for them now")],
        wanted: Move,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> MoveAnswer:
        """Let another deputy answer for follow-ups, some at a time in the order of their ids.

        Each goes over whole: with its history, its files and what it is known by, in one
        transaction; `FollowupMoved` stands in both topics. Of a resolution that the other deputy
        follows himself, nothing is moved (`already-followed`). Safe to repeat.
        """
        if not permissions.may_move(by):
            told = sentence(
                "this takes the role {role} or {other}", role=MINISTER_OFFICE, other=OPERATOR
            )
            raise Problem(403, "not-allowed", "Not allowed", told)
        if deputy == wanted.to:
            raise invalid_field("to", "is who answers for them now")
        giver, taker = _desk(contexts, "deputy", deputy), _desk(contexts, "to", wanted.to)
        ids = await _page(giver, wanted)
        before, now = await giver.store.number(), await clock.now()

        async def act(reply: Replying[Sequence[Moving]]) -> Sequence[Moving]:
            with problems(deputy):
                return await handlers.move(
                    ids[: wanted.limit],
                    giver,
                    taker,
                    by,
                    wanted.reason,
                    now,
                    traceparent,
                    dry_run=wanted.dry_run,
                    reply=reply,
                )

        def show(results: Sequence[Moving]) -> MoveAnswer:
            refused = sum(result.refused is not None for result in results)
            moved = len(results) - refused
            return MoveAnswer(
                dry_run=wanted.dry_run,
                from_title_fa=DEPUTY_TITLES_FA.get(deputy, deputy),
                to_title_fa=DEPUTY_TITLES_FA.get(wanted.to, wanted.to),
                moved=moved,
                refused=refused,
                remaining=before if wanted.dry_run else max(0, before - moved),
                lines=[_line(result) for result in results],
                next_after=ids[wanted.limit - 1] if len(ids) > wanted.limit else None,
            )

        return await once(giver.store.replies, act, show)

    return router


def _desk(contexts: ApiContexts, field: str, deputy: str) -> ApiContext:
    (api,) = contexts.wanted([deputy], field).values()
    return api


async def _page(api: ApiContext, wanted: Move) -> Sequence[str]:
    """The ids of those that are asked for, one more than wanted where there are more."""
    if wanted.resolution_ids is not None:
        found = await api.store.of_resolutions(wanted.resolution_ids)
        ids = sorted(followup.followup_id for followup in found.values())
        return [id_ for id_ in ids if wanted.after is None or id_ > wanted.after]
    after = None if wanted.after is None else Place(wanted.after)
    page = await api.store.page(ListQuery({}, after, wanted.limit + 1))
    return [followup.followup_id for followup in page]


def _line(result: Moving) -> MoveLine:
    refused = result.refused
    return MoveLine(
        followup_id=result.followup_id,
        resolution_id=result.resolution_id,
        outcome="moved" if refused is None else "refused",
        error=None if refused is None else refused.reason,
        message=None if refused is None else str(refused),
    )
