"""Who else works on a follow-up: one route per command of teamwork."""

from __future__ import annotations

from fastapi import APIRouter

from services.followups import handlers
from services.followups.api import work_schemas
from services.followups.api.acts import Acts, Asks
from services.followups.api.schemas import FollowupItem
from services.followups.handlers import commands


def routes(act: Acts) -> APIRouter:
    """The routes of the work on a follow-up."""
    router = APIRouter(prefix="/followups/{followup_id}", tags=["work on follow-ups"])

    @router.post("/assign")
    async def assign(asked: Asks, body: work_schemas.Assign) -> FollowupItem:
        """The deputy names the officer, who may report progress, block and unblock."""
        return await act(asked, commands.assign, body.officer, body.note)

    @router.post("/unassign")
    async def unassign(asked: Asks, body: work_schemas.Unassign) -> FollowupItem:
        """There is no officer any more; he himself may say so."""
        return await act(asked, commands.unassign, body.note)

    @router.post("/delegate")
    async def delegate(asked: Asks, body: work_schemas.Delegate) -> FollowupItem:
        """The deputy has all of his steps taken by another for some days."""
        return await act(asked, commands.delegate, body.to, body.until, body.note)

    @router.post("/end-delegation")
    async def end_delegation(asked: Asks, body: work_schemas.EndDelegation) -> FollowupItem:
        """The deputy takes a delegation back, or whoever has it gives it back."""
        return await act(asked, commands.end_delegation, body.note)

    @router.post("/parts")
    async def report_part(asked: Asks, body: work_schemas.ReportPart) -> FollowupItem:
        """A supporting or executing body is so far with its part."""
        return await act(asked, commands.report_part, body.body, body.progress, body.note)

    @router.post("/items")
    async def add_item(asked: Asks, body: work_schemas.AddItem) -> FollowupItem:
        """A part of the work has an owner and a due date from now on."""
        return await act(asked, commands.add_item, body.title, body.owner, body.due_on)

    @router.post("/items/{item}/done")
    async def finish_item(asked: Asks, item: int, body: work_schemas.FinishItem) -> FollowupItem:
        """An item is done."""
        return await act(asked, commands.finish_item, item, body.note)

    @router.post("/items/{item}/drop")
    async def drop_item(asked: Asks, item: int, body: work_schemas.DropItem) -> FollowupItem:
        """An item will not be done."""
        return await act(asked, commands.drop_item, item, body.reason)

    @router.post("/link")
    async def link(asked: Asks, body: work_schemas.Link) -> FollowupItem:
        """Coordination says which resolution it continues; `?predecessor=` finds successors."""
        return await act(asked, handlers.link, body.predecessor, body.predecessor_deputy)

    @router.post("/comments")
    async def comment(asked: Asks, body: work_schemas.Comment) -> FollowupItem:
        """Whoever is concerned says something, at any time; `/comments` shows it."""
        return await act(asked, commands.comment, body.text)

    return router
