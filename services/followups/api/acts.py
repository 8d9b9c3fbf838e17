"""What all routes that change a follow-up have in common: find, decide, save, show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeAlias, TypeVarTuple

from fastapi import Depends

from services.followups.api.context import ApiContext, ApiContexts, problems
from services.followups.api.schemas import FollowupItem, followup_item
from services.followups.domain.records import Followup
from services.followups.handlers import Command
from shared.runtime.clocks import DomainClock
from shared.runtime.http import Repeatable, Traceparent
from shared.runtime.idempotent_replies import Replying
from shared.runtime.identity import Caller

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
        command: Callable[[Command, *Said], Awaitable[Followup]],
        *said: *Said,
    ) -> FollowupItem:
        """Run a command of `handlers`; answer the follow-up as it is then.

        `said` is what the command takes besides who acts, and when. Raises Problem.
        """
        api, _ = await self.contexts.find(asked.followup_id, asked.by)
        now = await self.clock.now()

        async def act(reply: Replying[Followup]) -> Followup:
            with problems(asked.followup_id):
                common = Command(
                    asked.followup_id,
                    api.store,
                    api.context,
                    asked.by,
                    now,
                    asked.traceparent,
                    reply,
                )
                return await command(common, *said)

        return await self._once(asked, api, act, now)

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
