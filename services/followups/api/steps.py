"""What people do to a follow-up: one route a step of `domain.machine`."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter

from services.followups.api import items
from services.followups.api.acts import Acts
from services.followups.api.items import FollowupItem
from services.followups.domain import decisions
from services.followups.domain.extensions import ExtensionRules
from services.followups.domain.records import Fact, Followup
from shared.runtime.http import Traceparent
from shared.runtime.identity import Caller


def routes(act: Acts, rules: ExtensionRules) -> APIRouter:
    """The routes that change."""
    router = APIRouter(prefix="/followups/{followup_id}", tags=["follow-ups"])

    @router.post("/acknowledge")
    async def acknowledge(
        by: Caller, followup_id: str, body: items.Acknowledge, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy takes note, and agrees or disputes."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.acknowledge(f, by, body.stance, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/settle")
    async def settle(
        by: Caller, followup_id: str, body: items.Settle, traceparent: Traceparent = None
    ) -> FollowupItem:
        """Coordination decides that what the deputy disputes stands."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.settle(f, by, body.reason, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/progress")
    async def report_progress(
        by: Caller, followup_id: str, body: items.ReportProgress, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy reports how far it is."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.report_progress(f, by, body.progress, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/block")
    async def block(
        by: Caller, followup_id: str, body: items.Block, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy says who has to act first."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.block(f, by, body.blocked_by, body.reason, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/unblock")
    async def unblock(
        by: Caller, followup_id: str, body: items.Unblock, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy says that it goes on."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.unblock(f, by, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/request-extension")
    async def request_extension(
        by: Caller, followup_id: str, body: items.RequestExtension, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy asks for a later due date; escalation pauses until it is decided."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.request_extension(f, by, body.due_on, body.reason, rules, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/extend")
    async def extend(
        by: Caller, followup_id: str, body: items.Extend, traceparent: Traceparent = None
    ) -> FollowupItem:
        """Coordination grants a later due date."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.extend(f, by, body.due_on, body.note, rules, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/refuse-extension")
    async def refuse_extension(
        by: Caller, followup_id: str, body: items.RefuseExtension, traceparent: Traceparent = None
    ) -> FollowupItem:
        """Coordination refuses a later due date."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.refuse_extension(f, by, body.reason, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/complete")
    async def complete(
        by: Caller, followup_id: str, body: items.Complete, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy claims that it is done."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.complete(f, by, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/verify")
    async def verify(
        by: Caller, followup_id: str, body: items.Verify, traceparent: Traceparent = None
    ) -> FollowupItem:
        """Coordination, or the province concerned, confirms; never whoever claimed it."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.verify(f, by, body.finding, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/reopen")
    async def reopen(
        by: Caller, followup_id: str, body: items.Reopen, traceparent: Traceparent = None
    ) -> FollowupItem:
        """A claim is not confirmed, or a confirmation taken back."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.reopen(f, by, body.reason, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/close")
    async def close(
        by: Caller, followup_id: str, body: items.Close, traceparent: Traceparent = None
    ) -> FollowupItem:
        """Coordination ends it otherwise than done."""

        def decide(f: Followup, now: datetime) -> Fact:
            return decisions.close(f, by, body.outcome, body.reason, now)

        return await act(followup_id, by, decide, traceparent)

    return router
