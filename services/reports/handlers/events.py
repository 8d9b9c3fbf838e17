"""Applies the scheduler's events about sessions and other gatherings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.reports import events
from services.reports.domain import decisions
from services.reports.domain.records import Fact
from services.reports.handlers.drafts import Draft
from services.reports.handlers.ports import Change, ExpectationRepository, HandlerContext
from shared.contracts.events import SessionCancelled, SessionRescheduled, SessionScheduled
from shared.messaging.core.model import Decision, Message, Outcome, Refusal, Verdict
from shared.runtime.clocks import milliseconds
from shared.runtime.refusals import Refused


async def handle_events(
    messages: Sequence[Message],
    store: ExpectationRepository,
    context: HandlerContext,
    now: datetime,
) -> Decision[Change]:
    """Apply a batch of session events, per session in the order of their offsets."""
    relevant = [message for message in messages if _session_id(message) is not None]
    known = await store.of_sessions({str(_session_id(message)) for message in relevant})
    seen = set(await store.seen([m.inbox_id for m in relevant if _needs_inbox(m, context)]))
    orphan_outcomes = await store.orphan_outcomes(
        {
            message.data.session_id
            for message in relevant
            if isinstance(message.data, SessionScheduled) and message.data.session_id not in known
        }
    )
    drafts: dict[str, Draft] = {}
    verdicts: list[Verdict] = []
    for message in messages:
        session_id = _session_id(message)
        if session_id is None:
            verdicts.append(Outcome.IGNORED)
            continue
        draft = drafts.get(session_id)
        if draft is None:
            draft = drafts[session_id] = Draft(
                known.get(session_id), context, orphan_outcomes.get(session_id, ())
            )
        try:
            verdicts.append(_apply(message, draft, seen, context, now))
        except Refused as refused:
            verdicts.append(Refusal(refused.reason, str(refused)))
    return Decision(verdicts, [d.change() for d in drafts.values() if d.changed])


def _apply(
    message: Message, draft: Draft, seen: set[str], context: HandlerContext, now: datetime
) -> Verdict:
    data, trace = message.data, message.event.traceparent
    sequence = _sequence(message, context)
    if draft.after is not None and decisions.is_overtaken(draft.after, sequence):
        return Outcome.DUPLICATE
    if isinstance(data, SessionScheduled):
        session = events.session_of(data)
        if draft.after is not None:
            decisions.expect_again(draft.after, session)
            return Outcome.DUPLICATE
        draft.add(decisions.expect(data.session_id, session, sequence, now), trace)
        return Outcome.APPLIED
    needs_inbox = _needs_inbox(message, context)
    if needs_inbox and message.inbox_id in seen:
        return Outcome.DUPLICATE
    fact: Fact | None
    if isinstance(data, SessionRescheduled):
        starts_at = milliseconds(data.starts_at)
        due_at = None if data.report_due_at is None else milliseconds(data.report_due_at)
        fact = decisions.move(draft.existing(), starts_at, due_at, sequence, now)
    else:
        fact = decisions.cancel(draft.existing(), sequence, now)
    if fact is None:
        return Outcome.DUPLICATE
    draft.add(fact, trace)
    if needs_inbox:
        draft.inbox.append(message.inbox_id)
        seen.add(message.inbox_id)
    return Outcome.APPLIED


def _session_id(message: Message) -> str | None:
    data = message.data
    if isinstance(data, SessionScheduled | SessionRescheduled | SessionCancelled):
        return data.session_id
    return None


def _sequence(message: Message, context: HandlerContext) -> int | None:
    """The session's version; that of a foreign source would hide the scheduler's events."""
    event = message.event
    return event.sequence if event.source == context.scheduler else None


def _needs_inbox(message: Message, context: HandlerContext) -> bool:
    """Whether only the inbox can detect a duplicate: neither sequence nor content can."""
    if not isinstance(message.data, SessionRescheduled):
        return False
    return _sequence(message, context) is None
