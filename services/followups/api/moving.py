"""Moving follow-ups to another deputy, for example if two deputies are merged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from services.followups import handlers
from services.followups.api.context import ApiContext, ApiContexts, problems
from services.followups.api.texts import BriefSaying
from services.followups.handlers import Moving
from shared.contracts.events.base import Id, Slug
from shared.contracts.reference import DEPUTY_TITLES_FA
from shared.runtime.access import Action
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Repeatable, RequestBody, Traceparent
from shared.runtime.http.access import may
from shared.runtime.idempotent_replies import Replying
from shared.runtime.list_queries import ListQuery, Place
from shared.runtime.principals import Principal
from shared.runtime.problems import invalid_field

Mover: TypeAlias = Annotated[Principal, may(Action.MOVE_FOLLOWUPS)]


class Move(RequestBody):
    to: Slug = Field(description="the deputy who is responsible for them from now on")
    reason: BriefSaying
    resolution_ids: list[Id] | None = Field(
        None, max_length=handlers.MOST_AT_ONCE, description="only these; all if left out"
    )
    after: Id | None = Field(None, description="`next_after` of the last answer")
    limit: int = Field(handlers.MOST_AT_ONCE, ge=1, le=handlers.MOST_AT_ONCE)
    dry_run: bool = Field(True, description="Only report what would happen.")


class MoveLine(BaseModel):
    """What happened to one follow-up."""

    followup_id: str
    resolution_id: str
    outcome: str = Field(description="`moved` or `refused`")
    error: str | None
    message: str | None


class MoveAnswer(BaseModel):
    """What happened to some of a deputy's follow-ups; in a dry run, what would happen to them."""

    dry_run: bool
    from_title_fa: str
    to_title_fa: str
    moved: int
    refused: int
    remaining: int = Field(description="follow-ups that the first deputy still has")
    lines: list[MoveLine]
    next_after: str | None = Field(
        description="the `after` of the next request; null if these were the last"
    )


def routes(contexts: ApiContexts, clock: DomainClock) -> APIRouter:
    """The route that moves follow-ups."""
    router = APIRouter(tags=["deputies"])

    @router.post("/deputies/{deputy}/move")
    async def move(
        by: Mover,
        deputy: Annotated[str, Path(description="the deputy who is responsible for them now")],
        body: Move,
        once: Repeatable,
        traceparent: Traceparent = None,
    ) -> MoveAnswer:
        """Make another deputy responsible for follow-ups, some at a time in the order of their ids.

        Each moves in one transaction with its history, its files and its ids; `FollowupMoved` is
        published in both topics. If the other deputy already follows the same resolution, the
        follow-up is not moved (`already-followed`). Safe to repeat.
        """
        if deputy == body.to:
            raise invalid_field("to", "is who answers for them now")
        source = _context_of(contexts, "deputy", deputy)
        target = _context_of(contexts, "to", body.to)
        ids = await _page(source, body)
        before, now = await source.store.number(), await clock.now()

        async def act(reply: Replying[Sequence[Moving]]) -> Sequence[Moving]:
            with problems(deputy):
                return await handlers.move(
                    ids[: body.limit],
                    source,
                    target,
                    by,
                    body.reason,
                    now,
                    traceparent,
                    dry_run=body.dry_run,
                    reply=reply,
                )

        def show(results: Sequence[Moving]) -> MoveAnswer:
            next_after = ids[body.limit - 1] if len(ids) > body.limit else None
            return _answer(deputy, body, results, before, next_after)

        return await once(source.store.replies, act, show)

    return router


def _context_of(contexts: ApiContexts, field: str, deputy: str) -> ApiContext:
    (api,) = contexts.select([deputy], field).values()
    return api


async def _page(api: ApiContext, body: Move) -> Sequence[str]:
    """The ids of the next follow-ups, one more than the limit if there are more."""
    if body.resolution_ids is not None:
        found = await api.store.of_resolutions(body.resolution_ids)
        ids = sorted(followup.followup_id for followup in found.values())
        return [id_ for id_ in ids if body.after is None or id_ > body.after]
    after = None if body.after is None else Place(body.after)
    page = await api.store.page(ListQuery({}, after, body.limit + 1))
    return [followup.followup_id for followup in page]


def _answer(
    deputy: str, body: Move, results: Sequence[Moving], before: int, next_after: str | None
) -> MoveAnswer:
    """The answer to a request; `before` is the number of follow-ups before it."""
    refused = sum(result.refused is not None for result in results)
    moved = len(results) - refused
    return MoveAnswer(
        dry_run=body.dry_run,
        from_title_fa=DEPUTY_TITLES_FA.get(deputy, deputy),
        to_title_fa=DEPUTY_TITLES_FA.get(body.to, body.to),
        moved=moved,
        refused=refused,
        remaining=before if body.dry_run else max(0, before - moved),
        lines=[_line(result) for result in results],
        next_after=next_after,
    )


def _line(result: Moving) -> MoveLine:
    refused = result.refused
    return MoveLine(
        followup_id=result.followup_id,
        resolution_id=result.resolution_id,
        outcome="moved" if refused is None else "refused",
        error=None if refused is None else refused.reason,
        message=None if refused is None else str(refused),
    )
