"""How every route that changes a follow-up goes: found, decided, saved, shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from services.followups import handlers
from services.followups.api.desks import Desks, problems
from services.followups.api.items import FollowupItem, followup_item
from services.followups.domain.records import Fact, Followup
from shared.runtime.clocks import DomainClock
from shared.runtime.principals import Principal


@dataclass(frozen=True, slots=True)
class Acts:
    """What people do to the follow-ups of these desks."""

    desks: Desks
    clock: DomainClock

    async def __call__(
        self,
        followup_id: str,
        by: Principal,
        decide: Callable[[Followup, datetime], Fact],
        trace: str | None,
    ) -> FollowupItem:
        """Let somebody act; answer the follow-up as it is then. Raises Problem."""
        desk, _ = await self.desks.find(followup_id)
        now = await self.clock.now()
        with problems(followup_id):
            after = await handlers.act(
                followup_id, desk.store, desk.tracking, by, lambda f: decide(f, now), trace
            )
        return followup_item(after, now)
