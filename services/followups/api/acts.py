"""How every route that changes a follow-up goes: found, decided, saved, shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias, TypeVarTuple

from fastapi import Depends

from services.followups import handlers
from services.followups.api.desks import Desks, problems
from services.followups.api.items import FollowupItem, followup_item
from services.followups.domain.records import Fact, Followup
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Traceparent
from shared.runtime.identity import Caller
from shared.runtime.principals import Principal

Said = TypeVarTuple("Said")


@dataclass(frozen=True, slots=True)
class Asked:
    """What every such request says: who asks, of which follow-up, on which trace."""

    by: Caller
    followup_id: str
    traceparent: Traceparent = None


Asks: TypeAlias = Annotated[Asked, Depends()]


@dataclass(frozen=True, slots=True)
class Acts:
    """What people do to the follow-ups of these desks."""

    desks: Desks
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
        desk, _ = await self.desks.find(asked.followup_id)
        now = await self.clock.now()

        def decided(followup: Followup) -> Fact:
            return decide(followup, asked.by, *said, now)

        with problems(asked.followup_id):
            after = await handlers.act(
                asked.followup_id, desk.store, desk.tracking, asked.by, decided, asked.traceparent
            )
        return followup_item(after, now)

    async def link(self, asked: Asked, predecessor: str, deputy: str | None) -> FollowupItem:
        """Link a follow-up to what it continues, with whichever deputies; the same else."""
        desk, _ = await self.desks.find(asked.followup_id)
        now = await self.clock.now()
        with problems(asked.followup_id):
            after = await handlers.link(
                asked.followup_id,
                desk.store,
                desk.tracking,
                asked.by,
                predecessor,
                deputy,
                now,
                asked.traceparent,
            )
        return followup_item(after, now)
