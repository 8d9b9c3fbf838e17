"""Events of resolutions: a batch of messages is applied to the follow-ups of one deputy."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from services.followups import events
from services.followups.domain import decisions
from services.followups.domain.facts import Fact
from services.followups.domain.refusals import UnknownResolution
from services.followups.handlers.drafts import Draft
from services.followups.handlers.ports import Change, FollowupRepository, HandlerContext
from shared.contracts.events import ResolutionAmended, ResolutionApproved, ResolutionWithdrawn
from shared.messaging.core.model import Decision, Defer, Forward, Message, Outcome, Refusal, Verdict
from shared.runtime.refusals import Refused

_ResolutionData: TypeAlias = ResolutionApproved | ResolutionAmended | ResolutionWithdrawn


async def handle_events(
    messages: Sequence[Message], store: FollowupRepository, context: HandlerContext, now: datetime
) -> Decision[Change]:
    """Decide a batch of resolution events, in the order of their offsets; `now` is in UTC.

    An amendment or withdrawal that comes before its approval is deferred, and so is everything
    that follows for the same resolution. An event of a follow-up that has moved to another deputy
    is forwarded to that deputy's topic.
    """
    ids = {data.resolution_id for data in map(_resolution_data, messages) if data is not None}
    known, moved_out = await asyncio.gather(store.of_resolutions(ids), store.moved_out(ids))
    later = [message for message in messages if _needs_inbox(message)]
    seen = set(await store.seen([message.inbox_id for message in later]))
    new = {
        data.resolution_id
        for message in later
        if not message.deferred and (data := _resolution_data(message)) is not None
    }
    waited_for = await store.waited_for(new)
    drafts: dict[str, Draft] = {}
    verdicts: list[Verdict] = []
    for message in messages:
        data = _resolution_data(message)
        if data is None:
            verdicts.append(Outcome.IGNORED)
            continue
        resolution_id = data.resolution_id
        if resolution_id in moved_out and resolution_id not in known:
            verdicts.append(Forward(context.resolutions_of(moved_out[resolution_id].deputy)))
            continue
        draft = drafts.get(resolution_id)
        if draft is None:
            draft = drafts[resolution_id] = Draft(known.get(resolution_id), context)
            draft.waited_for = resolution_id in waited_for
        try:
            verdicts.append(_apply(message, data, draft, seen, now))
        except UnknownResolution as unknown:
            draft.waited_for = True
            verdicts.append(Defer(resolution_id, Refusal(unknown.reason, str(unknown))))
        except Refused as refused:
            verdicts.append(Refusal(refused.reason, str(refused)))
    return Decision(verdicts, [d.change() for d in drafts.values() if d.changed])


def _apply(
    message: Message, data: _ResolutionData, draft: Draft, seen: set[str], now: datetime
) -> Verdict:
    decisions.require_own(data.deputy, draft.context.deputy, draft.after)
    if isinstance(data, ResolutionApproved):
        return _approve(message, data, draft, now)
    if message.inbox_id in seen:
        return Outcome.DUPLICATE
    if draft.waited_for and not message.deferred:
        raise UnknownResolution("what came before it waits still")
    fact = _amend_or_withdraw(message, data, draft, now)
    draft.inbox.append(message.inbox_id)
    seen.add(message.inbox_id)
    if fact is None:  # its id is stored all the same: read again, it might change something
        return Outcome.DUPLICATE
    draft.add(fact, message.event.traceparent)
    return Outcome.APPLIED


def _approve(message: Message, data: ResolutionApproved, draft: Draft, now: datetime) -> Verdict:
    fingerprint = events.fingerprint_of(data)
    if draft.after is not None:
        if draft.after.fingerprint != fingerprint:
            fingerprint = events.fingerprint_as_written(message.event)
        decisions.approve_again(draft.after, fingerprint)
        return Outcome.DUPLICATE
    resolution = events.resolution_of(data)
    acknowledge_by = draft.context.escalation.acknowledge_by(resolution, now)
    source = message.event.source
    fact = decisions.open_(resolution, source, fingerprint, now, acknowledge_by)
    draft.add(fact, message.event.traceparent)
    return Outcome.APPLIED


def _amend_or_withdraw(
    message: Message, data: ResolutionAmended | ResolutionWithdrawn, draft: Draft, now: datetime
) -> Fact | None:
    """Return the fact, or None if it changes nothing."""
    followup = draft.existing()
    source, scheduler = message.event.source, draft.context.scheduler
    if isinstance(data, ResolutionWithdrawn):
        return decisions.withdraw(followup, source, scheduler, data.reason, now)
    return decisions.amend(
        followup,
        events.amended(followup.resolution, data),
        source,
        scheduler,
        data.reason,
        message.event.id,
        data.amended_at,
        now,
        message.sent_at,
    )


def _resolution_data(message: Message) -> _ResolutionData | None:
    data = message.data
    if isinstance(data, ResolutionApproved | ResolutionAmended | ResolutionWithdrawn):
        return data
    return None


def _needs_inbox(message: Message) -> bool:
    return isinstance(message.data, ResolutionAmended | ResolutionWithdrawn)
