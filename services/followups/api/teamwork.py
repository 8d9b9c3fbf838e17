"""Who else works on a follow-up: one route a step of `domain.teamwork`."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter

from services.followups.api import work
from services.followups.api.acts import Acts
from services.followups.api.items import FollowupItem
from services.followups.domain import teamwork
from services.followups.domain.records import Fact, Followup
from shared.runtime.http import Traceparent
from shared.runtime.identity import Caller


def routes(act: Acts) -> APIRouter:
    """The routes of the work on a follow-up."""
    router = APIRouter(prefix="/followups/{followup_id}", tags=["work on follow-ups"])

    @router.post("/assign")
    async def assign(
        by: Caller, followup_id: str, body: work.Assign, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy names the officer, who may report progress, block and unblock."""

        def decide(f: Followup, now: datetime) -> Fact:
            return teamwork.assign(f, by, body.officer, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/unassign")
    async def unassign(
        by: Caller, followup_id: str, body: work.Unassign, traceparent: Traceparent = None
    ) -> FollowupItem:
        """There is no officer any more; he himself may say so."""

        def decide(f: Followup, now: datetime) -> Fact:
            return teamwork.unassign(f, by, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/delegate")
    async def delegate(
        by: Caller, followup_id: str, body: work.Delegate, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy has all of his steps taken by another for some days."""

        def decide(f: Followup, now: datetime) -> Fact:
            return teamwork.delegate(f, by, body.to, body.until, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/end-delegation")
    async def end_delegation(
        by: Caller, followup_id: str, body: work.EndDelegation, traceparent: Traceparent = None
    ) -> FollowupItem:
        """The deputy takes a delegation back, or whoever has it gives it back."""

        def decide(f: Followup, now: datetime) -> Fact:
            return teamwork.end_delegation(f, by, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/parts")
    async def report_part(
        by: Caller, followup_id: str, body: work.ReportPart, traceparent: Traceparent = None
    ) -> FollowupItem:
        """A supporting or executing body is so far with its part."""

        def decide(f: Followup, now: datetime) -> Fact:
            return teamwork.report_part(f, by, body.body, body.progress, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/items")
    async def add_item(
        by: Caller, followup_id: str, body: work.AddItem, traceparent: Traceparent = None
    ) -> FollowupItem:
        """A part of the work has an owner and a due date from now on."""

        def decide(f: Followup, now: datetime) -> Fact:
            return teamwork.add_item(f, by, body.title, body.owner, body.due_on, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/items/{item}/done")
    async def finish_item(
        by: Caller,
        followup_id: str,
        item: int,
        body: work.FinishItem,
        traceparent: Traceparent = None,
    ) -> FollowupItem:
        """An item is done."""

        def decide(f: Followup, now: datetime) -> Fact:
            return teamwork.finish_item(f, by, item, body.note, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/items/{item}/drop")
    async def drop_item(
        by: Caller,
        followup_id: str,
        item: int,
        body: work.DropItem,
        traceparent: Traceparent = None,
    ) -> FollowupItem:
        """An item will not be done."""

        def decide(f: Followup, now: datetime) -> Fact:
            return teamwork.drop_item(f, by, item, body.reason, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/link")
    async def link(
        by: Caller, followup_id: str, body: work.Link, traceparent: Traceparent = None
    ) -> FollowupItem:
        """Coordination says which resolution it continues; `?predecessor=` finds successors."""

        def decide(f: Followup, now: datetime) -> Fact:
            return teamwork.link(f, by, body.predecessor, body.predecessor_deputy, now)

        return await act(followup_id, by, decide, traceparent)

    @router.post("/comments")
    async def comment(
        by: Caller, followup_id: str, body: work.Comment, traceparent: Traceparent = None
    ) -> FollowupItem:
        """Whoever is concerned says something, at any time; `/comments` shows it."""

        def decide(f: Followup, now: datetime) -> Fact:
            return teamwork.comment(f, by, body.text, now)

        return await act(followup_id, by, decide, traceparent)

    return router
