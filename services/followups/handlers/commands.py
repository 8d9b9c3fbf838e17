"""What people do to one follow-up: one function per command.

Each loads the follow-up, lets the domain decide, and saves the fact with its event. If somebody
else changed the follow-up in between, it loads and decides again. Each returns the follow-up after
the fact, and raises UnknownFollowup, the refusals that the decision names, and Stale if others
were faster every time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TypeAlias, TypeVarTuple

from services.followups.domain import decisions, teamwork
from services.followups.domain.extensions import ExtensionRules
from services.followups.domain.facts import Fact
from services.followups.domain.records import Ending, Finding, Followup, Stance
from services.followups.handlers.drafts import changed
from services.followups.handlers.ports import FollowupRepository, HandlerContext, UnknownFollowup
from shared.messaging.core.conflicts import retry_on_conflict
from shared.messaging.core.model import requested
from shared.runtime import commands
from shared.runtime.idempotent_replies import Replying, no_reply
from shared.runtime.principals import Principal

Decide: TypeAlias = Callable[[Followup], Fact]
Arguments = TypeVarTuple("Arguments")

Command: TypeAlias = commands.Command[FollowupRepository, HandlerContext, Followup]


# -- the deputy ---------------------------------------------------------------------------------


async def acknowledge(command: Command, stance: Stance, note: str | None) -> Followup:
    """The deputy takes note, and agrees or disputes."""
    return await _run(command, decisions.acknowledge, stance, note)


async def report_progress(command: Command, progress: int, note: str | None) -> Followup:
    """The deputy reports the progress, 0 to 100."""
    return await _run(command, decisions.report_progress, progress, note)


async def block(command: Command, blocked_by: str, reason: str) -> Followup:
    """The deputy says who has to act first."""
    return await _run(command, decisions.block, blocked_by, reason)


async def unblock(command: Command, note: str | None) -> Followup:
    """The deputy says that the work goes on."""
    return await _run(command, decisions.unblock, note)


async def complete(command: Command, note: str | None) -> Followup:
    """The deputy claims that it is done."""
    return await _run(command, decisions.complete, note)


async def request_extension(
    command: Command, due_on: date, reason: str, rules: ExtensionRules
) -> Followup:
    """The deputy asks for a later due date (Asia/Tehran)."""
    return await _run(command, decisions.request_extension, due_on, reason, rules)


# -- coordination, and the province -------------------------------------------------------------


async def settle(command: Command, reason: str) -> Followup:
    """Coordination decides that the disputed resolution stays as it is."""
    return await _run(command, decisions.settle, reason)


async def extend(
    command: Command, due_on: date | None, note: str | None, rules: ExtensionRules
) -> Followup:
    """Coordination grants a later due date (Asia/Tehran); None: the requested one."""
    return await _run(command, decisions.extend, due_on, note, rules)


async def refuse_extension(command: Command, reason: str) -> Followup:
    """Coordination refuses a later due date."""
    return await _run(command, decisions.refuse_extension, reason)


async def verify(command: Command, finding: Finding, note: str | None) -> Followup:
    """Coordination or the province confirms that it is done."""
    return await _run(command, decisions.verify, finding, note)


async def reopen(command: Command, reason: str) -> Followup:
    """Coordination or the province refuses a claim, or takes a confirmation back."""
    return await _run(command, decisions.reopen, reason)


async def close(command: Command, outcome: Ending, reason: str) -> Followup:
    """Coordination ends it with an outcome other than done."""
    return await _run(command, decisions.close, outcome, reason)


# -- teamwork -----------------------------------------------------------------------------------


async def assign(command: Command, officer: str, note: str | None) -> Followup:
    """The deputy names the officer."""
    return await _run(command, teamwork.assign, officer, note)


async def unassign(command: Command, note: str | None) -> Followup:
    """The deputy or the officer ends the officer's assignment."""
    return await _run(command, teamwork.unassign, note)


async def delegate(command: Command, to: str, until: date, note: str | None) -> Followup:
    """The deputy lets somebody take all steps, until the end of a day (Asia/Tehran)."""
    return await _run(command, teamwork.delegate, to, until, note)


async def end_delegation(command: Command, note: str | None) -> Followup:
    """The deputy takes a delegation back, or the delegate gives it back."""
    return await _run(command, teamwork.end_delegation, note)


async def report_part(command: Command, body: str, progress: int, note: str | None) -> Followup:
    """Somebody reports the progress of a supporting or executing body, 0 to 100."""
    return await _run(command, teamwork.report_part, body, progress, note)


async def add_item(command: Command, title: str, owner: str, due_on: date) -> Followup:
    """The deputy or the officer adds an action item, due on a day (Asia/Tehran)."""
    return await _run(command, teamwork.add_item, title, owner, due_on)


async def finish_item(command: Command, number: int, note: str | None) -> Followup:
    """The deputy or the officer says that an item is done."""
    return await _run(command, teamwork.finish_item, number, note)


async def drop_item(command: Command, number: int, reason: str) -> Followup:
    """The deputy or the officer says that an item will not be done."""
    return await _run(command, teamwork.drop_item, number, reason)


async def comment(command: Command, text: str) -> Followup:
    """Somebody who is concerned comments."""
    return await _run(command, teamwork.comment, text)


# -- what they share ----------------------------------------------------------------------------


async def _run(
    command: Command,
    decide: Callable[[Followup, Principal, *Arguments, datetime], Fact],
    *arguments: *Arguments,
) -> Followup:
    return await act(
        command.aggregate_id,
        command.store,
        command.context,
        command.by,
        lambda followup: decide(followup, command.by, *arguments, command.now),
        command.trace,
        command.reply,
    )


async def act(
    followup_id: str,
    store: FollowupRepository,
    context: HandlerContext,
    by: Principal,
    decide: Decide,
    trace: str | None = None,
    reply: Replying[Followup] = no_reply,
) -> Followup:
    """Apply a decision to a follow-up, save it, and return the follow-up after it.

    Raises UnknownFollowup, Refused, and Stale if others were faster every time.
    """

    async def once() -> Followup:
        before = await load(store, followup_id)
        change = changed(before, [decide(before)], context, trace, by)
        await store.save([change], requested(by, reply(change.after)))
        return change.after

    return await retry_on_conflict(once)


async def load(store: FollowupRepository, followup_id: str) -> Followup:
    """Return a follow-up. Raises UnknownFollowup."""
    found = await store.get(followup_id)
    if found is None:
        raise UnknownFollowup(followup_id)
    return found
