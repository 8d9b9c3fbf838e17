"""What all routes that change a follow-up have in common: find, decide, save, show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias, TypeVarTuple

from fastapi import Depends

from services.followups import handlers
from services.followups.api.context import ApiContext, ApiContexts, problems
from services.followups.api.schemas import FollowupItem, followup_item
from services.followups.domain.records import Fact, Followup
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Repeatable, Traceparent
from shared.runtime.identity import Caller
from shared.runtime.principals import Principal
from shared.runtime.replies import Replying

Said = TypeVarTuple("Said")


@dataclass(frozen=True, slots=True)
class Asked:
    """What each of these requests says: who acts on which follow-up, and on which trace."""

    by: Caller
    followup_id: str
    once: Repeatable
    traceparent: Traceparent = None


Asks: TypeAlias = Annotated[Asked, Depends()]


@dataclass(frozen=True, slots=True)
class Acts:
    """What people do to the follow-ups of these deputies."""

    contexts: ApiContexts
    clock: DomainClock

    async def __call__(
        self,
        asked: Asked,
        decide: Callable[[Followup, Principal, *Said, datetime], Fact],
        *said: *Said,
    ) -> FollowupItem:
        """Let somebody act; answer the follow-up as it is then.

        `decide` is a decision of the domain, `said` what it takes between who acts and the
        present instant. Raises Problem.
        """
        api, _ = await self.contexts.find(asked.followup_id)
        now = await self.clock.now()

        def decided(followup: Followup) -> Fact:
            return decide(followup, asked.by, *said, now)

        async def act(reply: Replying[Followup]) -> Followup:
            with problems(asked.followup_id):
                return await handlers.act(
                    asked.followup_id,
                    api.store,
                    api.context,
                    asked.by,
                    decided,
                    asked.traceparent,
                    reply,
                )

        return await self._once(asked, api, act, now)

    async def link(self, asked: Asked, predecessor: str, deputy: str | None) -> FollowupItem:
        """Link a follow-up to what it continues, with whichever deputies; the same else."""
        api, _ = await self.contexts.find(asked.followup_id)
        now = await self.clock.now()

        async def link(reply: Replying[Followup]) -> Followup:
            with problems(asked.followup_id):
                return await handlers.link(
                    asked.followup_id,
                    api.store,
                    api.context,
                    asked.by,
                    predecessor,
                    deputy,
                    now,
                    asked.traceparent,
                    reply,
                )

        return await self._once(asked, api, link, now)

    async def _once(
        self,
        asked: Asked,
        api: ApiContext,
        act: Callable[[Replying[Followup]], Awaitable[Followup]],
        now: datetime,
    ) -> FollowupItem:
        return await asked.once(
            api.store.replies,
            act,
            lambda after: followup_item(after, now),
            about=asked.followup_id,
        )
