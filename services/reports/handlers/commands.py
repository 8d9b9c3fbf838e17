"""What people do: submit and distribute reports, issue circulars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeAlias

from services.reports import events
from services.reports.domain import decisions
from services.reports.domain.circulars import Circular
from services.reports.domain.decisions import Submission, UnknownSession
from services.reports.domain.records import Expectation, Fact
from services.reports.handlers.drafts import changed
from services.reports.handlers.ports import (
    CircularRepository,
    ExpectationRepository,
    HandlerContext,
)
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.errors import Stale
from shared.messaging.core.model import requested
from shared.runtime.commands import Command
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal
from shared.runtime.sentences import sentence

ReportCommand: TypeAlias = Command[ExpectationRepository, HandlerContext, Expectation]
Decide: TypeAlias = Callable[[Expectation], Sequence[Fact]]


async def submit_report(command: ReportCommand, submission: Submission) -> Expectation:
    """Accept a province's report, or its next revision; return the expectation after it.

    Raises UnknownSession, Faulty, NotAllowed, NotNow, and Stale as `change_expectation` does.
    """
    catalogues, restricted = command.context.catalogues, command.context.restricted

    def decide(expectation: Expectation) -> Sequence[Fact]:
        return decisions.submit(
            expectation, command.by, submission, catalogues, restricted, command.now
        )

    return await change_expectation(command, decide)


async def distribute_report(command: ReportCommand) -> Expectation:
    """Send the latest revision to all deputies, once; return the expectation after it.

    Raises UnknownSession, NotAllowed, NotNow, and Stale as `change_expectation` does.
    """

    def decide(expectation: Expectation) -> Sequence[Fact]:
        return [
            decisions.distribute(expectation, command.by, command.context.recipients, command.now)
        ]

    return await change_expectation(command, decide)


async def change_expectation(command: ReportCommand, decide: Decide) -> Expectation:
    """Load a session's expectation, decide, and save; return the expectation after it.

    If somebody else saved in between, `decide` runs again on what they saved. Raises
    UnknownSession, what `decide` raises, and Stale if others were faster at every try.
    """

    async def once() -> Expectation:
        before = await command.store.get(command.aggregate_id)
        if before is None:
            raise UnknownSession(
                sentence(
                    "no session {session_id} was announced here", session_id=command.aggregate_id
                )
            )
        change = changed(before, decide(before), command.context, command.trace)
        await command.store.save([change], requested(command.by, command.reply(change.after)))
        return change.after

    return await retry_on_conflict(once)


async def issue_circular(
    circular_id: str,
    catalogue_version: int,
    provinces: tuple[str, ...],
    store: CircularRepository,
    context: HandlerContext,
    by: Principal,
    now: datetime,
    trace: str | None = None,
    reply: Replying[Circular] = no_reply,
) -> Circular:
    """Issue a circular; if one with this id and this content exists already, return that one.

    Raises NotAllowed, Faulty, and Conflict if a circular with this id has other content.
    """
    circular = decisions.issue(
        circular_id, by, catalogue_version, provinces, context.catalogues, now
    )
    catalogue = context.catalogues[circular.catalogue_version]
    event = events.circular_event(circular, catalogue, context.addresses, trace)
    try:
        await store.add(circular, event, requested(by, reply(circular)))
    except Stale:
        known = await store.get(circular.circular_id)
        if known is None:
            raise
        decisions.issue_again(known, circular)
        return known
    return circular
