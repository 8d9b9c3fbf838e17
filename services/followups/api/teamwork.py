"""Who else works on a follow-up: one route per command of teamwork."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from services.followups import handlers
from services.followups.api import work_schemas
from services.followups.api.acts import Acts, Asks
from services.followups.api.schemas import FollowupItem
from services.followups.handlers import commands
from shared.runtime.access import Action
from shared.runtime.http.access import may

_WORK: Final = [may(Action.WORK_ON_FOLLOWUP)]
_DELEGATE: Final = [may(Action.DELEGATE_FOLLOWUP)]
_DECIDE: Final = [may(Action.DECIDE_ON_FOLLOWUP)]
_PART: Final = [may(Action.REPORT_PART)]
_COMMENT: Final = [may(Action.COMMENT_ON_FOLLOWUP)]


# long: one short route per command
def routes(act: Acts) -> APIRouter:
    """Return the routes of the work on a follow-up."""
    router = APIRouter(prefix="/followups/{followup_id}", tags=["work on follow-ups"])

    @router.post("/assign", dependencies=_WORK)
    async def assign(asked: Asks, body: work_schemas.Assign) -> FollowupItem:
        """The deputy names the officer, who may report progress, block and unblock."""
        return await act(asked, commands.assign, body.officer, body.note)

    @router.post("/unassign", dependencies=_WORK)
    async def unassign(asked: Asks, body: work_schemas.Unassign) -> FollowupItem:
        """The deputy or the officer ends the officer's assignment."""
        return await act(asked, commands.unassign, body.note)

    @router.post("/delegate", dependencies=_DELEGATE)
    async def delegate(asked: Asks, body: work_schemas.Delegate) -> FollowupItem:
        """The deputy lets somebody take all steps for some days."""
        return await act(asked, commands.delegate, body.to, body.until, body.note)

    @router.post("/end-delegation", dependencies=_WORK)
    async def end_delegation(asked: Asks, body: work_schemas.EndDelegation) -> FollowupItem:
        """The deputy takes a delegation back, or the delegate gives it back."""
        return await act(asked, commands.end_delegation, body.note)

    @router.post("/parts", dependencies=_PART)
    async def report_part(asked: Asks, body: work_schemas.ReportPart) -> FollowupItem:
        """Somebody reports the progress of a supporting or executing body."""
        return await act(asked, commands.report_part, body.body, body.progress, body.note)

    @router.post("/items", dependencies=_WORK)
    async def add_item(asked: Asks, body: work_schemas.AddItem) -> FollowupItem:
        """The deputy or the officer adds an action item with an owner and a due date."""
        return await act(asked, commands.add_item, body.title, body.owner, body.due_on)

    @router.post("/items/{item}/done", dependencies=_WORK)
    async def finish_item(asked: Asks, item: int, body: work_schemas.FinishItem) -> FollowupItem:
        """The deputy or the officer says that an item is done."""
        return await act(asked, commands.finish_item, item, body.note)

    @router.post("/items/{item}/drop", dependencies=_WORK)
    async def drop_item(asked: Asks, item: int, body: work_schemas.DropItem) -> FollowupItem:
        """The deputy or the officer says that an item will not be done."""
        return await act(asked, commands.drop_item, item, body.reason)

    @router.post("/link", dependencies=_DECIDE)
    async def link(asked: Asks, body: work_schemas.Link) -> FollowupItem:
        """Coordination links the resolution that it continues; `?predecessor=` finds successors."""
        return await act(asked, handlers.link, body.predecessor, body.predecessor_deputy)

    @router.post("/comments", dependencies=_COMMENT)
    async def comment(asked: Asks, body: work_schemas.Comment) -> FollowupItem:
        """Anybody concerned may comment at any time; `/comments` shows the comments."""
        return await act(asked, commands.comment, body.text)

    return router
