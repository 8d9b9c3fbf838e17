"""The decisions about a follow-up: each returns a fact, or raises a refusal with a name.

`now` is the present instant in UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from services.followups.domain.extensions import ExtensionRules
from services.followups.domain.facts import (
    Acknowledged,
    Amended,
    Blocked,
    Closed,
    Completed,
    Extended,
    ExtensionRefused,
    ExtensionRequested,
    Moved,
    Opened,
    Progressed,
    Reopened,
    Settled,
    Unblocked,
    Verified,
)
from services.followups.domain.permissions import require
from services.followups.domain.records import (
    ENDED,
    Ending,
    Finding,
    Followup,
    Request,
    Resolution,
    Stance,
)
from services.followups.domain.refusals import (
    AlreadyFollowed,
    BadBlocker,
    BadDueDate,
    BadProgress,
    Conflict,
    DueBeforeApproval,
    NotNow,
    NotTheApprover,
    Outdated,
    ReasonMissing,
    TooManyExtensions,
    WrongDeputy,
)
from services.followups.domain.transitions import Transition
from shared.runtime.calendar import tehran_date
from shared.runtime.principals import Principal
from shared.runtime.refusals import NotAllowed
from shared.runtime.sentences import sentence

MOST_AHEAD: Final = timedelta(minutes=5)
"""The largest accepted difference between two systems' clocks; Kerberos uses the same limit."""

# -- events of resolutions ----------------------------------------------------------------------


def require_own(named: str, deputy: str, followup: Followup | None) -> None:
    """Require that an event names the deputy of its topic, or a former deputy of the follow-up.

    Raises WrongDeputy.
    """
    former = () if followup is None else followup.former_deputies
    if named != deputy and named not in former:
        raise WrongDeputy(f"data.deputy is {named!r}, the topic is of {deputy!r}")


def open_(
    resolution: Resolution,
    source: str,
    fingerprint: str,
    now: datetime,
    acknowledge_by: date | None = None,
) -> Opened:
    """Open the follow-up of a new resolution. Raises DueBeforeApproval."""
    approved_on = tehran_date(resolution.approved_at)
    if resolution.due_on < approved_on:
        raise DueBeforeApproval(
            f"due_on {resolution.due_on} is before the approval on {approved_on}"
        )
    return Opened(now, resolution, source, fingerprint, acknowledge_by)


def approve_again(followup: Followup, fingerprint: str) -> None:
    """Accept a repeated approval. Raises Conflict if its data differ."""
    if followup.fingerprint != fingerprint:
        raise Conflict(f"{followup.resolution_id} is known with other data")


def amend(
    followup: Followup,
    resolution: Resolution,
    source: str,
    scheduler: str,
    reason: str | None,
    amendment: str,
    amended_at: datetime,
    now: datetime,
    sent_at: datetime | None = None,
) -> Amended | None:
    """Amend a resolution; return None if it changes nothing.

    `sent_at` (UTC) is the time at which the topic received the amendment, by a clock that its
    source does not set; None if unknown. If `amended_at` is much later, the source's clock is
    wrong: the amendment is applied, but its date is not kept, because it would make all later
    amendments look outdated. Our own clock is not used, so the decision is the same whenever the
    event is read. Raises NotTheApprover, NotNow, Outdated, DueBeforeApproval.
    """
    _require_the_approver(followup, source, scheduler)
    if resolution == followup.resolution:
        return None
    if followup.state in ENDED:
        raise NotNow(sentence("the follow-up is {state}", state=followup.state))
    latest = datetime.max.replace(tzinfo=UTC) if sent_at is None else sent_at + MOST_AHEAD
    dated = amended_at if amended_at <= latest else None
    if followup.amended_at is not None and amended_at < followup.amended_at <= latest:
        raise Outdated(f"an amendment of {followup.amended_at.isoformat()} was applied")
    if resolution.due_on < tehran_date(resolution.approved_at):
        raise DueBeforeApproval(
            sentence("due_on {due_on} is before the approval", due_on=resolution.due_on)
        )
    return Amended(now, source, resolution, reason, amendment, dated)


def withdraw(
    followup: Followup, source: str, scheduler: str, reason: str | None, now: datetime
) -> Closed | None:
    """Withdraw a resolution; None if it is withdrawn already. Raises NotTheApprover, NotNow."""
    _require_the_approver(followup, source, scheduler)
    if followup.outcome == "withdrawn":
        return None
    if followup.state in ENDED:
        raise NotNow(sentence("the follow-up is {state}", state=followup.state))
    return Closed(now, source, "withdrawn", reason)


def _require_the_approver(followup: Followup, source: str, scheduler: str) -> None:
    if source not in {followup.approved_source, scheduler}:
        raise NotTheApprover(f"{source} did not approve {followup.resolution_id}")


# -- steps of the deputy ------------------------------------------------------------------------


def acknowledge(
    followup: Followup, by: Principal, stance: Stance, note: str | None, now: datetime
) -> Acknowledged:
    """Take note, and agree or dispute. Raises NotAllowed, NotNow, ReasonMissing."""
    require(followup, Transition.ACKNOWLEDGE if stance == "agreed" else Transition.DISPUTE, by, now)
    if stance == "disputed" and not (note and note.strip()):
        raise ReasonMissing("a dispute says why, in its note")
    return Acknowledged(now, by.id, stance, note)


def report_progress(
    followup: Followup, by: Principal, progress: int, note: str | None, now: datetime
) -> Progressed:
    """Report the progress, 0 to 100. Raises NotAllowed, NotNow, BadProgress."""
    require(followup, Transition.PROGRESS, by, now)
    if not 0 <= progress <= 100:
        raise BadProgress(sentence("{progress} is not from 0 to 100", progress=progress))
    return Progressed(now, by.id, progress, note)


def block(
    followup: Followup, by: Principal, blocked_by: str, reason: str, now: datetime
) -> Blocked:
    """Say who has to act first. Raises NotAllowed, NotNow, BadBlocker."""
    require(followup, Transition.BLOCK, by, now)
    if blocked_by in {followup.deputy, by.id}:
        template = "{blocked_by} answers for it; who else has to act first?"
        raise BadBlocker(sentence(template, blocked_by=blocked_by))
    return Blocked(now, by.id, blocked_by, reason)


def unblock(followup: Followup, by: Principal, note: str | None, now: datetime) -> Unblocked:
    """Say that the work goes on. Raises NotAllowed, NotNow."""
    require(followup, Transition.UNBLOCK, by, now)
    return Unblocked(now, by.id, note)


def complete(followup: Followup, by: Principal, note: str | None, now: datetime) -> Completed:
    """Claim that it is done. Raises NotAllowed, NotNow."""
    require(followup, Transition.COMPLETE, by, now)
    absence = by.substitution(followup.deputy)
    return Completed(now, by.id, note, None if absence is None else absence.absence_id)


def request_extension(
    followup: Followup,
    by: Principal,
    due_on: date,
    reason: str,
    rules: ExtensionRules,
    now: datetime,
) -> ExtensionRequested:
    """Ask for a later due date (Asia/Tehran), once per due date.

    Raises NotAllowed, NotNow, TooManyExtensions, BadDueDate.
    """
    require(followup, Transition.REQUEST_EXTENSION, by, now)
    present = followup.resolution.due_on
    if followup.request is not None:
        raise NotNow("an extension is asked for already")
    if present in followup.requested_for:
        raise TooManyExtensions(
            sentence("more time than until {day} was asked for before", day=present)
        )
    if len(followup.extensions) >= rules.most:
        raise TooManyExtensions(
            sentence("{most} extensions were granted, no more can be", most=rules.most)
        )
    _require_later(followup, due_on, rules)
    return ExtensionRequested(now, by.id, present, due_on, reason, rules.lapses_at(now))


# -- decisions of others ------------------------------------------------------------------------


def settle(followup: Followup, by: Principal, reason: str, now: datetime) -> Settled:
    """Decide that the disputed resolution stays as it is. Raises NotAllowed, NotNow."""
    require(followup, Transition.SETTLE, by, now)
    return Settled(now, by.id, reason)


def extend(
    followup: Followup,
    by: Principal,
    due_on: date | None,
    note: str | None,
    rules: ExtensionRules,
    now: datetime,
) -> Extended:
    """Grant the requested due date, or another one (Asia/Tehran).

    Raises NotAllowed, NotNow, BadDueDate.
    """
    request = _requested(followup, Transition.EXTEND, by, now)
    granted = request.due_on if due_on is None else due_on
    _require_later(followup, granted, rules)
    return Extended(now, by.id, granted, followup.resolution.due_on, note)


def refuse_extension(
    followup: Followup, by: Principal, reason: str, now: datetime
) -> ExtensionRefused:
    """Refuse the requested due date. Raises NotAllowed, NotNow."""
    request = _requested(followup, Transition.REFUSE_EXTENSION, by, now)
    return ExtensionRefused(now, by.id, request.due_on, reason)


def verify(
    followup: Followup, by: Principal, finding: Finding, note: str | None, now: datetime
) -> Verified:
    """Confirm that it is done. Raises NotAllowed, NotNow."""
    require(followup, Transition.VERIFY, by, now)
    return Verified(now, by.id, finding, note)


def reopen(followup: Followup, by: Principal, reason: str, now: datetime) -> Reopened:
    """Refuse a claim, or take a confirmation back. Raises NotAllowed, NotNow."""
    require(followup, Transition.REOPEN, by, now)
    return Reopened(now, by.id, reason)


def move(
    followup: Followup, by: Principal, to: str, same: Followup | None, reason: str, now: datetime
) -> Moved:
    """Move it to another deputy; `same` is that deputy's own follow-up of the resolution, if any.

    Raises NotAllowed, AlreadyFollowed.
    """
    require(followup, Transition.MOVE, by, now)
    if same is not None:
        raise AlreadyFollowed(
            sentence(
                "{to} follows {resolution_id} as {followup_id}",
                to=to,
                resolution_id=followup.resolution_id,
                followup_id=same.followup_id,
            )
        )
    return Moved(now, by.id, followup.deputy, to, reason)


def close(followup: Followup, by: Principal, outcome: Ending, reason: str, now: datetime) -> Closed:
    """End it with another outcome than done. Raises NotAllowed, NotNow."""
    require(followup, Transition.CLOSE, by, now)
    return Closed(now, by.id, outcome, reason)


# -- checks of extensions ----------------------------------------------------------------------


def _requested(followup: Followup, step: Transition, by: Principal, now: datetime) -> Request:
    require(followup, step, by, now)
    if followup.request is None:
        raise NotNow("no extension is asked for")
    if followup.request.by == by.id:
        raise NotAllowed(sentence("{by} asked for it; somebody else decides", by=by.id))
    return followup.request


def _require_later(followup: Followup, due_on: date, rules: ExtensionRules) -> None:
    present = followup.resolution.due_on
    if due_on <= present:
        raise BadDueDate(
            sentence(
                "{due_on} is not later than the present due date {present}",
                due_on=due_on,
                present=present,
            )
        )
    latest = rules.latest(followup.original_due_on)
    if due_on > latest:
        raise BadDueDate(
            sentence(
                "{due_on} is beyond {latest}, {days} days after the original due date",
                due_on=due_on,
                latest=latest,
                days=rules.days,
            )
        )
