"""What people do to a follow-up: one route per command of `handlers.commands`."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from services.followups.api import schemas
from services.followups.api.acts import Acts, Asks
from services.followups.api.schemas import FollowupItem
from services.followups.domain.extensions import ExtensionRules
from services.followups.handlers import commands
from shared.runtime.access import Action
from shared.runtime.http.access import may

_WORK: Final = [may(Action.WORK_ON_FOLLOWUP)]
_DECIDE: Final = [may(Action.DECIDE_ON_FOLLOWUP)]
_VERIFY: Final = [may(Action.VERIFY_FOLLOWUP)]


# long: one short route per command
def routes(act: Acts, rules: ExtensionRules) -> APIRouter:
    """Return the routes of the steps in a follow-up's life."""
    router = APIRouter(prefix="/followups/{followup_id}", tags=["follow-ups"])

    @router.post("/acknowledge", dependencies=_WORK)
    async def acknowledge(asked: Asks, body: schemas.Acknowledge) -> FollowupItem:
        """The deputy takes note, and agrees or disputes."""
        return await act(asked, commands.acknowledge, body.stance, body.note)

    @router.post("/settle", dependencies=_DECIDE)
    async def settle(asked: Asks, body: schemas.Settle) -> FollowupItem:
        """Coordination decides that the disputed resolution stays as it is."""
        return await act(asked, commands.settle, body.reason)

    @router.post("/progress", dependencies=_WORK)
    async def report_progress(asked: Asks, body: schemas.ReportProgress) -> FollowupItem:
        """The deputy reports the progress."""
        return await act(asked, commands.report_progress, body.progress, body.note)

    @router.post("/block", dependencies=_WORK)
    async def block(asked: Asks, body: schemas.Block) -> FollowupItem:
        """The deputy says who has to act first."""
        return await act(asked, commands.block, body.blocked_by, body.reason)

    @router.post("/unblock", dependencies=_WORK)
    async def unblock(asked: Asks, body: schemas.Unblock) -> FollowupItem:
        """The deputy says that the work goes on."""
        return await act(asked, commands.unblock, body.note)

    @router.post("/request-extension", dependencies=_WORK)
    async def request_extension(asked: Asks, body: schemas.RequestExtension) -> FollowupItem:
        """The deputy asks for a later due date; escalation pauses until it is decided."""
        return await act(asked, commands.request_extension, body.due_on, body.reason, rules)

    @router.post("/extend", dependencies=_DECIDE)
    async def extend(asked: Asks, body: schemas.Extend) -> FollowupItem:
        """Coordination grants a later due date."""
        return await act(asked, commands.extend, body.due_on, body.note, rules)

    @router.post("/refuse-extension", dependencies=_DECIDE)
    async def refuse_extension(asked: Asks, body: schemas.RefuseExtension) -> FollowupItem:
        """Coordination refuses a later due date."""
        return await act(asked, commands.refuse_extension, body.reason)

    @router.post("/complete", dependencies=_WORK)
    async def complete(asked: Asks, body: schemas.Complete) -> FollowupItem:
        """The deputy claims that it is done."""
        return await act(asked, commands.complete, body.note)

    @router.post("/verify", dependencies=_VERIFY)
    async def verify(asked: Asks, body: schemas.Verify) -> FollowupItem:
        """Coordination or the province confirms that it is done; never whoever claimed it."""
        return await act(asked, commands.verify, body.finding, body.note)

    @router.post("/reopen", dependencies=_VERIFY)
    async def reopen(asked: Asks, body: schemas.Reopen) -> FollowupItem:
        """Coordination or the province refuses a claim, or takes a confirmation back."""
        return await act(asked, commands.reopen, body.reason)

    @router.post("/close", dependencies=_DECIDE)
    async def close(asked: Asks, body: schemas.Close) -> FollowupItem:
        """Coordination ends it with another outcome than done."""
        return await act(asked, commands.close, body.outcome, body.reason)

    return router
