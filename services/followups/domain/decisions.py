"""What may happen to a follow-up, and who may bring it about. A refusal is a named error."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

from services.followups.domain.extensions import ExtensionRules
from services.followups.domain.records import (
    ENDED,
    Acknowledged,
    Amended,
    Blocked,
    Closed,
    Completed,
    Ending,
    Extended,
    ExtensionRefused,
    ExtensionRequested,
    Finding,
    Followup,
    Moved,
    Opened,
    Progressed,
    Reopened,
    Request,
    Resolution,
    Settled,
    Stance,
    Unblocked,
    Verified,
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
from services.followups.domain.transitions import RULES, Actor, Transition
from shared.runtime.calendar import tehran_date
from shared.runtime.principals import COORDINATION, Principal
from shared.runtime.refusals import NotAllowed
from shared.runtime.sentences import OneOf, sentence

MOST_AHEAD: Final = timedelta(minutes=5)
"""How far the clocks of two systems may be apart, as Kerberos has it; what is more is a mistake."""

# -- what comes by event ------------------------------------------------------------------------


def require_own(named: str, deputy: str, followup: Followup | None) -> None:
    """Refuse what names another deputy than the topic's, or one who answered for it before.

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
    """Open a follow-up for a resolution that is not known yet. Raises DueBeforeApproval."""
    approved_on = tehran_date(resolution.approved_at)
    if resolution.due_on < approved_on:
        raise DueBeforeApproval(
            f"due_on {resolution.due_on} is before the approval on {approved_on}"
        )
    return Opened(now, resolution, source, fingerprint, acknowledge_by)


def approve_again(followup: Followup, fingerprint: str) -> None:
    """Take an approval that is known already. Raises Conflict where it comes with other data."""
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
    """Amend a resolution; None where it changes nothing.

    `sent_at` (UTC) is when it came into its topic, by a clock that its source has not set; None
    where nobody knows. An amendment that says to be of a later time comes from a clock that is
    wrong: it counts, in the order of the topic, and its date does not, which would shut out all
    that comes after it. Another clock than that of the topic has no say, so that the same becomes
    of it whenever it is read. Raises NotTheApprover, NotNow, Outdated, DueBeforeApproval.
    """
    _require_the_approver(followup, source, scheduler)
    if resolution == followup.resolution:
        return None
    if followup.state in ENDED:
        raise NotNow(sentence("the follow-up is {state}", state=followup.state))
    latest = datetime.max.replace(tzinfo=UTC) if sent_at is None else sent_at + MOST_AHEAD
    dated = amended_at <= latest
    if followup.amended_at is not None and amended_at < followup.amended_at <= latest:
        raise Outdated(f"an amendment of {followup.amended_at.isoformat()} was applied")
    if resolution.due_on < tehran_date(resolution.approved_at):
        raise DueBeforeApproval(
            sentence("due_on {due_on} is before the approval", due_on=resolution.due_on)
        )
    return Amended(now, source, resolution, reason, amendment, amended_at if dated else None)


def withdraw(
    followup: Followup, source: str, scheduler: str, reason: str | None, now: datetime
) -> Closed | None:
    """Withdraw a resolution; None where it was. Raises NotTheApprover, NotNow."""
    _require_the_approver(followup, source, scheduler)
    if followup.outcome == "withdrawn":
        return None
    if followup.state in ENDED:
        raise NotNow(sentence("the follow-up is {state}", state=followup.state))
    return Closed(now, source, "withdrawn", reason)


def _require_the_approver(followup: Followup, source: str, scheduler: str) -> None:
    if source not in {followup.approved_source, scheduler}:
        raise NotTheApprover(f"{source} did not approve {followup.resolution_id}")


# -- what the deputy does -----------------------------------------------------------------------


def acknowledge(
    followup: Followup, by: Principal, stance: Stance, note: str | None, now: datetime
) -> Acknowledged:
    """Take note of it, and agree or dispute. Raises NotAllowed, NotNow, ReasonMissing."""
    require(followup, Transition.ACKNOWLEDGE if stance == "agreed" else Transition.DISPUTE, by, now)
    if stance == "disputed" and not (note and note.strip()):
        raise ReasonMissing("a dispute says why, in its note")
    return Acknowledged(now, by.id, stance, note)


def report_progress(
    followup: Followup, by: Principal, progress: int, note: str | None, now: datetime
) -> Progressed:
    """Say how far it is. Raises NotAllowed, NotNow, BadProgress."""
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
    """Say that it goes on. Raises NotAllowed, NotNow."""
    require(followup, Transition.UNBLOCK, by, now)
    return Unblocked(now, by.id, note)


def complete(followup: Followup, by: Principal, note: str | None, now: datetime) -> Completed:
    """Claim that it is done. Raises NotAllowed, NotNow."""
    require(followup, Transition.COMPLETE, by, now)
    return Completed(now, by.id, note)


def request_extension(
    followup: Followup,
    by: Principal,
    due_on: date,
    reason: str,
    rules: ExtensionRules,
    now: datetime,
) -> ExtensionRequested:
    """Ask for a later due date, once for each due date.

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


# -- what others decide -------------------------------------------------------------------------


def settle(followup: Followup, by: Principal, reason: str, now: datetime) -> Settled:
    """Decide that what the deputy disputes stands. Raises NotAllowed, NotNow."""
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
    """Grant the later date that is asked for, or another one.

    Raises NotAllowed, NotNow, BadDueDate.
    """
    request = _requested(followup, Transition.EXTEND, by, now)
    granted = request.due_on if due_on is None else due_on
    _require_later(followup, granted, rules)
    return Extended(now, by.id, granted, followup.resolution.due_on, note)


def refuse_extension(
    followup: Followup, by: Principal, reason: str, now: datetime
) -> ExtensionRefused:
    """Refuse the later date that is asked for. Raises NotAllowed, NotNow."""
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


def may_move(by: Principal) -> bool:
    """Whether somebody may say that another deputy answers, whichever follow-up it is."""
    return by.is_minister_office or by.is_operator


def move(
    followup: Followup, by: Principal, to: str, there: Followup | None, reason: str, now: datetime
) -> Moved:
    """Let another deputy answer for it; `there` is what he follows of the same resolution.

    Raises NotAllowed, AlreadyFollowed.
    """
    require(followup, Transition.MOVE, by, now)
    if there is not None:
        raise AlreadyFollowed(
            sentence(
                "{to} follows {resolution_id} as {followup_id}",
                to=to,
                resolution_id=followup.resolution_id,
                followup_id=there.followup_id,
            )
        )
    return Moved(now, by.id, followup.deputy, to, reason)


def close(followup: Followup, by: Principal, outcome: Ending, reason: str, now: datetime) -> Closed:
    """End it otherwise than done. Raises NotAllowed, NotNow."""
    require(followup, Transition.CLOSE, by, now)
    return Closed(now, by.id, outcome, reason)


# -- who, and from where ------------------------------------------------------------------------


def require(followup: Followup, step: Transition, by: Principal, now: datetime) -> None:
    """What every decision asks first; `now` (UTC) tells what was delegated.

    Raises NotAllowed and NotNow, in this order: who has no right learns nothing more.
    """
    rule = RULES[step]
    if not _may(rule.by, followup, by, now):
        raise NotAllowed(
            sentence("{by} may not {step}: that is for {who}", by=by.id, step=step, who=rule.by)
        )
    if followup.state not in rule.sources:
        raise NotNow(
            sentence(
                "the follow-up is {state}; this needs {wanted}",
                state=followup.state,
                wanted=OneOf(sorted(rule.sources)),
            )
        )


def acts_for_the_deputy(followup: Followup, by: Principal, now: datetime) -> bool:
    """Whether this is the deputy, his officer, or to whom he delegated (`now`: UTC)."""
    return _may(Actor.OFFICER, followup, by, now)


def speaks_for_body(by: Principal, body: str) -> bool:
    """Whether somebody speaks for a body that is a deputy by its id, or a province by its code.

    No role speaks for a body that is but a name: its part is reported by the deputy's people.
    """
    return by.answers_for(body) or by.speaks_for(body)


def _may(who: Actor, followup: Followup, by: Principal, now: datetime) -> bool:
    """Whether somebody is whom a step takes. Nobody decides about what is his own."""
    own = followup.deputy == COORDINATION
    decides = by.is_minister_office if own else by.is_coordination
    himself = by.answers_for(followup.deputy)
    delegate = followup.work.delegated_to(by.id, now) is not None
    stands_in = delegate or followup.work.officer == by.id
    province = followup.resolution.province
    concerned = province is not None and by.speaks_for(province)
    match who:
        case Actor.DEPUTY:
            return himself or delegate
        case Actor.HIMSELF:
            return himself
        case Actor.OFFICER:
            return himself or stands_in
        case Actor.DECIDER:
            return decides and not (himself or stands_in)
        case Actor.VERIFIER:
            claimants = {followup.claimed_by, followup.claimed_for}
            other = not stands_in and by.id not in claimants
            return (decides or (concerned and not own)) and other
        case Actor.BODY:
            speaks = (speaks_for_body(by, body) for body in followup.resolution.bodies)
            return himself or stands_in or any(speaks)
        case Actor.CONCERNED:
            heads = by.is_coordination or by.is_minister_office
            return himself or stands_in or concerned or heads
        case Actor.OFFICE:
            return may_move(by)
        case Actor.APPROVER | Actor.CLOCK:
            return False


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
